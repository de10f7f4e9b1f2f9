// @ts-check
// The last readings of one metric, contiguous in time.

import { ColumnsWriter } from "./columns.js";

/** @typedef {{ t: number[], min: (number | null)[], mean: (number | null)[], max: (number | null)[], count: number[] }} Columns */

const FIRST = 1024;
const MOST = 65_536;

export class SeriesBuffer {
  /** @param {number} [most] readings kept; the oldest go first */
  constructor(most = MOST) {
    this.most = most;
    this.t = new Float64Array(FIRST);
    this.v = new Float64Array(FIRST);
    this.start = 0;
    this.end = 0;
    // From when on something has changed since somebody looked (BucketRing): Infinity where nothing has.
    this.changedFrom = Infinity;
    this.dropped = false;
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
    this.changedFrom = -Infinity;
  }

  /**
   * Readings in time order; a null is no reading. Late ones take their place, equal times are overwritten.
   * @param {number[]} times @param {(number | null)[]} values
   */
  push(times, values) {
    for (let at = 0; at < times.length; at += 1) {
      const value = values[at];
      if (value === null || value === undefined) continue;
      if (times[at] < this.changedFrom) this.changedFrom = times[at];
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
    this.changedFrom = Math.min(this.changedFrom, times[0]);
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
    if (this.length >= this.most) {
      this.start = this.end - Math.floor(this.most / 2);
      this.dropped = true;
    }
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
    const writer = new ColumnsWriter();
    this.write(fromMs, toMs, bucketMs, writer);
    return writer.end();
  }

  /**
   * Hand over the buckets of a window by walking through its readings; BucketRing is for windows that move on.
   * @param {number} fromMs @param {number} toMs @param {number} bucketMs @param {ColumnsWriter} writer
   */
  write(fromMs, toMs, bucketMs, writer) {
    // One reading before the window lets the line enter from the edge.
    let at = Math.max(this.start, this.indexOf(fromMs) - 1);
    while (at < this.end && this.t[at] <= toMs) {
      const first = this.t[at];
      const until = (Math.floor(first / bucketMs) + 1) * bucketMs;
      let [low, high, sum, count] = [this.v[at], this.v[at], 0, 0];
      // The first reading belongs here even where rounding puts the bucket's end on it; else this would never end.
      do {
        const value = this.v[at];
        if (value < low) low = value;
        if (value > high) high = value;
        sum += value;
        count += 1;
        at += 1;
      } while (at < this.end && this.t[at] < until && this.t[at] <= toMs);
      writer.add(first, this.t[at - 1], low, sum / count, high, count);
    }
  }
}
