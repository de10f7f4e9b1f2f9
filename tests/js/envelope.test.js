import assert from "node:assert/strict";
import { test } from "node:test";

import { boundsOf, drawEnvelope, stretchesOf } from "../../static/js/charts/envelope.js";

test("the veil goes on over places without a bucket and ends where the line breaks", () => {
  const min = [1, undefined, 1, null, 1, 1];
  const max = [2, undefined, 2, null, 3, 3];
  assert.deepEqual(stretchesOf(min, max), [[0, 2], [4, 5]]);
});

test("readings one by one have no width, so nothing is drawn for them", () => {
  assert.deepEqual(stretchesOf([1, 2, 3], [1, 2, 3]), []);
  assert.deepEqual(stretchesOf([1, 2, null, 3], [1, 5, null, 3]), [[0, 1]]);
});

test("an axis holds what lies in the window, and what the line passes through where nothing does", () => {
  const t = [0, 10, 20, 30];
  const rows = [[0, 4, 5, 90], [1, 6, 7, 99]];
  assert.deepEqual(boundsOf(t, rows, 5, 25), [4, 7]);
  assert.deepEqual(boundsOf(t, rows, 12, 15), [0, 99]);
  assert.deepEqual(boundsOf([], [[]], 0, 10), [Infinity, -Infinity]);
});

/** What was drawn, in words. */
function fakePlot() {
  /** @type {string[]} */
  const log = [];
  const say = (/** @type {string} */ name) => (/** @type {number[]} */ ...at) => void log.push([name, ...at].join(" "));
  const ctx = Object.fromEntries(["save", "restore", "beginPath", "clip", "rect", "moveTo", "lineTo", "closePath", "fill"].map((name) => [name, say(name)]));
  return { log, plot: /** @type {any} */ ({ ctx, bbox: { left: 10, top: 0, width: 100, height: 50 }, scales: { x: { min: 0, max: 100 }, y: { min: 0, max: 10 } } }) };
}

test("the veil is one shape: along the maxima, and back along the minima", () => {
  const { log, plot } = fakePlot();
  drawEnvelope(plot, "y", [0, 50, 100], [0, 5, 0], [10, 5, 10], "grey");
  assert.deepEqual(log.slice(5), ["moveTo 10 0", "lineTo 60 25", "lineTo 110 0", "lineTo 110 50", "lineTo 60 25", "lineTo 10 50", "closePath", "fill", "restore"]);
});
