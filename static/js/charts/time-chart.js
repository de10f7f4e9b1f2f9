// @ts-check
// One metric over time: the normal band behind, minimum to maximum as a veil, the mean as a line, alerts as spans.

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { clockTime, figure } from "../format.js";
import { palette } from "./palette.js";
import { calmRange, valueRange } from "./scale.js";

/** @typedef {import("./series-buffer.js").Columns} Columns */
/** @typedef {{ id: number, from: number, to: number | null, severity: string, title: string, metrics: string[] }} Mark */
/** @typedef {{ name: string, label: string, unit: string, kind: string, band: [number, number] | null }} MetricConfig */
/**
 * @typedef {object} ChartOptions
 * @property {MetricConfig} metric
 * @property {string} zone IANA name of the plant's zone
 * @property {() => Mark[]} marks
 * @property {(fromMs: number, toMs: number) => void} [onZoom]
 * @property {(at: number | null) => void} [onCursor] index of the column under the cursor
 */

const SYNC = "page";
const AXIS_PX = 52;
const [S, MIN, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
// Distances people read off a clock.
const TIME_STEPS = [
  ...[1, 10, 100].flatMap((step) => [step, 2 * step, 5 * step]),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * S),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MIN),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
  ...[1, 2, 7, 14, 28].map((step) => step * DAY),
];

/**
 * @param {HTMLElement} root an element of a fixed height
 * @param {ChartOptions} options
 */
