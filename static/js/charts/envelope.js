// @ts-check
// Minimum to maximum as a veil behind the line. It is one shape, walked along the maxima and back along the minima: as two
// series of uPlot with a band between them it was clipped by a path, which costs more than all the rest of a chart.

/** @typedef {uPlot} Plot */
/** @typedef {(number | null | undefined)[]} Values */

/**
 * Lowest and highest of all rows in a window; of all there is where nothing lies in it, for a line may pass through.
 * @param {number[]} t @param {Values[]} rows @param {number} fromMs @param {number} toMs
 * @returns {[number, number]} Infinity and -Infinity where there is nothing
 */
export function boundsOf(t, rows, fromMs, toMs) {
  let [low, high] = [Infinity, -Infinity];
  for (const row of rows) {
    for (let at = 0; at < row.length; at += 1) {
      const value = row[at];
      if (value === null || value === undefined || t[at] < fromMs || t[at] > toMs) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high || (fromMs === -Infinity && toMs === Infinity) ? [low, high] : boundsOf(t, rows, -Infinity, Infinity);
}

/**
 * @param {Plot} plot @param {string} scale of the values
 * @param {number[]} t @param {Values} min @param {Values} max null breaks the veil, undefined is passed over
 * @param {string} fill
 */
export function drawEnvelope(plot, scale, t, min, max, fill) {
  const { ctx, bbox, scales } = plot;
  const [fromMs, toMs] = [scales.x.min ?? 0, scales.x.max ?? 1];
  const [bottom, top] = [scales[scale].min ?? 0, scales[scale].max ?? 1];
  const [perMs, perUnit] = [bbox.width / (toMs - fromMs), bbox.height / (top - bottom)];
  const x = (/** @type {number} */ time) => bbox.left + (time - fromMs) * perMs;
  const y = (/** @type {number} */ value) => bbox.top + (top - value) * perUnit;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.beginPath();
  for (const [first, last] of stretchesOf(min, max)) trace(ctx, { t, min, max, x, y }, first, last);
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.restore();
}

/**
 * From which to which place the veil is unbroken; stretches without any width are left out, for nothing of them would show.
 * @param {Values} min @param {Values} max
 * @returns {[number, number][]}
 */
export function stretchesOf(min, max) {
  /** @type {[number, number][]} */
  const found = [];
  let first = -1;
  let last = -1;
  let wide = false;
  for (let at = 0; at <= min.length; at += 1) {
    if (min[at] === undefined && at < min.length) continue;
    if (at === min.length || min[at] === null) {
      if (wide) found.push([first, last]);
      first = -1;
      wide = false;
      continue;
    }
    if (first < 0) first = at;
    last = at;
    wide ||= min[at] !== max[at];
  }
  return found;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {{ t: number[], min: Values, max: Values, x: (time: number) => number, y: (value: number) => number }} of
 * @param {number} first @param {number} last
 */
function trace(ctx, { t, min, max, x, y }, first, last) {
  if (first === last) {
    // A bucket alone between two gaps has a height and no neighbour to reach to.
    const top = y(/** @type {number} */ (max[first]));
    ctx.rect(x(t[first]) - devicePixelRatio / 2, top, devicePixelRatio, y(/** @type {number} */ (min[first])) - top);
    return;
  }
  for (let at = first; at <= last; at += 1) {
    const value = max[at];
    if (value === undefined || value === null) continue;
    if (at === first) ctx.moveTo(x(t[at]), y(value));
    else ctx.lineTo(x(t[at]), y(value));
  }
  for (let at = last; at >= first; at -= 1) {
    const value = min[at];
    if (value !== undefined && value !== null) ctx.lineTo(x(t[at]), y(value));
  }
  ctx.closePath();
}
