// @ts-check
// Buckets as a chart draws them, whether live or stored: one column a bucket, and a column of nulls where the line breaks.

/** @typedef {import("./series-buffer.js").Columns} Columns */

// Where a distance is this much longer than those beside it, the line breaks: no value is drawn that nobody measured.
const GAP_FACTOR = 5;
const GAP_LEAST_MS = 2_500;

/** @returns {Columns} */
export function emptyColumns() {
  return { t: [], min: [], mean: [], max: [], count: [] };
}

/**
 * A machine may change how often it reports, so a distance is judged by its neighbours and not by the whole window.
 * @param {number} distance @param {number} before @param {number} after
 */
export function isGap(distance, before, after) {
  return distance > GAP_LEAST_MS && distance > GAP_FACTOR * Math.max(before || 0, after || 0);
}

/**
 * Fills the same arrays at each drawing: a page that runs for a week leaves nothing to collect.
 */
export class ColumnsWriter {
  constructor() {
    this.columns = emptyColumns();
    /** @type {number[]} */
    this.first = [];
    /** @type {number[]} */
    this.last = [];
    /** @type {number[]} */
    this.low = [];
    /** @type {number[]} */
    this.middle = [];
    /** @type {number[]} */
    this.high = [];
    /** @type {number[]} */
    this.readings = [];
  }

  begin() {
    for (const list of [this.first, this.last, this.low, this.middle, this.high, this.readings]) list.length = 0;
    return this;
  }

  /**
   * The next bucket, in order of time. firstMs, lastMs: the stretch that its readings fill.
   * @param {number} firstMs @param {number} lastMs @param {number} min @param {number} mean @param {number} max @param {number} count
   */
  add(firstMs, lastMs, min, mean, max, count) {
    this.first.push(firstMs);
    this.last.push(lastMs);
    this.low.push(min);
    this.middle.push(mean);
    this.high.push(max);
    this.readings.push(count);
  }

  /** How far apart the readings of a bucket are; 0 where it has one. @param {number} at */
  inner(at) {
    return this.readings[at] > 1 ? (this.last[at] - this.first[at]) / (this.readings[at] - 1) : 0;
  }

  /** From the end of the bucket before to this one. @param {number} at */
  distance(at) {
    return at > 0 && at < this.first.length ? this.first[at] - this.last[at - 1] : 0;
  }

  end() {
    const { t, min, mean, max, count } = this.columns;
    t.length = min.length = mean.length = max.length = count.length = 0;
    for (let at = 0; at < this.first.length; at += 1) {
      if (isGap(this.distance(at), this.inner(at - 1) || this.distance(at - 1), this.inner(at) || this.distance(at + 1))) {
        breakLine(this.columns, this.last[at - 1] + 1);
      }
      t.push((this.first[at] + this.last[at]) / 2);
      min.push(this.low[at]);
      mean.push(this.middle[at]);
      max.push(this.high[at]);
      count.push(this.readings[at]);
    }
    return this.columns;
  }
}

/** @param {Columns} out @param {number} time */
function breakLine(out, time) {
  out.t.push(time);
  out.min.push(null);
  out.mean.push(null);
  out.max.push(null);
  out.count.push(0);
}

/**
 * Key figures of what a chart shows.
 * @param {Columns} columns @param {number} fromMs @param {number} [toMs]
 */
export function keyFigures(columns, fromMs, toMs = Infinity) {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  /** @type {number | null} */
  let last = null;
  for (let at = 0; at < columns.t.length; at += 1) {
    const mean = columns.mean[at];
    if (mean === null || columns.t[at] < fromMs || columns.t[at] > toMs) continue;
    min = Math.min(min, /** @type {number} */ (columns.min[at]));
    max = Math.max(max, /** @type {number} */ (columns.max[at]));
    sum += mean * columns.count[at];
    count += columns.count[at];
    last = mean;
  }
  return count ? { min, max, mean: sum / count, last, count } : { min: null, max: null, mean: null, last: null, count: 0 };
}
