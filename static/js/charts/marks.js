// @ts-check
// What stands behind and over a line: the normal band, stretches in which an alert lasted, and planned maintenance.

import { concerns } from "./mark-at.js";
import { palette } from "./palette.js";

/** @typedef {uPlot} Plot */
/** @typedef {{ id: number, from: number, to: number | null, severity: string, title: string, metrics: string[], kind?: "alert" | "maintenance" }} Mark */

const HATCH_PX = 7;
const SIGN_PX = 9;

/** @param {Plot} plot @param {number} from @param {number} to */
export function across(plot, from, to) {
  const { left, width } = plot.bbox;
  const a = Math.max(left, plot.valToPos(from, "x", true));
  const b = Math.min(left + width, plot.valToPos(to, "x", true));
  return b > a ? { at: a, width: b - a } : null;
}

/** @param {Plot} plot @param {[number, number]} band */
export function drawBand(plot, band) {
  const { left, top, width, height } = plot.bbox;
  const a = clamp(plot.valToPos(band[1], "y", true), top, top + height);
  const b = clamp(plot.valToPos(band[0], "y", true), top, top + height);
  const colours = palette();
  plot.ctx.fillStyle = colours.band;
  plot.ctx.fillRect(left, a, width, b - a);
  plot.ctx.fillStyle = colours["band-line"];
  for (const edge of [a, b]) plot.ctx.fillRect(left, Math.round(edge), width, 1);
}

/**
 * @param {Plot} plot @param {Mark[]} marks @param {string} metric @param {number} toMs where what still lasts ends
 */
export function drawMarks(plot, marks, metric, toMs) {
  plot.ctx.save();
  for (const mark of marks) {
    if (!concerns(mark, metric)) continue;
    const place = across(plot, mark.from, mark.to ?? Math.max(toMs, mark.from + 1));
    if (!place) continue;
    if (mark.kind === "maintenance") drawMaintenance(plot, place);
    else drawAlert(plot, place, plot.valToPos(mark.from, "x", true) >= plot.bbox.left);
  }
  plot.ctx.restore();
}

/** @param {Plot} plot @param {{ at: number, width: number }} place @param {boolean} begins whether its beginning is in the window */
function drawAlert({ ctx, bbox }, place, begins) {
  const thick = Math.max(1, devicePixelRatio);
  ctx.fillStyle = palette().mark;
  ctx.globalAlpha = 0.08;
  ctx.fillRect(place.at, bbox.top, place.width, bbox.height);
  ctx.globalAlpha = 0.9;
  ctx.fillRect(place.at, bbox.top, place.width, 2 * thick);
  if (!begins) return;
  ctx.fillRect(Math.round(place.at), bbox.top, thick, bbox.height);
  // A sign of its own, for those to whom red says nothing.
  const size = SIGN_PX * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(place.at, bbox.top + 2 * thick);
  ctx.lineTo(place.at + size, bbox.top + 2 * thick);
  ctx.lineTo(place.at, bbox.top + 2 * thick + size);
  ctx.fill();
}

/** @param {Plot} plot @param {{ at: number, width: number }} place */
function drawMaintenance({ ctx, bbox }, place) {
  const step = HATCH_PX * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(place.at, bbox.top, place.width, bbox.height);
  ctx.clip();
  ctx.globalAlpha = 0.35;
  ctx.strokeStyle = palette().quiet;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  // From multiples of the step, so that the hatching does not swim while time moves on.
  for (let x = Math.floor((place.at - bbox.height) / step) * step; x < place.at + place.width; x += step) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
