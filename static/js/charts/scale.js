// @ts-check
// The range of a value axis: all that was measured and the normal band, with air, and calm while data moves.

import { figure, fixed } from "../format.js";

const AIR = 0.08;
// A little room is kept before the axis closes in, or it would breathe with every cycle of the machine.
const SHRINK_BELOW = 0.55;
const REST_SHARE = 0.02;

/**
 * @param {number | null} low @param {number | null} high of what is shown
 * @param {[number, number] | null} band the normal band
 * @returns {[number, number]}
 */
export function valueRange(low, high, band) {
  const finite = [low, high, ...(band ?? [])].filter((value) => Number.isFinite(value)).map(Number);
  if (finite.length === 0) return [0, 1];
  let bottom = Math.min(...finite);
  let top = Math.max(...finite);
  if (bottom === top) {
    const half = Math.max(Math.abs(top) * 0.05, 0.5);
    bottom -= half;
    top += half;
  }
  const air = (top - bottom) * AIR;
  // A quantity that is never negative keeps its zero line.
  return [bottom >= 0 && bottom - air < 0 ? 0 : bottom - air, top + air];
}

/**
 * Stands in for a normal band that is not known yet, where no axis tells how far apart bottom and top are: noise of a
 * hundredth must not look like a storm.
 * @param {number} low @param {number} high of what is shown
 * @returns {[number, number]}
 */
export function bandOfRest(low, high) {
  const middle = (low + high) / 2;
  return [middle - Math.abs(middle) * REST_SHARE, middle + Math.abs(middle) * REST_SHARE];
}

/**
 * @param {[number, number] | null} before the range shown until now
 * @param {[number, number]} wanted
 * @returns {[number, number]}
 */
export function calmRange(before, wanted) {
  if (!before) return wanted;
  const outgrown = wanted[0] < before[0] || wanted[1] > before[1];
  const roomy = wanted[1] - wanted[0] < (before[1] - before[0]) * SHRINK_BELOW;
  return outgrown || roomy ? wanted : before;
}

/** As coarse as figures are, unless two neighbours would then read alike. @param {number[]} splits @param {number} step */
export function valueLabels(splits, step) {
  const coarse = splits.map((split) => figure(split));
  if (new Set(coarse).size === coarse.length) return coarse;
  for (let decimals = 0; decimals < 6; decimals += 1) {
    // A step of a half or a quarter needs the decimal that tells it apart exactly.
    if (Math.abs(Number(step.toFixed(decimals)) - step) < step * 1e-6) return splits.map((split) => fixed(split, decimals));
  }
  return splits.map((split) => fixed(split, 6));
}
