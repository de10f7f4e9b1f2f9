// @ts-check
// Live readings of one metric, gathered into buckets as they arrive: a frame draws hundreds of buckets and never walks
// through a hundred thousand readings.

/** @typedef {import("./series-buffer.js").SeriesBuffer} SeriesBuffer */

const LEAST = 256;

/** @param {number} size */
function slots(size) {
  const column = () => new Float64Array(size);
  return {
    // Which bucket stands in a slot; a slot of an older bucket is free.
    number: column().fill(NaN),
    first: column(),
    last: column(),
    min: column(),
    max: column(),
    sum: column(),
    count: new Int32Array(size),
  };
}

export class BucketRing {
  constructor() {
    this.width = 0;
    this.size = LEAST;
    this.slots = slots(LEAST);
  }

  /**
   * Follow the buffer: only what has changed since the last time is gathered anew, all of it at another width.
   * @param {SeriesBuffer} buffer @param {number} widthMs @param {number} lengthMs of the window that will be drawn
   */
  sync(buffer, widthMs, lengthMs) {
    const needed = 2 ** Math.ceil(Math.log2(Math.max(LEAST, lengthMs / widthMs + 4)));
    if (widthMs !== this.width || needed > this.size) {
      this.width = widthMs;
      this.size = Math.max(needed, this.size);
      this.slots = slots(this.size);
      buffer.changedFrom = -Infinity;
    }
    if (buffer.changedFrom === Infinity || buffer.length === 0) return;
    const newest = /** @type {number} */ (buffer.lastTime);
    const from = Math.max(buffer.changedFrom, newest - (this.size - 1) * widthMs);
    this.gather(buffer, Math.floor(from / widthMs));
    buffer.changedFrom = Infinity;
  }

  /** @param {SeriesBuffer} buffer @param {number} number of the first bucket to gather */
  gather(buffer, number) {
    const { t, v, end } = buffer;
    const into = this.slots;
    const newest = Math.floor(t[end - 1] / this.width);
    for (let stale = number; stale <= newest; stale += 1) into.number[this.slot(stale)] = NaN;
    let at = buffer.indexOf(number * this.width);
    while (at < end) {
      const bucket = Math.floor(t[at] / this.width);
      const until = (bucket + 1) * this.width;
      const slot = this.slot(bucket);
      const first = at;
      let [low, high, sum] = [v[at], v[at], 0];
      // At least one: rounding may put the bucket's end on the reading itself.
      do {
        const value = v[at];
        if (value < low) low = value;
        else if (value > high) high = value;
        sum += value;
        at += 1;
      } while (at < end && t[at] < until);
      into.number[slot] = bucket;
      into.first[slot] = t[first];
      into.last[slot] = t[at - 1];
      into.min[slot] = low;
      into.max[slot] = high;
      into.sum[slot] = sum;
      into.count[slot] = at - first;
    }
  }

  /** @param {number} number */
  slot(number) {
    return ((number % this.size) + this.size) % this.size;
  }

  /**
   * Hand over the buckets that start in [fromMs, toMs), oldest first, after the one before them if it lies at or after
   * leastMs: it lets the line enter from the edge.
   * @param {number} leastMs @param {number} fromMs @param {number} toMs
   * @param {import("./columns.js").ColumnsWriter} writer
   */
  write(leastMs, fromMs, toMs, writer) {
    if (this.width === 0) return;
    const { number, first, last, min, max, sum, count } = this.slots;
    const until = Math.ceil(toMs / this.width);
    const oldest = Math.max(Math.ceil(leastMs / this.width), until - this.size);
    let bucket = Math.max(Math.ceil(fromMs / this.width), oldest);
    for (let before = bucket - 1; before >= oldest; before -= 1) {
      if (number[this.slot(before)] !== before) continue;
      bucket = before;
      break;
    }
    for (; bucket < until; bucket += 1) {
      const slot = this.slot(bucket);
      if (number[slot] !== bucket) continue;
      writer.add(first[slot], last[slot], min[slot], sum[slot] / count[slot], max[slot], count[slot]);
    }
  }
}
