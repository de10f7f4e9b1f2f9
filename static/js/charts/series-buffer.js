// @ts-check
// The last readings of one metric, contiguous in time, and how they become a drawable number of columns.

/** @typedef {{ t: number[], min: (number | null)[], mean: (number | null)[], max: (number | null)[], count: number[] }} Columns */

const FIRST = 1024;
const MOST = 65_536;
// Where a distance is this much longer than those beside it, the line breaks: no value is drawn that nobody measured.
const GAP_FACTOR = 5;
const GAP_LEAST_MS = 2_500;

export class SeriesBuffer {
  /** @param {number} [most] readings kept; the oldest go first */
  constructor(most = MOST) {
    this.most = most;
    this.t = new Float64Array(FIRST);
    this.v = new Float64Array(FIRST);
    this.start = 0;
    this.end = 0;
  }

  get length() {
    return this.end - this.start;
  }

  get firstTime() {
    return this.length ? this.t[this.start] : null;
  }

  get lastTime() {
    return this.length ? this.t[this.end - 1] : null;
  }

  get lastValue() {
    return this.length ? this.v[this.end - 1] : null;
  }

  clear() {
    this.start = this.end = 0;
  }

  /**
   * Readings in time order; a null is no reading. Late ones take their place, equal times are overwritten.
   * @param {number[]} times @param {(number | null)[]} values
   */
  push(times, values) {
    for (let at = 0; at < times.length; at += 1) {
      const value = values[at];
      if (value === null || value === undefined) continue;
      if (this.length === 0 || times[at] > this.t[this.end - 1]) this.append(times[at], value);
      else this.insert(times[at], value);
    }
  }

  /**
   * A snapshot is the truth from its first instant on.
   * @param {number[]} times @param {(number | null)[]} values
   */
  replaceFrom(times, values) {
    if (times.length === 0) return;
    this.end = this.indexOf(times[0]);
    this.push(times, values);
  }

  /** @param {number} beforeMs */
  trim(beforeMs) {
    this.start = this.indexOf(beforeMs);
  }

  /** @param {number} time @param {number} value */
  append(time, value) {
    if (this.end === this.t.length) this.makeRoom();
    this.t[this.end] = time;
    this.v[this.end] = value;
    this.end += 1;
  }

  /** @param {number} time @param {number} value */
  insert(time, value) {
    const at = this.indexOf(time);
    if (this.t[at] === time) {
      this.v[at] = value;
      return;
    }
    this.append(this.t[this.end - 1], this.v[this.end - 1]);
    const place = this.indexOf(time);
    this.t.copyWithin(place + 1, place, this.end - 1);
    this.v.copyWithin(place + 1, place, this.end - 1);
    this.t[place] = time;
    this.v[place] = value;
  }

  makeRoom() {
    if (this.length >= this.most) this.start = this.end - Math.floor(this.most / 2);
    const size = this.length > this.t.length / 2 ? this.t.length * 2 : this.t.length;
    const t = size === this.t.length ? this.t : new Float64Array(size);
    const v = size === this.v.length ? this.v : new Float64Array(size);
    t.set(this.t.subarray(this.start, this.end));
    v.set(this.v.subarray(this.start, this.end));
    this.end -= this.start;
    this.start = 0;
    this.t = t;
    this.v = v;
  }

  /**
   * The first reading at or after an instant.
   * @param {number} time
   */
  indexOf(time) {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * At most one column per bucket of the window, with a column of nulls where the line breaks. Buckets lie on multiples
   * of their width, so that a moving window does not make the line shimmer.
   * @param {number} fromMs @param {number} toMs @param {number} bucketMs
   * @returns {Columns}
   */
  columns(fromMs, toMs, bucketMs) {
    /** @type {Columns} */
    const out = { t: [], min: [], mean: [], max: [], count: [] };
    // One reading before the window lets the line enter from the edge.
    let at = Math.max(this.start, this.indexOf(fromMs) - 1);
    let before = NaN;
    let step = 0;
    while (at < this.end && this.t[at] <= toMs) {
      const first = this.t[at];
      const until = (Math.floor(first / bucketMs) + 1) * bucketMs;
      const next = at + 1 < this.end ? this.t[at + 1] - first : 0;
      if (isGap(first - before, step, next)) breakLine(out, before + 1);
      let low = this.v[at];
      let high = low;
      let sum = 0;
      let count = 0;
      for (; at < this.end && this.t[at] < until && this.t[at] <= toMs; at += 1) {
        const value = this.v[at];
        if (value < low) low = value;
        if (value > high) high = value;
        sum += value;
        count += 1;
        step = this.t[at] - before;
        before = this.t[at];
      }
      out.t.push(count === 1 ? first : (first + before) / 2);
      out.min.push(low);
      out.max.push(high);
      out.mean.push(sum / count);
      out.count.push(count);
    }
    return out;
  }
}

/**
 * A machine may change how often it reports, so a distance is judged by its neighbours and not by the whole window.
 * @param {number} distance @param {number} before @param {number} after
 */
function isGap(distance, before, after) {
  return distance > GAP_LEAST_MS && distance > GAP_FACTOR * Math.max(before || 0, after || 0);
}

/** @param {Columns} out @param {number} time */
export function breakLine(out, time) {
  out.t.push(time);
  out.min.push(null);
  out.mean.push(null);
  out.max.push(null);
  out.count.push(0);
}

/**
 * Stored buckets of equal width, with breaks where buckets are missing.
 * @param {{ t: number[], min: number[], mean: number[], max: number[], count: number[] }} stored
 * @param {number} bucketMs
 * @returns {Columns}
 */
export function storedColumns(stored, bucketMs) {
  /** @type {Columns} */
  const out = { t: [], min: [], mean: [], max: [], count: [] };
  const distance = (/** @type {number} */ at) => (at > 0 && at < stored.t.length ? stored.t[at] - stored.t[at - 1] : 0);
  for (let at = 0; at < stored.t.length; at += 1) {
    if (isGap(distance(at), Math.max(bucketMs, distance(at - 1)), distance(at + 1))) breakLine(out, stored.t[at - 1] + bucketMs);
    out.t.push(stored.t[at] + bucketMs / 2);
    out.min.push(stored.min[at]);
    out.mean.push(stored.mean[at]);
    out.max.push(stored.max[at]);
    out.count.push(stored.count[at]);
  }
  return out;
}

/**
 * Key figures of what a chart shows.
 * @param {Columns} columns @param {number} fromMs
 */
export function keyFigures(columns, fromMs) {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  /** @type {number | null} */
  let last = null;
  for (let at = 0; at < columns.t.length; at += 1) {
    const mean = columns.mean[at];
    if (mean === null || columns.t[at] < fromMs) continue;
    min = Math.min(min, /** @type {number} */ (columns.min[at]));
    max = Math.max(max, /** @type {number} */ (columns.max[at]));
    sum += mean * columns.count[at];
    count += columns.count[at];
    last = mean;
  }
  return count ? { min, max, mean: sum / count, last, count } : { min: null, max: null, mean: null, last: null, count: 0 };
}
