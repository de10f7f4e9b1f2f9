// @ts-check
// How wide a bucket is at a zoom: the same table as telemetry/history/downsample.py, so that what the browser gathers from
// live readings and what the server answers from history fall into the same buckets.

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
export const WIDTHS_MS = Object.freeze([
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7].map((n) => n * DAY),
]);

/**
 * How many buckets that start at multiples of their width a window touches.
 * @param {number} fromMs @param {number} toMs not in it @param {number} widthMs
 */
export function bucketCount(fromMs, toMs, widthMs) {
  return Math.floor((toMs - 1) / widthMs) - Math.floor(fromMs / widthMs) + 1;
}

/**
 * The narrowest width at which a window touches at most so many buckets.
 * @param {number} fromMs @param {number} toMs @param {number} points at least 2
 */
export function bucketWidth(fromMs, toMs, points) {
  const found = WIDTHS_MS.find((width) => bucketCount(fromMs, toMs, width) <= points);
  let width = found ?? WIDTHS_MS[WIDTHS_MS.length - 1];
  while (bucketCount(fromMs, toMs, width) > points) width *= 2;
  return width;
}

/**
 * The width for a window of a length that moves: whole widths stand, wherever it begins.
 * @param {number} lengthMs @param {number} points
 */
export function widthForLength(lengthMs, points) {
  return bucketWidth(0, Math.max(1, Math.round(lengthMs)), Math.max(2, Math.floor(points)));
}
