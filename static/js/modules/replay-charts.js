// @ts-check
// A back-test's scores over time, one chart a version, and under them what was raised in truth: one window, one cursor.

import { createTimeChart } from "../charts/time-chart.js";
import { SHORTEST_MS } from "../charts/view.js";
import { clockTime, figure } from "../format.js";

/** @typedef {import("../charts/marks.js").Mark} Mark */
/** @typedef {{ label: string, score: (number | null)[], marks: Mark[] }} Side */
/** @typedef {{ from: number, to: number, zone: string, highest: number, sides: Side[], raised: Mark[], raisedLabel: string }} Config */

/** @param {HTMLElement} root */
export function mount(root) {
  const source = document.getElementById(root.dataset.config ?? "");
  if (!source?.textContent) return undefined;
  /** @type {Config} */
  const config = JSON.parse(source.textContent);
  let window_ = [config.from, config.to];
  const back = root.querySelector("[data-whole]");

  /** @param {number} from @param {number} to */
  const show = (from, to) => {
    const length = Math.min(config.to - config.from, Math.max(SHORTEST_MS, to - from));
    const begin = Math.min(config.to - length, Math.max(config.from, from));
    window_ = [begin, begin + length];
    back?.toggleAttribute("hidden", length >= config.to - config.from);
    for (const { chart, columns } of charts) chart.draw(columns, window_[0], window_[1]);
  };
  const whole = () => show(config.from, config.to);
  const range = {
    zoomTo: show,
    /** @param {number} share */
    pan: (share) => show(window_[0] + share * (window_[1] - window_[0]), window_[1] + share * (window_[1] - window_[0])),
    /** @param {number} factor @param {number} at */
    zoom: (factor, at) => {
      const length = window_[1] - window_[0];
      show(window_[0] + at * length * (1 - factor), window_[0] + at * length * (1 - factor) + length * factor);
    },
    live: whole,
  };

  const sides = config.sides.map((side) => ({ ...side, kind: "score" }));
  const shown = [...sides, { label: config.raisedLabel, score: [], marks: config.raised, kind: "state" }];
  const charts = [...root.querySelectorAll("[data-plot]")].map((place, at) => {
    const { label, score, marks, kind } = shown[at];
    const plot = /** @type {HTMLElement} */ (place);
    plot.hidden = false;
    const columns = columnsOf(score, config);
    const readout = plot.closest("figure")?.querySelector("[data-readout]");
    const chart = createTimeChart(plot, {
      // The limit is 1: what is scored below it is normal.
      metric: { name: kind, label, unit: "", kind, band: kind === "score" ? [0, 1] : null },
      zone: config.zone,
      marks: () => marks,
      range,
      onCursor: (index) => {
        const value = index === null ? null : chart.columnAt(index);
        if (readout) readout.textContent = value?.mean === undefined || value.mean === null ? "" : `${clockTime(value.t, config.zone, { day: true, seconds: false })}: ${figure(value.mean)}`;
      },
    });
    return { chart, columns };
  });
  for (const still of root.querySelectorAll("[data-still]")) still.toggleAttribute("hidden", true);
  back?.addEventListener("click", whole);
  whole();
  return () => {
    back?.removeEventListener("click", whole);
    for (const { chart } of charts) chart.destroy();
  };
}

/** Each bucket's highest score in its middle. @param {(number | null)[]} score @param {Config} config */
function columnsOf(score, { from, to, highest }) {
  const width = (to - from) / Math.max(1, score.length);
  const cut = score.map((value) => (value === null ? null : Math.min(value, highest)));
  return { t: score.map((_value, at) => from + (at + 0.5) * width), min: cut, mean: cut, max: cut, count: score.map((value) => (value === null ? 0 : 1)) };
}
