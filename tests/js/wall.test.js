import assert from "node:assert/strict";
import { test } from "node:test";
import { packScreens } from "../../static/js/modules/pack-screens.js";

const line = (/** @type {string} */ name, /** @type {number} */ count) => ({ name, count });

test("short lines share a screen, in the plant's order", () => {
  assert.deepEqual(packScreens([line("A", 5), line("B", 3), line("C", 6)], 12), [
    { names: ["A", "B"], from: 0, to: 8 },
    { names: ["C"], from: 8, to: 14 },
  ]);
});

test("a line longer than a screen is cut, and its rest takes others in", () => {
  assert.deepEqual(packScreens([line("A", 14), line("B", 3)], 6), [
    { names: ["A"], from: 0, to: 6 },
    { names: ["A"], from: 6, to: 12 },
    { names: ["A", "B"], from: 12, to: 17 },
  ]);
});

test("every machine stands on exactly one screen", () => {
  const lines = [line("A", 1), line("B", 25), line("C", 0), line("D", 12), line("E", 7)];
  const screens = packScreens(lines, 12);
  const shown = screens.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, step) => from + step));
  assert.deepEqual(shown, Array.from({ length: 45 }, (_, at) => at));
  assert.ok(screens.every(({ from, to }) => to - from <= 12));
});

test("a plant without machines has no screens", () => {
  assert.deepEqual(packScreens([], 12), []);
});
