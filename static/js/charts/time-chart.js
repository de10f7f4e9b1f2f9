// @ts-check
// One metric over time: the normal band behind, minimum to maximum as a veil, the mean as a line, alerts and maintenance as
// stretches; a metric of kind state as a lane.

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { AXIS_PX, ink, timeAxis, valueAxis } from "./axes.js";
import { emptyColumns } from "./columns.js";
import { boundsOf, drawEnvelope } from "./envelope.js";
import { listenToHands } from "./gestures.js";
import { drawLanes } from "./lanes.js";
import { drawBand, drawMarks } from "./marks.js";
import { palette } from "./palette.js";
import { calmRange, valueRange } from "./scale.js";
import { stateNames, stretches } from "./states.js";
import { zoneDate } from "./zone.js";

/** @typedef {import("./series-buffer.js").Columns} Columns */
/** @typedef {import("./marks.js").Mark} Mark */
/** @typedef {{ name: string, label: string, unit: string, kind: string, band: [number, number] | null }} MetricConfig */
/**
 * @typedef {object} ChartOptions
 * @property {MetricConfig} metric
 * @property {string} zone IANA name of the plant's zone
 * @property {() => Mark[]} marks
 * @property {{ zoomTo: (fromMs: number, toMs: number) => void, pan: (share: number) => void, zoom: (factor: number, at: number) => void, live: () => void }} range
 * @property {(at: number | null) => void} [onCursor] index of the column under the cursor
 */

const SYNC = "page";
const UNIT_PX = 16;

/**
 * @param {HTMLElement} root an element of a fixed height
 * @param {ChartOptions} options
 */
export function createTimeChart(root, { metric, zone, marks, range, onCursor }) {
  const isState = metric.kind === "state";
  /** @type {Columns} */
  let columns = emptyColumns();
  /** @type {[number, number]} */
  let window_ = [Date.now() - 300_000, Date.now()];
  /** @type {[number, number] | null} */
  let shown = null;
  // Asked for with each frame; reading it from the page would make the browser lay it out anew in the midst of a frame.
  let widthPx = root.clientWidth;
  /** @type {[number, number]} */
  let bounds = [Infinity, -Infinity];
  let dragged = false;

  /** @param {uPlot} plot behind the line, over the grid */
  const drawVeil = (plot) => {
    if (!isState) drawEnvelope(plot, "y", columns.t, columns.min, columns.max, palette()["series-fill"]);
  };
  /** @param {uPlot} plot */
  const drawOver = (plot) => {
    if (isState) drawLanes(plot, stretches(columns, Math.min(window_[1], columns.t[columns.t.length - 1] ?? 0)), stateNames(metric.name));
    drawMarks(plot, marks(), metric.name, window_[1]);
    if (metric.unit) drawUnit(plot, metric.unit);
  };

  /** @type {uPlot.Options} */
  const options = {
    width: Math.max(200, root.clientWidth),
    height: root.clientHeight || 180,
    ms: 1,
    tzDate: zoneDate(zone),
    legend: { show: false },
    padding: [metric.unit ? UNIT_PX : 8, 18, 0, 0],
    cursor: {
      sync: { key: SYNC, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6, show: !isState },
      y: false,
    },
    scales: {
      x: { time: true, range: () => window_ },
      y: { range: () => (isState ? [0, 1] : (shown = calmRange(shown, valueRange(bounds[0], bounds[1], metric.band)))) },
    },
    axes: [timeAxis(zone), isState ? valueAxis({ values: () => [], grid: { show: false } }) : valueAxis()],
    series: [
      {},
      isState
        ? { label: metric.label, paths: () => null, points: { show: false } }
        : { label: metric.label, stroke: ink("series"), width: 1.5, points: { show: true, filter: dotted, size: 4, fill: ink("series") } },
    ],
    hooks: {
      drawClear: [(plot) => metric.band && !isState && drawBand(plot, metric.band)],
      drawAxes: [drawVeil],
      draw: [drawOver],
      setCursor: [(plot) => onCursor?.(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width === 0) return;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          // Charts share their cursor and so their selection; the one that was dragged across speaks for all.
          if (dragged && width > 5) range.zoomTo(Math.round(plot.posToVal(left, "x")), Math.round(plot.posToVal(left + width, "x")));
          dragged = false;
        },
      ],
    },
  };

  const plot = new uPlot(options, aligned(columns), root);
  const observer = new ResizeObserver(() => {
    widthPx = root.clientWidth;
    if (widthPx > 0) plot.setSize({ width: widthPx, height: root.clientHeight });
  });
  observer.observe(root);
  plot.over.addEventListener("mousedown", () => (dragged = true));

  /** The reading cursor by keys: from column to column. @param {number} by */
  const step = (by) => {
    const from = plot.cursor.idx ?? (by > 0 ? -1 : columns.t.length);
    let at = from + by;
    while (columns.mean[at] === null) at += by;
    if (at < 0 || at >= columns.t.length) return;
    plot.setCursor({ left: plot.valToPos(columns.t[at], "x"), top: 1 });
  };
  const offHands = listenToHands(plot.over, root, { ...range, step });

  return {
    /** @param {Columns} next @param {number} fromMs @param {number} toMs */
    draw(next, fromMs, toMs) {
      if (Math.abs(window_[1] - window_[0] - (toMs - fromMs)) > 1) shown = null;
      columns = next;
      bounds = boundsOf(columns.t, [columns.min, columns.max], fromMs, toMs);
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
      return Math.max(100, widthPx - AXIS_PX - 18);
    },
    destroy() {
      offHands();
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** @param {Columns} columns @returns {uPlot.AlignedData} */
function aligned(columns) {
  return [columns.t, columns.mean];
}

/** The axis says its unit at its head. @param {uPlot} plot @param {string} unit */
export function drawUnit(plot, unit) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px ${palette().font}`;
  ctx.fillStyle = palette()["text-soft"];
  ctx.textAlign = "right";
  ctx.textBaseline = "top";
  ctx.fillText(unit, bbox.left - 6 * devicePixelRatio, 1 * devicePixelRatio);
  ctx.restore();
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
