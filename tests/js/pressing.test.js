import assert from "node:assert/strict";
import { test } from "node:test";

import { isPressing, onRelease, watchPressing } from "../../static/js/pressing.js";

const later = () => new Promise((resolve) => setTimeout(resolve, 0));

test("between down and up somebody is pressing, and who waits is told after the click", async () => {
  const page = new EventTarget();
  watchPressing(page);
  /** @type {string[]} */
  const log = [];
  const off = onRelease(() => log.push("released"));
  assert.equal(isPressing(), false);
  page.dispatchEvent(new Event("pointerdown"));
  assert.equal(isPressing(), true);
  page.dispatchEvent(new Event("pointerup"));
  log.push("click");
  assert.equal(isPressing(), false);
  await later();
  assert.deepEqual(log, ["click", "released"]);
  off();
});

test("a finger that is taken off sideways, or a window that is left, is up, too", async () => {
  const page = new EventTarget();
  watchPressing(page);
  let released = 0;
  const off = onRelease(() => (released += 1));
  for (const type of ["pointercancel", "dragend", "blur"]) {
    page.dispatchEvent(new Event("pointerdown"));
    page.dispatchEvent(new Event(type));
    page.dispatchEvent(new Event(type));
    assert.equal(isPressing(), false);
  }
  await later();
  assert.equal(released, 3);
  off();
});
