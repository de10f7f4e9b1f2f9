// @ts-check
// Several series on one time axis: each bucket has its place, whoever has something there. Pure.

import { offsetOf } from "./zone.js";

/** @typedef {import("./series-buffer.js").Columns} Columns */
/** @typedef {{ min: (number | null | undefined)[], max: (number | null | undefined)[], mean: (number | null | undefined)[] }} Row */

/**
 * Places of a window's buckets, and each series on them: undefined where a series has nothing (its line goes on), null
 * where its line breaks.
 * @param {Columns[]} all each of them already moved onto this axis @param {number} fromMs @param {number} toMs @param {number} width
 * @returns {{ t: number[], rows: Row[] }}
 */
export function onOneGrid(all, fromMs, toMs, width) {
  const first = Math.floor(fromMs / width) - 1;
  const places = Math.max(0, Math.ceil(toMs / width) - first + 1);
  const t = Array.from({ length: places }, (_, at) => (first + at + 0.5) * width);
  const rows = all.map((columns) => {
    /** @type {Row} */
    const row = { min: new Array(places), max: new Array(places), mean: new Array(places) };
    for (let at = 0; at < columns.t.length; at += 1) {
      let place = Math.floor(columns.t[at] / width) - first;
      // A break stands behind the bucket after which it comes; if the next one follows at once, it takes its place.
      if (columns.mean[at] === null && row.mean[place] !== undefined) place += 1;
      if (place < 0 || place >= places) continue;
      row.min[place] = columns.min[at];
      row.max[place] = columns.max[at];
      row.mean[place] = columns.mean[at];
    }
    return row;
  });
  return { t, rows };
}

/**
 * The value nearest to a place, where a line goes on without one; null in a gap.
 * @param {(number | null | undefined)[]} values @param {number} at
 */
export function nearest(values, at) {
  for (let away = 0; away < values.length; away += 1) {
    for (const place of [at - away, at + away]) if (values[place] !== undefined) return values[place];
  }
  return null;
}

/**
 * The columns of an earlier time, moved to where they are compared. @param {Columns} columns @param {number} shiftMs
 * @returns {Columns}
 */
export function moved(columns, shiftMs) {
  return shiftMs === 0 ? columns : { ...columns, t: columns.t.map((time) => time + shiftMs) };
}

/**
 * How much earlier the same hour of the plant's clock was so many days before, in milliseconds.
 * @param {number} atMs @param {number} days @param {string} zone
 */
export function shiftOf(atMs, days, zone) {
  const plain = days * 86_400_000;
  return plain + (offsetOf(atMs - plain, zone) - offsetOf(atMs, zone));
}
