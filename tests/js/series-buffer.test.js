import assert from "node:assert/strict";
import { test } from "node:test";

import { ColumnsWriter, keyFigures } from "../../static/js/charts/columns.js";
import { SeriesBuffer } from "../../static/js/charts/series-buffer.js";

/** @param {SeriesBuffer} buffer */
const times = (buffer) => Array.from(buffer.t.subarray(buffer.start, buffer.end));
/** @param {SeriesBuffer} buffer */
const values = (buffer) => Array.from(buffer.v.subarray(buffer.start, buffer.end));

test("readings stand in time order, a null is none", () => {
  const buffer = new SeriesBuffer();
  buffer.push([10, 20, 30], [1, null, 3]);
  assert.deepEqual([times(buffer), values(buffer)], [[10, 30], [1, 3]]);
  assert.equal(buffer.lastValue, 3);
});

test("a late reading takes its place and an equal time is overwritten", () => {
  const buffer = new SeriesBuffer();
  buffer.push([10, 30], [1, 3]);
  buffer.push([20, 30, 5], [2, 33, 0]);
  assert.deepEqual([times(buffer), values(buffer)], [[5, 10, 20, 30], [0, 1, 2, 33]]);
});

test("a snapshot replaces what it covers and leaves what is older", () => {
  const buffer = new SeriesBuffer();
  buffer.push([10, 20, 30, 40], [1, 2, 3, 4]);
  buffer.replaceFrom([30, 50], [33, 55]);
  assert.deepEqual([times(buffer), values(buffer)], [[10, 20, 30, 50], [1, 2, 33, 55]]);
});

test("the buffer grows to its bound, then the oldest go", () => {
  const buffer = new SeriesBuffer(4096);
  for (let at = 0; at < 20_000; at += 1) buffer.push([at], [at]);
  assert.ok(buffer.length <= 4096 && buffer.length >= 2048, `${buffer.length}`);
  assert.ok(buffer.t.length <= 8192);
  assert.equal(buffer.lastTime, 19_999);
  assert.deepEqual(times(buffer), values(buffer));
});

test("columns keep the peak of a bucket and lie on multiples of its width", () => {
  const buffer = new SeriesBuffer();
  for (let at = 0; at < 1000; at += 10) buffer.push([at], [at === 550 ? 99 : 1]);
  const columns = buffer.columns(0, 1000, 100);
  assert.equal(columns.t.length, 10);
  assert.equal(columns.max[5], 99);
  assert.equal(columns.min[5], 1);
  assert.deepEqual(buffer.columns(100, 1000, 100).mean.slice(-9), columns.mean.slice(-9));
});

test("the line breaks over a gap instead of inventing values", () => {
  const buffer = new SeriesBuffer();
  for (let at = 0; at < 60; at += 1) buffer.push([at * 1000], [1]);
  for (let at = 120; at < 180; at += 1) buffer.push([at * 1000], [2]);
  const columns = buffer.columns(0, 180_000, 1000);
  assert.equal(columns.mean.filter((mean) => mean === null).length, 1);
});

test("a slow series is no series of gaps", () => {
  const buffer = new SeriesBuffer();
  for (let at = 0; at < 20; at += 1) buffer.push([at * 30_000], [1]);
  assert.ok(!buffer.columns(0, 600_000, 1000).mean.includes(null));
});

test("stored buckets are centred and break where some are missing", () => {
  const writer = new ColumnsWriter();
  for (const start of [0, 1000, 2000, 30_000, 31_000]) writer.add(start, start + 1000, 1, 2, 3, 1);
  const columns = writer.end();
  assert.deepEqual(columns.t, [500, 1500, 2500, 3001, 30_500, 31_500]);
  assert.equal(columns.mean[3], null);
});

test("key figures weigh each column by its readings", () => {
  const columns = { t: [1, 2, 3], min: [1, null, 5], mean: [2, null, 6], max: [3, null, 7], count: [3, 0, 1] };
  assert.deepEqual(keyFigures(columns, 0), { min: 1, max: 7, mean: 3, last: 6, count: 4 });
  assert.equal(keyFigures(columns, 10).mean, null);
});

test("a machine that begins to report more often leaves no gaps behind", () => {
  const buffer = new SeriesBuffer();
  for (let at = 0; at < 20; at += 1) buffer.push([at * 10_000], [1]);
  for (let at = 191; at < 500; at += 1) buffer.push([at * 1000], [1]);
  assert.ok(!buffer.columns(0, 500_000, 500).mean.includes(null));
});

test("a reading on the very edge of a bucket ends the walk, whatever rounding says of the edge", () => {
  const edge = 1_795_287_600_000;
  const width = (300_000 / 134) * 1.5;
  assert.equal((Math.floor(edge / width) + 1) * width, edge, "the case that never ended");
  const buffer = new SeriesBuffer();
  buffer.push([edge - 1000, edge, edge + 1000], [1, 2, 3]);
  assert.deepEqual(buffer.columns(edge - 60_000, edge + 60_000, width).mean.at(-1), 3);
});
