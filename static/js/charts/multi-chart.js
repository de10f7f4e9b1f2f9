// @ts-check
// Several lines on one chart, each unit with an axis of its own; lines differ by colour and by dashes.

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { AXIS_PX, timeAxis, valueAxis } from "./axes.js";
import { boundsOf, drawEnvelope } from "./envelope.js";
import { listenToHands } from "./gestures.js";
import { palette } from "./palette.js";
import { calmRange, valueRange } from "./scale.js";
import { zoneDate } from "./zone.js";

/** @typedef {import("./grid.js").Row} Row */
/** @typedef {{ label: string, unit: string, rank: number, earlier: boolean, alone: boolean }} Line rank: its colour; earlier: of another time; alone: on a chart of its own */

const SYNC = "page";
const UNIT_PX = 18;
const RANKS = 8;
const DASHES = Object.freeze([[], [8, 3], [12, 3, 3, 3], [5, 3]]);

/** @param {Line} line */
export function colourOf({ rank }) {
  return palette()[/** @type {"series-1"} */ (`series-${(rank % RANKS) + 1}`)];
}

/** @param {Line} line */
export function dashOf({ rank, earlier, alone }) {
  if (earlier) return [2, 3];
  return alone ? [] : DASHES[rank % DASHES.length];
}

/**
 * @param {HTMLElement} root an element of a fixed height
 * @param {object} of
 * @param {Line[]} of.lines
 * @param {string} of.zone
 * @param {boolean} of.envelope whether minimum and maximum are drawn as a veil
 * @param {import("./time-chart.js").ChartOptions["range"]} of.range
 * @param {(at: number | null) => void} of.onCursor index of the bucket under the cursor
 */
export function createMultiChart(root, { lines, zone, envelope, range, onCursor }) {
  const units = [...new Set(lines.map((line) => line.unit))];
  const scaleOf = (/** @type {string} */ unit) => `y${units.indexOf(unit)}`;
  /** @type {[number, number]} */
  let window_ = [Date.now() - 300_000, Date.now()];
  /** @type {Map<string, [number, number]>} */
  const shown = new Map();
  /** @type {number[]} */
  let times = [];
  /** @type {Row[]} */
  let shownRows = [];
  let widthPx = root.clientWidth;
  let dragged = false;

  /** @param {uPlot} plot behind the lines, over the grid */
  const drawVeils = (plot) => {
    shownRows.forEach((row, at) => {
      const line = lines[at];
      if (envelope && !line.earlier) drawEnvelope(plot, scaleOf(line.unit), times, row.min, row.max, faint(colourOf(line)));
    });
  };
  /** What of a unit is drawn: without a veil its edges stretch no axis. @param {string} unit */
  const boundsOfUnit = (unit) => {
    const rows = shownRows.flatMap((row, at) => (lines[at].unit !== unit ? [] : envelope ? [row.min, row.max] : [row.mean]));
    return boundsOf(times, rows, ...window_);
  };
  /** @param {uPlot} plot */
  const drawUnits = (plot) => {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * ratio}px ${palette().font}`;
    ctx.fillStyle = palette()["text-soft"];
    ctx.textBaseline = "top";
    units.forEach((unit, at) => {
      ctx.textAlign = at === 0 ? "right" : "left";
      const x = at === 0 ? bbox.left - 6 * ratio : bbox.left + bbox.width + (6 + (at - 1) * AXIS_PX) * ratio;
      ctx.fillText(unit, x, 2 * ratio);
    });
    ctx.restore();
  };

  /** @type {uPlot.Options} */
  const options = {
    width: Math.max(200, root.clientWidth),
    height: root.clientHeight || 240,
    ms: 1,
    tzDate: zoneDate(zone),
    legend: { show: false },
    padding: [UNIT_PX, units.length > 1 ? 0 : 18, 0, 0],
    cursor: { sync: { key: SYNC, setSeries: false }, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, y: false },
    scales: {
      x: { time: true, range: () => window_ },
      ...Object.fromEntries(
        units.map((unit) => [
          scaleOf(unit),
          {
            range: () => {
              const next = calmRange(shown.get(unit) ?? null, valueRange(...boundsOfUnit(unit), null));
              shown.set(unit, next);
              return next;
            },
          },
        ]),
      ),
    },
    axes: [timeAxis(zone), ...units.map((unit, at) => valueAxis({ scale: scaleOf(unit), side: at === 0 ? 3 : 1, ...(at === 0 ? {} : { grid: { show: false } }) }))],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        scale: scaleOf(line.unit),
        stroke: () => colourOf(line),
        width: line.earlier ? 1.25 : 1.75,
        dash: dashOf(line),
        alpha: line.earlier ? 0.75 : 1,
        points: { show: false },
      })),
    ],
    hooks: {
      drawAxes: [drawVeils],
      draw: [drawUnits],
      setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width === 0) return;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (dragged && width > 5) range.zoomTo(Math.round(plot.posToVal(left, "x")), Math.round(plot.posToVal(left + width, "x")));
          dragged = false;
        },
      ],
    },
  };

  const plot = new uPlot(options, /** @type {any} */ ([[], ...lines.map(() => [])]), root);
  const observer = new ResizeObserver(() => {
    widthPx = root.clientWidth;
    if (widthPx > 0) plot.setSize({ width: widthPx, height: root.clientHeight });
  });
  observer.observe(root);
  plot.over.addEventListener("mousedown", () => (dragged = true));
  /** @param {number} by */
  const step = (by) => {
    const at = Math.min(times.length - 1, Math.max(0, (plot.cursor.idx ?? (by > 0 ? -1 : times.length)) + by));
    plot.setCursor({ left: plot.valToPos(times[at], "x"), top: 1 });
  };
  const offHands = listenToHands(plot.over, root, { ...range, step });

  return {
    /** @param {number[]} t @param {Row[]} rows one a line @param {number} fromMs @param {number} toMs */
    draw(t, rows, fromMs, toMs) {
      if (Math.abs(window_[1] - window_[0] - (toMs - fromMs)) > 1) shown.clear();
      window_ = [fromMs, toMs];
      times = t;
      shownRows = rows;
      plot.batch(() => {
        plot.setData(/** @type {any} */ ([t, ...rows.map((row) => row.mean)]), false);
        plot.setScale("x", { min: fromMs, max: toMs });
      });
    },
    get canvas() {
      return plot.ctx.canvas;
    },
    get width() {
      return Math.max(100, widthPx - units.length * AXIS_PX - 18);
    },
    destroy() {
      offHands();
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** @param {string} colour as rgb(…) */
function faint(colour) {
  return colour.replace(/^rgb\((.*)\)$/, "rgb($1 / 14%)").replaceAll(",", " ");
}
