// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { dueAt } from "../../static/js/modules/at-work.js";
import { troubleOf } from "../../static/js/modules/passkey-trouble.js";

const idleMs = 15 * 60_000;

test("the server hears of somebody once a minute, and of nobody not at all", () => {
  assert.equal(dueAt({ nowMs: 50_000, seenMs: 49_000, toldMs: 0, idleMs }), "wait");
  assert.equal(dueAt({ nowMs: 60_000, seenMs: 49_000, toldMs: 0, idleMs }), "tell");
  assert.equal(dueAt({ nowMs: 600_000, seenMs: 49_000, toldMs: 60_000, idleMs }), "wait");
});

test("a page at which nobody was for the factory's time is left", () => {
  assert.equal(dueAt({ nowMs: 49_000 + idleMs - 1, seenMs: 49_000, toldMs: 60_000, idleMs }), "wait");
  assert.equal(dueAt({ nowMs: 49_000 + idleMs, seenMs: 49_000, toldMs: 60_000, idleMs }), "leave");
});

test("what kept a passkey from working is told by kind", () => {
  const named = (/** @type {string} */ name) => troubleOf(Object.assign(new Error("x"), { name }));
  assert.deepEqual(["NotAllowedError", "InvalidStateError", "SecurityError", "Error"].map(named), ["cancelled", "known", "unable", "failed"]);
  assert.equal(troubleOf(new TypeError("navigator.credentials is undefined")), "unable");
  assert.equal(troubleOf(undefined), "failed");
});
