import assert from "node:assert/strict";
import { test } from "node:test";

import { bandOfRest, calmRange, valueLabels, valueRange } from "../../static/js/charts/scale.js";

test("the range holds what was measured and the normal band, with air", () => {
  const [low, high] = valueRange(60, 70, [58, 80]);
  assert.ok(low < 58 && high > 80);
});

test("a quantity that is never negative keeps its zero line", () => assert.equal(valueRange(0.1, 5, null)[0], 0));

test("a flat line gets room around it", () => {
  const [low, high] = valueRange(5, 5, null);
  assert.ok(low < 5 && high > 5);
});

test("what hardly moves looks calm before its normal band is known, and what does move is not flattened", () => {
  const [low, high] = valueRange(183, 183.1, bandOfRest(183, 183.1));
  assert.ok(high - low > 5);
  const [bottom, top] = valueRange(10, 20, bandOfRest(10, 20));
  assert.ok(top - bottom < 12);
  assert.deepEqual(bandOfRest(0, 0), [0, 0]);
});

test("nothing measured is a range all the same", () => assert.deepEqual(valueRange(null, null, null), [0, 1]));

test("the axis stays calm until it is outgrown or much too roomy", () => {
  assert.deepEqual(calmRange([0, 10], [1, 9]), [0, 10]);
  assert.deepEqual(calmRange([0, 10], [1, 11]), [1, 11]);
  assert.deepEqual(calmRange([0, 10], [4, 6]), [4, 6]);
});

test("no two marks of an axis read alike, and coarse ones stay as figures are", () => {
  assert.deepEqual(valueLabels([400, 400.5, 401], 0.5), ["400.0", "400.5", "401.0"]);
  assert.deepEqual(valueLabels([1200, 1200.25], 0.25), ["1\u202f200.00", "1\u202f200.25"]);
  assert.deepEqual(valueLabels([0, 50, 100], 50), ["0", "50.0", "100"]);
});
