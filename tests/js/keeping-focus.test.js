import assert from "node:assert/strict";
import { test } from "node:test";

import { foundAgain, heldOf } from "../../static/js/keeping-focus.js";

/** @type {any} */ (globalThis).CSS = { escape: (/** @type {string} */ text) => text };

/** @param {string} name @returns {any} */
const control = (name) => ({ textContent: ` ${name} `, getAttribute: () => null });
/** A part of a page with an id. @param {any[]} controls @returns {any} */
function part(controls) {
  const all = { id: "row-7", querySelectorAll: () => controls };
  for (const each of controls) each.closest = () => all;
  return all;
}
/** @param {any} anchor @returns {any} */
const page = (anchor) => ({ querySelector: (/** @type {string} */ path) => (path === "#row-7" ? anchor : null) });

test("what has the focus is found again at its place, or elsewhere under its name", () => {
  const before = part([control("Press 1"), control("Acknowledge")]);
  const held = heldOf(before.querySelectorAll()[1]);
  assert.deepEqual(held, { anchors: ["row-7"], place: 1, name: "Acknowledge" });
  const same = part([control("Press 1"), control("Acknowledge")]);
  assert.equal(foundAgain(page(same), /** @type {any} */ (held)), same.querySelectorAll()[1]);
  const moved = part([control("Press 1"), control("New"), control("Acknowledge")]);
  assert.equal(foundAgain(page(moved), /** @type {any} */ (held)), moved.querySelectorAll()[2]);
});

test("what is gone because it was pressed leaves the focus where it was, and never on another deed of that place", () => {
  const held = heldOf(part([control("Press 1"), control("Acknowledge")]).querySelectorAll()[1]);
  const after = part([control("Press 1"), control("Close")]);
  assert.equal(foundAgain(page(after), /** @type {any} */ (held)), after.querySelectorAll()[0]);
  assert.equal(foundAgain(page(null), /** @type {any} */ (held)), null);
  const list = part([control("Write a note")]);
  assert.equal(foundAgain(page(list), { anchors: ["note-1", "row-7"], place: 0, name: "Remove" }), list.querySelectorAll()[0], "a row that went leaves it to its list");
});

test("outside of any part with an id nothing is held", () => {
  assert.equal(heldOf(/** @type {any} */ ({ closest: () => null })), null);
});