export function createTimeChart(root, { metric, zone, marks, onZoom, onCursor }) {
  /** @type {Columns} */
  let columns = { t: [], min: [], mean: [], max: [], count: [] };
  /** @type {[number, number]} */
  let window_ = [0, 1];
  /** @type {[number, number] | null} */
  let range = null;
  let dragged = false;

  /** @param {uPlot} plot @param {number} from @param {number} to */
  const across = (plot, from, to) => {
    const { left, width } = plot.bbox;
    const a = Math.max(left, plot.valToPos(from, "x", true));
    const b = Math.min(left + width, plot.valToPos(to, "x", true));
    return b > a ? { at: a, width: b - a } : null;
  };

  /** @param {uPlot} plot */
  const drawBand = (plot) => {
    if (!metric.band) return;
    const { left, top, width, height } = plot.bbox;
    const a = clamp(plot.valToPos(metric.band[1], "y", true), top, top + height);
    const b = clamp(plot.valToPos(metric.band[0], "y", true), top, top + height);
    const colours = palette();
    plot.ctx.fillStyle = colours.band;
    plot.ctx.fillRect(left, a, width, b - a);
    plot.ctx.fillStyle = colours["band-line"];
    for (const edge of [a, b]) plot.ctx.fillRect(left, Math.round(edge), width, 1);
  };

  /** @param {uPlot} plot */
  const drawMarks = (plot) => {
    const { top, height } = plot.bbox;
    const { ctx } = plot;
    ctx.save();
    for (const mark of marks()) {
      const place = across(plot, mark.from, mark.to ?? window_[1]);
      if (!place) continue;
      // Only the metrics that explain an alert carry its colour.
      if (mark.metrics.length > 0 && !mark.metrics.includes(metric.name)) continue;
      ctx.fillStyle = palette().mark;
      ctx.globalAlpha = 0.08;
      ctx.fillRect(place.at, top, place.width, height);
      ctx.globalAlpha = 0.9;
      if (mark.from >= window_[0]) ctx.fillRect(Math.round(place.at), top, Math.max(1, devicePixelRatio), height);
      ctx.fillRect(place.at, top, place.width, 2 * devicePixelRatio);
    }
    ctx.restore();
  };

  const ink = (/** @type {keyof import("./palette.js").Palette} */ token) => () => palette()[token];
  const font = () => `${11 * 1}px ${palette().font}`;

  /** @type {uPlot.Options} */
  const options = {
    width: Math.max(200, root.clientWidth),
    height: root.clientHeight || 180,
    ms: 1,
    tzDate: (time) => uPlot.tzDate(new Date(time), zone),
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: {
      sync: { key: SYNC, setSeries: false },
      drag: { x: Boolean(onZoom), y: false, setScale: false },
      points: { size: 6 },
      y: false,
    },
    scales: {
      x: { time: true, range: () => window_ },
      y: { range: (_plot, low, high) => (range = calmRange(range, valueRange(low, high, metric.band))) },
    },
    axes: [
      axis({ size: 24, space: 72, incrs: TIME_STEPS, values: (_plot, splits, _axis, _space, step) => timeLabels(splits, step, zone) }),
      axis({ size: AXIS_PX, space: 34, values: (_plot, splits) => splits.map((split) => figure(split)) }),
    ],
    series: [
      {},
      { label: "min", points: { show: false }, width: 0 },
      { label: "max", points: { show: false }, width: 0 },
      { label: metric.label, stroke: ink("series"), width: 1.5, points: { show: true, filter: dotted, size: 4, fill: ink("series") } },
    ],
    bands: [{ series: [2, 1], fill: ink("series-fill") }],
    hooks: {
      drawClear: [drawBand],
      draw: [drawMarks],
      setCursor: [(plot) => onCursor?.(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width === 0) return;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          // Charts share their cursor and so their selection; the one that was dragged across speaks for all.
          if (dragged && width > 5) onZoom?.(Math.round(plot.posToVal(left, "x")), Math.round(plot.posToVal(left + width, "x")));
          dragged = false;
        },
      ],
    },
  };

  /** @param {Partial<uPlot.Axis>} own @returns {uPlot.Axis} */
  function axis(own) {
    return {
      stroke: ink("text-faint"),
      // uPlot reads the font once; a system font does not change with the theme.
      font: font(),
      grid: { stroke: ink("grid"), width: 1 },
      ticks: { show: false },
      gap: 6,
      ...own,
    };
  }

  const plot = new uPlot(options, aligned(columns), root);
  const observer = new ResizeObserver(() => {
    if (root.clientWidth > 0) plot.setSize({ width: root.clientWidth, height: root.clientHeight });
  });
  observer.observe(root);
  plot.over.addEventListener("mousedown", () => (dragged = true));

  return {
    /** @param {Columns} next @param {number} fromMs @param {number} toMs */
    draw(next, fromMs, toMs) {
      if (Math.abs(window_[1] - window_[0] - (toMs - fromMs)) > 1) range = null;
      columns = next;
      window_ = [fromMs, toMs];
      plot.batch(() => {
        plot.setData(aligned(columns), false);
        plot.setScale("x", { min: fromMs, max: toMs });
      });
    },
    /** @param {number} at */
    columnAt(at) {
      return columns.mean[at] === null || columns.t[at] === undefined ? null : { t: columns.t[at], mean: columns.mean[at], min: columns.min[at], max: columns.max[at] };
    },
    get width() {
      return Math.max(100, root.clientWidth - AXIS_PX);
    },
    destroy() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** @param {Columns} columns @returns {uPlot.AlignedData} */
function aligned(columns) {
  return [columns.t, columns.min, columns.max, columns.mean];
}

/**
 * Dots where a line would hide how few readings there are, and where a reading stands alone between gaps.
 * @param {uPlot} plot @param {number} series
 */
function dotted(plot, series) {
  const values = plot.data[series];
  const few = values.length < plot.bbox.width / 40;
  /** @type {number[]} */
  const dots = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null && (few || ((values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null))) dots.push(at);
  }
  return dots;
}

/** @param {number[]} splits @param {number} step @param {string} zone */
function timeLabels(splits, step, zone) {
  if (step >= DAY / 2) return splits.map((split) => clockTime(split, zone, { day: true, seconds: false }).replace(/,? 00:00$/, ""));
  return splits.map((split) => clockTime(split, zone, { day: false, seconds: step < MIN }));
}

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
