// @ts-check
// A line without axes for a tile: grey while all is well, because colour belongs to the abnormal.

import { BucketRing } from "./bucket-ring.js";
import { ColumnsWriter } from "./columns.js";
import { boundsOf } from "./envelope.js";
import { palette } from "./palette.js";
import { bandOfRest, calmRange, valueRange } from "./scale.js";

/** @typedef {import("./series-buffer.js").SeriesBuffer} SeriesBuffer */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {[number, number] | null} band where this metric normally is
 */
export function createSpark(canvas, band) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  /** @type {[number, number] | null} */
  let range = null;
  const ring = new BucketRing();
  const writer = new ColumnsWriter();
  // Measured when it changes: asked of the page with each drawing, the page would be laid out anew for each tile.
  let [widthPx, heightPx] = [canvas.clientWidth, canvas.clientHeight];
  new ResizeObserver(() => ([widthPx, heightPx] = [canvas.clientWidth, canvas.clientHeight])).observe(canvas);

  function fit() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(widthPx * ratio);
    const height = Math.round(heightPx * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    return ratio;
  }

  return {
    /**
     * @param {SeriesBuffer} buffer @param {number} fromMs @param {number} toMs
     * @param {{ abnormal: boolean, stale: boolean }} look
     */
    draw(buffer, fromMs, toMs, { abnormal, stale }) {
      const ratio = fit();
      const { width, height } = canvas;
      context.clearRect(0, 0, width, height);
      if (width === 0) return;
      ring.sync(buffer, Math.max(1, ((toMs - fromMs) / width) * 1.5), toMs - fromMs);
      ring.write(-Infinity, fromMs, toMs, writer.begin());
      const columns = writer.end();
      const [lowest, highest] = boundsOf(columns.t, [columns.min, columns.max], fromMs, toMs);
      if (lowest > highest) return;
      range = calmRange(range, valueRange(lowest, highest, band ?? bandOfRest(lowest, highest)));
      const [low, high] = range;
      const pad = 2 * ratio;
      const x = (/** @type {number} */ time) => ((time - fromMs) / (toMs - fromMs)) * (width - 2 * pad);
      const y = (/** @type {number} */ value) => height - pad - ((value - low) / (high - low)) * (height - 2 * pad);
      const colours = palette();
      if (band) {
        context.fillStyle = colours.band;
        context.fillRect(0, y(band[1]), width, y(band[0]) - y(band[1]));
      }
      context.strokeStyle = abnormal ? colours.mark : stale ? colours.quiet : colours["text-soft"];
      context.fillStyle = context.strokeStyle;
      context.lineWidth = 1.25 * ratio;
      context.lineJoin = "round";
      if (stale) context.setLineDash([3 * ratio, 3 * ratio]);
      else context.setLineDash([]);
      trace(columns, x, y);
      const last = columns.mean.length - 1;
      const value = columns.mean[last];
      if (!stale && value !== null) dot(x(columns.t[last]), y(value), 2 * ratio);
    },
  };

  /**
   * @param {import("./series-buffer.js").Columns} columns
   * @param {(time: number) => number} x @param {(value: number) => number} y
   */
  function trace(columns, x, y) {
    context.beginPath();
    let pen = false;
    for (let at = 0; at < columns.t.length; at += 1) {
      const mean = columns.mean[at];
      if (mean === null) {
        pen = false;
        continue;
      }
      const across = x(columns.t[at]);
      if (pen) context.lineTo(across, y(mean));
      else context.moveTo(across, y(mean));
      if (columns.count[at] > 1) {
        // A column of many readings shows how far they went, not only their mean.
        context.lineTo(across, y(/** @type {number} */ (columns.max[at])));
        context.lineTo(across, y(/** @type {number} */ (columns.min[at])));
        context.lineTo(across, y(mean));
      }
      pen = true;
    }
    context.stroke();
  }

  /** @param {number} x @param {number} y @param {number} radius */
  function dot(x, y, radius) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}
