// @ts-check
// One metric from years ago until now, without a seam: stored buckets up to an instant, buckets gathered from live readings
// from that instant on. The instant is a bucket's edge, so that every reading is in exactly one of the two.

import { BucketRing } from "./bucket-ring.js";
import { ColumnsWriter } from "./columns.js";
import { SeriesBuffer } from "./series-buffer.js";

/** @typedef {import("./tile-store.js").TileStore} TileStore */

// Deep in a zoom few readings lie in the window and very many buckets between it and now.
const MOST_BUCKETS = 8_192;

export class Timeline {
  /**
   * @param {string} metric @param {TileStore} tiles of its machine, in the reader's units
   * @param {{ scale: number, offset: number }} [unit] from the stored unit, in which live readings come, to the reader's
   */
  constructor(metric, tiles, unit = { scale: 1, offset: 0 }) {
    this.metric = metric;
    this.tiles = tiles;
    this.unit = unit;
    this.buffer = new SeriesBuffer();
    this.ring = new BucketRing();
    this.writer = new ColumnsWriter();
    // From when on the buffer holds every reading there was.
    this.wholeFrom = Infinity;
  }

  /**
   * A snapshot is the truth of its stretch; a thinned one shows peaks and lacks readings, so that the whole truth begins
   * where it ends.
   * @param {number[]} times @param {(number | null)[] | undefined} values @param {{ from: number, thinned: boolean }} of
   */
  snapshot(times, values, { from, thinned }) {
    this.buffer.replaceFrom(times, this.converted(values ?? []));
    this.wholeFrom = thinned && times.length ? times[times.length - 1] + 1 : Math.min(from, times[0] ?? from);
  }

  /** @param {number[]} times @param {(number | null)[]} values */
  push(times, values) {
    this.buffer.push(times, this.converted(values));
    // A full buffer lets go of its oldest readings.
    if (this.buffer.dropped) this.wholeFrom = Math.max(this.wholeFrom, this.buffer.firstTime ?? 0);
  }

  /** @param {(number | null)[]} values */
  converted(values) {
    const { scale, offset } = this.unit;
    return scale === 1 && offset === 0 ? values : values.map((value) => (value === null ? null : value * scale + offset));
  }

  /** @param {number} beforeMs */
  trim(beforeMs) {
    this.buffer.trim(beforeMs);
    this.wholeFrom = Math.max(this.wholeFrom, beforeMs);
  }

  /**
   * Where live buckets of a width begin to stand in for stored ones.
   * @param {number} width
   */
  seam(width) {
    return Math.ceil(this.wholeFrom / width) * width;
  }

  /**
   * What to draw of a window: valid until the next call.
   * @param {number} fromMs @param {number} toMs @param {number} width @param {boolean} stored whether the window's tiles are there
   */
  columns(fromMs, toMs, width, stored) {
    const seam = stored ? this.seam(width) : -Infinity;
    const writer = this.writer.begin();
    if (stored) this.tiles.write(this.metric, fromMs, Math.min(toMs, seam), width, writer);
    if (seam < toMs) this.writeLive(seam, fromMs, toMs, width);
    return writer.end();
  }

  /** @param {number} seam @param {number} fromMs @param {number} toMs @param {number} width */
  writeLive(seam, fromMs, toMs, width) {
    const { buffer, ring, writer } = this;
    if (buffer.lastTime === null) return;
    const lengthMs = buffer.lastTime - Math.max(fromMs, seam, buffer.firstTime ?? 0);
    if (lengthMs / width > MOST_BUCKETS) {
      buffer.write(Math.max(fromMs, seam), toMs, width, writer);
      return;
    }
    ring.sync(buffer, width, lengthMs);
    ring.write(seam, Math.max(fromMs, seam), toMs, writer);
  }
}
