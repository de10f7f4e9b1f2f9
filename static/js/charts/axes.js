// @ts-check
// Axes alike on every chart: clock times of the plant, figures with their unit.

import { clockTime } from "../format.js";
import { palette } from "./palette.js";
import { valueLabels } from "./scale.js";

export const AXIS_PX = 52;
const TIME_PX = 24;
const [S, MIN, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
// Distances people read off a clock.
const TIME_STEPS = [
  ...[1, 10, 100].flatMap((step) => [step, 2 * step, 5 * step]),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * S),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MIN),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
  ...[1, 2, 7, 14, 28, 56, 91, 182, 365].map((step) => step * DAY),
];

export const ink = (/** @type {Exclude<keyof import("./palette.js").Palette, "font">} */ token) => () => palette()[token];

/** @param {Partial<uPlot.Axis>} own @returns {uPlot.Axis} */
export function axis(own) {
  return {
    stroke: ink("text-faint"),
    // uPlot reads the font once; a system font does not change with the theme.
    font: `11px ${palette().font}`,
    grid: { stroke: ink("grid"), width: 1 },
    ticks: { show: false },
    gap: 6,
    ...own,
  };
}

/** @param {string} zone IANA name of the plant's zone */
export function timeAxis(zone) {
  return axis({ size: TIME_PX, space: 72, incrs: TIME_STEPS, values: (_plot, splits, _axis, _space, step) => timeLabels(splits, step, zone) });
}

/** @param {Partial<uPlot.Axis>} [own] */
export function valueAxis(own = {}) {
  return axis({ size: AXIS_PX, space: 34, values: (_plot, splits, _axis, _space, step) => valueLabels(splits, step), ...own });
}

/** @param {number[]} splits @param {number} step @param {string} zone */
function timeLabels(splits, step, zone) {
  if (step >= DAY / 2) return splits.map((split) => clockTime(split, zone, { day: true, seconds: false }).replace(/,? 00:00$/, ""));
  if (step >= HOUR) return splits.map((split) => dayAtMidnight(split, zone));
  if (step < S) return splits.map((split) => `${clockTime(split, zone)}.${String(Math.floor(split % S)).padStart(3, "0")}`);
  return splits.map((split) => clockTime(split, zone, { day: false, seconds: step < MIN }));
}

/** A night on the axis says which day begins. @param {number} split @param {string} zone */
function dayAtMidnight(split, zone) {
  const time = clockTime(split, zone, { day: false, seconds: false });
  return time === "00:00" ? clockTime(split, zone, { day: true, seconds: false }).replace(/,? 00:00$/, "") : time;
}
