// @ts-check
// What is seen as a picture: a title, from when to when by the plant's clock, the legend, and the charts themselves.

import { palette } from "./palette.js";

/** @typedef {{ label: string, detail: string, colour: string, dash: number[] }} LegendRow */

const PAD = 24;
const ROW = 20;

/**
 * @param {{ title: string, subtitle: string, legend: LegendRow[], canvases: HTMLCanvasElement[] }} of
 * @returns {HTMLCanvasElement}
 */
export function composePicture({ title, subtitle, legend, canvases }) {
  const ratio = devicePixelRatio || 1;
  const colours = palette();
  const width = Math.max(640 * ratio, ...canvases.map((canvas) => canvas.width)) + 2 * PAD * ratio;
  const head = (PAD + 30 + 22 + legend.length * ROW + 12) * ratio;
  const height = head + canvases.reduce((sum, canvas) => sum + canvas.height + 8 * ratio, 0) + PAD * ratio;
  const picture = document.createElement("canvas");
  picture.width = Math.round(width);
  picture.height = Math.round(height);
  const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, picture.width, picture.height);
  context.textBaseline = "top";
  const write = (/** @type {string} */ text, /** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ font, /** @type {string} */ colour) => {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, x * ratio, y * ratio);
  };
  write(title, PAD, PAD, `600 ${18 * ratio}px ${colours.font}`, colours.text);
  write(subtitle, PAD, PAD + 28, `${13 * ratio}px ${colours.font}`, colours["text-soft"]);
  legend.forEach((row, at) => {
    const y = PAD + 30 + 24 + at * ROW;
    context.strokeStyle = row.colour;
    context.lineWidth = 2.5 * ratio;
    context.setLineDash(row.dash.map((part) => part * ratio));
    context.beginPath();
    context.moveTo(PAD * ratio, (y + 7) * ratio);
    context.lineTo((PAD + 32) * ratio, (y + 7) * ratio);
    context.stroke();
    write(`${row.label}   ${row.detail}`, PAD + 42, y, `${13 * ratio}px ${colours.font}`, colours.text);
  });
  let top = head;
  for (const canvas of canvases) {
    context.drawImage(canvas, PAD * ratio, top);
    top += canvas.height + 8 * ratio;
  }
  return picture;
}

/** @param {HTMLCanvasElement} picture @param {string} name of the file */
export async function savePicture(picture, name) {
  const blob = await new Promise((resolve) => picture.toBlob(resolve, "image/png"));
  if (!(blob instanceof Blob)) throw new Error("the browser made no picture");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
