import assert from "node:assert/strict";
import { test } from "node:test";
import { outcomeOf } from "../../static/js/sending.js";

const OWN = { person: "Anna Kowalska", sentMs: 1_000_000 };

test("an acknowledgement counted when the answer names us, just now", () => {
  assert.equal(outcomeOf({ status: 200, by: "Anna Kowalska", atMs: 1_000_300 }, OWN), "sent");
});

test("somebody who was faster is named instead", () => {
  assert.equal(outcomeOf({ status: 200, by: "Otto", atMs: 900_000 }, OWN), "beaten");
  assert.equal(outcomeOf({ status: 200, by: null, atMs: null }, OWN), "beaten");
});

test("our own of an hour ago, from another phone, is not this one", () => {
  assert.equal(outcomeOf({ status: 200, by: "Anna Kowalska", atMs: 1000 }, OWN), "beaten");
});

test("what may still succeed is kept", () => {
  for (const status of [0, 401, 429, 500, 503]) assert.equal(outcomeOf({ status }, OWN), "later");
});

test("what never will is said and let go", () => {
  assert.equal(outcomeOf({ status: 404 }, OWN), "gone");
  assert.equal(outcomeOf({ status: 403 }, OWN), "refused");
});
