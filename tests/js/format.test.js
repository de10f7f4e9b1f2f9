import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { age, figure } from "../../static/js/format.js";

/** @type {[number | null, string][]} */
const FIGURES = JSON.parse(readFileSync(new URL("figures.json", import.meta.url), "utf8"));

for (const [value, text] of FIGURES) {
  test(`the figure ${value} reads ${text}, as on the server`, () => assert.equal(figure(value), text));
}

test("a German reader sees a comma", () => {
  assert.deepEqual([2.1, 1234.5, 0.00001234].map((value) => figure(value, true)), ["2,10", "1\u202f235", "1,23e-05"]);
});

test("what is no number is a dash", () => {
  assert.equal(figure(NaN), "–");
  assert.equal(figure(Infinity), "–");
  assert.equal(figure(undefined), "–");
});

test("an age is told in its largest sensible unit", () => {
  assert.deepEqual([4.2, 59.9, 61, 7300, 200_000, -3].map(age), ["4 s", "59 s", "1 min", "2 h", "2 d", "0 s"]);
});
