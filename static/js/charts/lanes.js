// @ts-check
// States over time as a lane: a block for as long as a state lasted, its name inside, instead of a line between numbers that
// mean no quantity.

import { palette } from "./palette.js";

/** @typedef {uPlot} Plot */
/** @typedef {import("./states.js").Stretch} Stretch */
/**
 * @param {Plot} plot @param {Stretch[]} all @param {(state: number) => string} nameOf
 */
export function drawLanes(plot, all, nameOf) {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  const colours = palette();
  const ratio = devicePixelRatio;
  // Neighbours differ by their shade; which is which is said by the name.
  const order = /** @type {number[]} */ ([...new Set(all.map((one) => one.state))].filter((state) => state !== null)).sort((a, b) => a - b);
  ctx.save();
  ctx.font = `${11 * ratio}px ${colours.font}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const { from, to, state } of all) {
    const a = Math.max(left, plot.valToPos(from, "x", true));
    const b = Math.min(left + width, plot.valToPos(to, "x", true));
    if (b <= a) continue;
    const rank = state === null ? -1 : order.indexOf(state);
    ctx.globalAlpha = state === null ? 0.25 : 0.22 + 0.5 * (order.length > 1 ? rank / (order.length - 1) : 0.5);
    ctx.fillStyle = state === null ? colours.quiet : colours.series;
    ctx.fillRect(a, top + 2 * ratio, b - a, height - 4 * ratio);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colours["band-line"];
    ctx.fillRect(a, top + 2 * ratio, ratio, height - 4 * ratio);
    if (state === null) continue;
    const name = nameOf(state);
    if (ctx.measureText(name).width > b - a - 8 * ratio) continue;
    ctx.fillStyle = colours.text;
    ctx.fillText(name, a + 4 * ratio, top + height / 2);
  }
  ctx.restore();
}
