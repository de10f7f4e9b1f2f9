import assert from "node:assert/strict";
import { test } from "node:test";

import { moved, nearest, onOneGrid, shiftOf } from "../../static/js/charts/grid.js";
import { SeriesBuffer } from "../../static/js/charts/series-buffer.js";

/** @param {number[]} times @param {number[]} values @param {number} width */
function columns(times, values, width) {
  const buffer = new SeriesBuffer();
  buffer.push(times, values);
  return buffer.columns(times[0], times[times.length - 1], width);
}

test("series of different clocks meet on one axis, and each keeps its own readings", () => {
  const a = columns([1_000, 2_000, 3_000], [1, 2, 3], 1_000);
  const b = columns([1_400, 3_900], [10, 30], 1_000);
  const { t, rows } = onOneGrid([a, b], 1_000, 4_000, 1_000);
  assert.deepEqual(t, [500, 1_500, 2_500, 3_500, 4_500]);
  assert.deepEqual(Array.from(rows[0].mean), [undefined, 1, 2, 3, undefined]);
  assert.deepEqual(Array.from(rows[1].mean), [undefined, 10, undefined, 30, undefined]);
});

test("a gap is a break on the common axis, and a series that reports seldom is none", () => {
  const times = [...Array(10).keys()].map((at) => at * 1_000).concat([...Array(10).keys()].map((at) => 60_000 + at * 1_000));
  const dense = columns(times, times.map(() => 5), 1_000);
  const seldom = columns([0, 30_000, 60_000, 69_000], [1, 1, 1, 1], 1_000);
  const { rows } = onOneGrid([dense, seldom], 0, 70_000, 1_000);
  assert.ok(rows[0].mean.includes(null));
  assert.ok(!rows[1].mean.includes(null));
});

test("the cursor reads the nearest value where a line goes on, and nothing in a gap", () => {
  assert.equal(nearest([1, undefined, undefined, undefined, 5], 1), 1);
  assert.equal(nearest([1, undefined, undefined, undefined, 5], 3), 5);
  assert.equal(nearest([1, null, undefined, 5], 1), null);
  assert.equal(nearest([], 1), null);
});

test("last week is moved onto this one", () => assert.deepEqual(moved({ t: [1, 2], min: [], mean: [], max: [], count: [] }, 10).t, [11, 12]));

test("a week before is the same hour of the plant's clock, also over summer time", () => {
  const week = 7 * 86_400_000;
  assert.equal(shiftOf(Date.parse("2026-11-21T12:00:00Z"), 7, "Europe/Warsaw"), week);
  assert.equal(shiftOf(Date.parse("2026-10-27T12:00:00Z"), 7, "Europe/Warsaw"), week + 3_600_000);
  assert.equal(shiftOf(Date.parse("2026-04-01T12:00:00Z"), 7, "Europe/Warsaw"), week - 3_600_000);
  assert.equal(shiftOf(Date.parse("2026-10-27T12:00:00Z"), 7, "UTC"), week);
});
