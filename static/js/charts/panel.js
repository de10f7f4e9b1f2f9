// @ts-check
// One metric on a page: its chart, its last value, its key figures.

import { serverNow } from "../clock.js";
import { clockTime, figure } from "../format.js";
import { keyFigures } from "./columns.js";
import { markAt } from "./mark-at.js";
import { stateNames } from "./states.js";
import { createTimeChart } from "./time-chart.js";

/** @typedef {import("./time-chart.js").MetricConfig} MetricConfig */
/** @typedef {import("./timeline.js").Timeline} Timeline */

// A number that changes faster can't be read.
const FIGURES_EVERY_MS = 500;

/**
 * @param {HTMLElement} element
 * @param {object} of
 * @param {MetricConfig} of.metric
 * @param {string} of.zone
 * @param {Timeline} of.timeline
 * @param {ReturnType<typeof import("./viewport.js").createViewport>} of.viewport
 * @param {ReturnType<typeof import("./frame-loop.js").pageFrameLoop>} of.loop
 * @param {() => import("./marks.js").Mark[]} of.marks
 * @param {import("./time-chart.js").ChartOptions["range"]} of.range
 */
export function createPanel(element, { metric, zone, timeline, viewport, loop, marks, range }) {
  const field = (/** @type {string} */ name) => /** @type {HTMLElement | null} */ (element.querySelector(`[data-${name}]`));
  const [valueAt, readout, empty, marked] = [field("value"), field("readout"), field("empty"), field("marked")];
  const figures = { min: field("min"), mean: field("mean"), max: field("max") };
  const chart = createTimeChart(/** @type {HTMLElement} */ (field("plot")), { metric, zone, marks, range, onCursor: read });
  // Charts share one cursor; only the one that is worked with is read out.
  const hearing = new AbortController();
  const spoken = [readout, marked];
  element.addEventListener("focusin", () => spoken.forEach((part) => part?.setAttribute("aria-live", "polite")), { signal: hearing.signal });
  element.addEventListener("focusout", () => spoken.forEach((part) => part?.removeAttribute("aria-live")), { signal: hearing.signal });
  let figuresMs = -Infinity;
  let drawnMs = -Infinity;
  let answered = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let next;

  const nameOf = stateNames(metric.name);
  // A state is a name or a plain number, not a quantity of three digits.
  const said = (/** @type {number | null} */ value) => (metric.kind === "state" && value !== null ? nameOf(value) : figure(value));
  const mark = () => loop.mark(element);

  loop.add(element, () => {
    const [from, to] = viewport.window;
    const { width, stored } = viewport.shown;
    const columns = timeline.columns(from, to, width, stored);
    chart.draw(columns, from, to);
    drawnMs = performance.now();
    tell(columns, from, to);
    clearTimeout(next);
    // A chart that moves asks for its next frame itself; off the screen it is not drawn and so asks for none.
    const pace = viewport.paceMs;
    if (pace !== Infinity) next = setTimeout(mark, pace);
  });

  /** @param {number | null} at */
  function read(at) {
    if (!readout) return;
    const column = at === null ? null : chart.columnAt(at);
    readout.textContent = column ? `${clockTime(column.t, zone, { day: !isToday(column.t) })}  ${valueText(column)}` : "";
    if (!marked) return;
    const mark = column && markAt(marks(), metric.name, column.t, viewport.shown.width / 2);
    write(marked, mark?.title ?? "");
    marked.dataset.kind = mark?.kind ?? "";
  }

  /** @param {{ mean: number | null, min: number | null, max: number | null }} column */
  function valueText({ mean, min, max }) {
    const unit = metric.unit ? ` ${metric.unit}` : "";
    if (metric.kind === "state") return min === max ? said(min) : `${said(min)} – ${said(max)}`;
    return min === max ? `${figure(mean)}${unit}` : `${figure(mean)}${unit} (${figure(min)} – ${figure(max)})`;
  }

  /** @param {import("./series-buffer.js").Columns} columns @param {number} from @param {number} to */
  function tell(columns, from, to) {
    const now = performance.now();
    if (viewport.view.kind !== "window" && now - figuresMs < FIGURES_EVERY_MS) return;
    figuresMs = now;
    const found = keyFigures(columns, from, to);
    for (const name of /** @type {const} */ (["min", "mean", "max"])) write(figures[name], figure(found[name]));
    tellLast();
    if (empty) empty.hidden = found.count > 0 || !(answered || viewport.shown.stored);
  }

  function tellLast() {
    const last = timeline.buffer.lastValue;
    if (!valueAt || last === null) return;
    write(valueAt, said(last));
    const outside = metric.band !== null && (last < metric.band[0] || last > metric.band[1]);
    if (element.hasAttribute("data-outside") !== outside) element.toggleAttribute("data-outside", outside);
  }

  return {
    metric,
    mark,
    get width() {
      return chart.width;
    },
    /** Readings have come. @param {boolean} whole whether as a snapshot */
    heard(whole) {
      answered ||= whole;
      const now = performance.now();
      if (viewport.view.kind === "window") {
        if (now - figuresMs < FIGURES_EVERY_MS) return;
        figuresMs = now;
        tellLast();
      } else if (whole || now - drawnMs >= Math.max(viewport.paceMs, 50)) mark();
    },
    destroy() {
      clearTimeout(next);
      hearing.abort();
      loop.remove(element);
      chart.destroy();
    },
  };
}

/** @param {HTMLElement | null} place @param {string} text */
function write(place, text) {
  if (place && place.textContent !== text) place.textContent = text;
}

/** @param {number} ms */
function isToday(ms) {
  return serverNow() - ms < 43_200_000;
}
