import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { WIDTHS_MS, bucketWidth } from "../../static/js/charts/bucket-width.js";
import { SeriesBuffer } from "../../static/js/charts/series-buffer.js";
import { stretches } from "../../static/js/charts/states.js";
import { TileStore } from "../../static/js/charts/tile-store.js";
import { Timeline } from "../../static/js/charts/timeline.js";

const START = 1_790_000_000_000;
const NOW = START + 600_000;
/** @type {[number, number, number, number][]} */
const WIDTHS = JSON.parse(readFileSync(new URL("widths.json", import.meta.url), "utf8"));

/** One reading every 100 ms, each with a value of its own. @param {number} from @param {number} to @param {number} [every] */
function readings(from, to, every = 100) {
  const t = [];
  for (let at = Math.ceil(from / every) * every; at < to; at += every) t.push(at);
  return { t, v: t.map((time) => Math.sin(time / 7_000) * 50 + (time % 1_300) / 100) };
}

/** What the server would answer: buckets of all readings that it has. @param {{ t: number[], v: number[] }} all @param {{ from: number, to: number, points: number }} asked */
function server(all, { from, to, points }) {
  const width = bucketWidth(from, to, points);
  assert.equal(width, (to - from) / points, "the server chooses the very width that was asked for");
  const series = { metric: "m", t: /** @type {number[]} */ ([]), min: /** @type {number[]} */ ([]), max: /** @type {number[]} */ ([]), mean: /** @type {number[]} */ ([]), count: /** @type {number[]} */ ([]) };
  all.t.forEach((time, at) => {
    if (time < from || time >= to) return;
    const start = Math.floor(time / width) * width;
    const last = series.t.length - 1;
    const value = all.v[at];
    if (series.t[last] !== start) {
      series.t.push(start);
      series.min.push(value);
      series.max.push(value);
      series.mean.push(value);
      series.count.push(1);
      return;
    }
    series.mean[last] = (series.mean[last] * series.count[last] + value) / (series.count[last] + 1);
    series.min[last] = Math.min(series.min[last], value);
    series.max[last] = Math.max(series.max[last], value);
    series.count[last] += 1;
  });
  return [series];
}

/** @param {{ storedTo?: number, liveFrom?: number, thinned?: boolean, every?: number }} [of] */
function plant({ storedTo = NOW - 5_000, liveFrom = NOW - 300_000, thinned = false, every = 100 } = {}) {
  const stored = readings(START, storedTo, every);
  /** @type {{ from: number, to: number, points: number }[]} */
  const asked = [];
  const tiles = new TileStore(async (one) => {
    asked.push(one);
    return server(stored, one);
  }, () => NOW);
  const timeline = new Timeline("m", tiles);
  const live = readings(liveFrom, NOW, every);
  timeline.snapshot(live.t, live.v, { from: liveFrom, thinned });
  return { tiles, timeline, asked };
}

for (const [from, to, points, width] of WIDTHS) {
  test(`${to - from} ms in ${points} buckets are ${width} ms each, as on the server`, () => assert.equal(bucketWidth(from, to, points), width));
}

for (const width of [100, 200, 500, 1_000, 2_000, 5_000, 15_000]) {
  test(`at ${width} ms a bucket no reading is missing or doubled where stored meets live`, async () => {
    const { tiles, timeline } = plant();
    const [from, to] = [NOW - 590_000, NOW];
    await tiles.need(from, Math.min(to, timeline.seam(width)), width);
    const columns = timeline.columns(from, to, width, true);
    const begin = Math.ceil(from / width) * width;
    const all = readings(begin, NOW);
    const inside = columns.t.map((time, at) => ({ time, at })).filter(({ time }) => time >= begin);
    assert.equal(inside.reduce((sum, { at }) => sum + columns.count[at], 0), all.t.length);
    const drawn = server(all, { from: begin, to: begin + Math.ceil((NOW - begin) / width) * width, points: Math.ceil((NOW - begin) / width) })[0];
    assert.deepEqual(inside.map(({ at }) => columns.min[at]), drawn.min);
    assert.deepEqual(inside.map(({ at }) => columns.max[at]), drawn.max);
    assert.ok(!columns.mean.includes(null), "and the line does not break there");
    assert.ok(columns.t.every((time, at) => at === 0 || time > columns.t[at - 1]), "and time runs forward");
  });
}

test("live readings that follow stand behind the seam, late ones in their place", async () => {
  const { tiles, timeline } = plant();
  await tiles.need(NOW - 590_000, timeline.seam(1_000), 1_000);
  timeline.columns(NOW - 590_000, NOW, 1_000, true);
  timeline.push([NOW + 50, NOW + 950], [1_000, 2_000]);
  timeline.push([NOW - 950], [-1_000]);
  const columns = timeline.columns(NOW - 300_000, NOW + 1_000, 1_000, true);
  assert.equal(columns.max[columns.max.length - 1], 2_000);
  assert.equal(columns.min[columns.min.length - 2], -1_000);
  assert.equal(columns.count[columns.count.length - 2], 11);
});

test("behind a thinned snapshot the store has the word, as soon as it has answered", async () => {
  const { tiles, timeline } = plant({ storedTo: NOW, thinned: true });
  const width = 500;
  assert.ok(timeline.columns(NOW - 60_000, NOW, width, false).t.length > 100, "until then the snapshot is drawn");
  await tiles.need(NOW - 60_000, NOW, width);
  const columns = timeline.columns(NOW - 60_000, NOW, width, true);
  assert.equal(columns.count.slice(1).reduce((sum, count) => sum + count, 0), 600);
});

test("while history can't be read, what is live is drawn all the same", () => {
  const { timeline } = plant({ liveFrom: NOW - 120_000 });
  const columns = timeline.columns(NOW - 300_000, NOW, 500, false);
  assert.equal(columns.t.length, 240);
});

test("what was let go of live comes from the store", async () => {
  const { tiles, timeline } = plant();
  timeline.trim(NOW - 100_000);
  await tiles.need(NOW - 300_000, timeline.seam(1_000), 1_000);
  const columns = timeline.columns(NOW - 300_000, NOW, 1_000, true);
  assert.equal(columns.count.slice(1).reduce((sum, count) => sum + count, 0), 3_000);
});

test("a gap stays a gap on either side of the seam and across it", async () => {
  const holes = /** @type {const} */ ([[400_000, 430_000], [480_000, 520_000], [550_000, 580_000]]);
  const whole = readings(START, NOW);
  const kept = whole.t.map((_time, at) => at).filter((at) => !holes.some(([from, to]) => whole.t[at] >= START + from && whole.t[at] < START + to));
  const all = { t: kept.map((at) => whole.t[at]), v: kept.map((at) => whole.v[at]) };
  const tiles = new TileStore(async (one) => server(all, one), () => NOW);
  const timeline = new Timeline("m", tiles);
  const first = all.t.findIndex((time) => time >= START + 500_000);
  timeline.snapshot(all.t.slice(first), all.v.slice(first), { from: START + 500_000, thinned: false });
  await tiles.need(START, timeline.seam(1_000), 1_000);
  const columns = timeline.columns(START + 300_000, NOW, 1_000, true);
  const breaks = columns.t.filter((_time, at) => columns.mean[at] === null).map((time) => time - START);
  assert.equal(breaks.length, 3);
  for (const [at, [from, to]] of holes.entries()) assert.ok(breaks[at] > from - 100 && breaks[at] < to, `${breaks}`);
});

test("a window seen before is not asked for again, its neighbour is asked for alone", async () => {
  const { tiles, asked } = plant();
  await tiles.need(START, START + 256_000, 1_000);
  await tiles.need(START + 1_000, START + 200_000, 1_000);
  const before = asked.length;
  assert.equal(before, 1);
  await tiles.need(START + 100_000, START + 500_000, 1_000);
  assert.ok(asked.slice(before).every((one) => one.from >= asked[0].to), "only what is new");
});

test("two parts of a page that ask at once are one request", async () => {
  const { tiles, asked } = plant();
  await Promise.all([tiles.need(START, START + 100_000, 1_000), tiles.need(START, START + 100_000, 1_000)]);
  assert.equal(asked.length, 1);
});

test("a tile that ends after now is asked for again when more of it is needed, not before", async () => {
  let now = NOW;
  let asked = 0;
  const tiles = new TileStore(async (one) => {
    asked += 1;
    return server(readings(START, now), one);
  }, () => now);
  await tiles.need(NOW - 100_000, NOW, 1_000);
  now += 2_000;
  await tiles.need(NOW - 100_000, now, 1_000);
  const first = asked;
  now += 60_000;
  await tiles.need(NOW - 100_000, now, 1_000);
  assert.ok(asked > first);
});

test("memory is bounded however far somebody pans", async () => {
  const { tiles } = plant();
  for (let window = 0; window < 300; window += 1) await tiles.need(START - window * 256_000, START - window * 256_000 + 1_000, 1_000);
  assert.ok(tiles.tiles.size <= 64, `${tiles.tiles.size}`);
});

test("an hour of 100 Hz leaves no more behind than ten minutes", () => {
  const tiles = new TileStore(async () => [], () => NOW);
  const timeline = new Timeline("m", tiles);
  timeline.snapshot([], [], { from: START, thinned: false });
  /** @type {number[]} */
  const sizes = [];
  for (let second = 0; second < 3_600; second += 1) {
    const { t, v } = readings(START + second * 1_000, START + (second + 1) * 1_000, 10);
    timeline.push(t, v);
    timeline.trim(START + second * 1_000 - 600_000);
    if (second % 10 === 0) timeline.columns(START + second * 1_000 - 300_000, START + second * 1_000, 500, true);
    if (second === 900 || second === 3_599) sizes.push(timeline.buffer.t.length + timeline.ring.size + timeline.writer.first.length);
  }
  assert.ok(sizes[1] <= sizes[0] * 1.05, `${sizes}`);
  assert.ok(timeline.buffer.length <= 65_536);
});

test("units are converted as readings arrive", () => {
  const timeline = new Timeline("m", new TileStore(async () => [], () => NOW), { scale: 1.8, offset: 32 });
  timeline.snapshot([NOW - 1_000], [100], { from: NOW - 300_000, thinned: false });
  timeline.push([NOW], [0]);
  assert.deepEqual([timeline.buffer.v[0], timeline.buffer.lastValue], [212, 32]);
});

test("a state is one block for as long as it lasts, and a gap is none", () => {
  const buffer = new SeriesBuffer();
  for (let second = 0; second < 60; second += 1) buffer.push([second * 1_000], [second < 20 ? 1 : 6]);
  for (let second = 120; second < 130; second += 1) buffer.push([second * 1_000], [6]);
  const found = stretches(buffer.columns(0, 130_000, 1_000), 130_000);
  assert.deepEqual(found.map(({ from, state }) => [from, state]), [[0, 1], [20_000, 6], [120_000, 6]]);
  assert.ok(found[1].to < 61_000);
});

test("the table of widths is the server's", () => assert.deepEqual([WIDTHS_MS[0], WIDTHS_MS[8], WIDTHS_MS[9], WIDTHS_MS[WIDTHS_MS.length - 1]], [1, 500, 1_000, 604_800_000]));
