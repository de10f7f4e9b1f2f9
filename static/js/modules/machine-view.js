// @ts-check
// The charts of a machine or an alert: live from the socket, or any stretch of history from the API, in one look.

import { pageFrameLoop } from "../charts/frame-loop.js";
import { historyRead } from "../charts/history.js";
import { SeriesBuffer, keyFigures } from "../charts/series-buffer.js";
import { createTimeChart } from "../charts/time-chart.js";
import { serverNow } from "../clock.js";
import { age, clockTime, figure } from "../format.js";
import { judgeAge } from "./fleet.js";
import { liveSocket } from "./live-socket.js";
import { createRangeControl } from "./range-control.js";

/** @typedef {import("../charts/series-buffer.js").Columns} Columns */
/** @typedef {import("../charts/time-chart.js").Mark} Mark */
/** @typedef {import("../charts/time-chart.js").MetricConfig} MetricConfig */
/** @typedef {import("./range-control.js").View} View */
/**
 * @typedef {object} Config
 * @property {string} machine
 * @property {string} zone
 * @property {string} historyUrl
 * @property {number} silentAfterS
 * @property {number | null} lastSeenMs
 * @property {MetricConfig[]} metrics
 * @property {Mark[]} marks
 * @property {Record<string, string>} words
 * @property {{ from: number, to: number } | null} window
 */

const LIVE_MS = 300_000;
// A machine that has just begun to report fills its chart instead of standing at the edge of an empty one.
const LIVE_WINDOWS_MS = [60_000, 120_000, LIVE_MS];
const TICK_MS = 250;
const FIGURES_EVERY_MS = 500;
const REFRESH_LEAST_MS = 5_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const source = document.getElementById(root.dataset.config ?? "");
  if (!source?.textContent) return undefined;
  /** @type {Config} */
  const config = JSON.parse(source.textContent);
  const loop = pageFrameLoop();
  const live = liveSocket();
  const frames = [...root.querySelectorAll("[data-chart]")].map((element) => /** @type {HTMLElement} */ (element));
  const panels = config.metrics
    .map((metric) => ({ metric, element: frames.find((frame) => frame.dataset.chart === metric.name) }))
    .filter((one) => one.element !== undefined)
    .map(({ metric, element }) => createPanel(/** @type {HTMLElement} */ (element), metric, config, loop, liveWindow, (from, to) => range.zoom(from, to)));

  /** The stretch that all live charts share. @param {number} now */
  function liveWindow(now) {
    const first = Math.min(...panels.map((panel) => panel.firstTime ?? now));
    return LIVE_WINDOWS_MS.find((ms) => now - first < ms * 0.95) ?? LIVE_MS;
  }

  /** @type {View} */
  let view = { kind: "live" };
  /** @type {AbortController | null} */
  let asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  /** @type {(() => void) | null} */
  let unwatch = null;
  let lastMs = config.lastSeenMs;
  const known = new Set(config.metrics.map((metric) => metric.name));
  const seen = root.querySelector("[data-seen]");
  const notice = /** @type {HTMLElement | null} */ (root.querySelector("[data-history-failed]"));

  /** @param {import("./live-socket.js").Message} message */
  const receive = (message) => {
    const times = message.t ?? [];
    if (times.length) lastMs = Math.max(lastMs ?? 0, times[times.length - 1]);
    for (const panel of panels) panel.receive(message.type === "snapshot", times, message.metrics?.[panel.metric.name]);
    if (Object.keys(message.metrics ?? {}).some((name) => !known.has(name))) tellOfMore();
  };

  // A metric that was not there when the page was made. The first ones bring the charts with them, once: what a plan
  // has no room for is shown live and never registered, and must not reload the page for ever.
  const tellOfMore = () => {
    const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    if (known.size === 0 && navigation?.type !== "reload") location.reload();
    else root.querySelector("[data-more-metrics]")?.removeAttribute("hidden");
  };

  const watch = () => {
    unwatch ??= live.watch({ machines: [config.machine], metrics: null, history_s: LIVE_MS / 1000 }, receive);
  };

  /** @param {View} next */
  const show = (next) => {
    view = next;
    asking?.abort();
    clearTimeout(again);
    root.dataset.view = next.kind;
    if (notice) notice.hidden = true;
    watch();
    if (next.kind === "live") for (const panel of panels) panel.goLive();
    else void load();
  };

  const load = async () => {
    const now = Math.round(serverNow());
    const [from, to] = view.kind === "last" ? [now - view.ms, now] : view.kind === "window" ? [view.from, view.to] : [now - LIVE_MS, now];
    const controller = new AbortController();
    asking = controller;
    root.setAttribute("aria-busy", "true");
    try {
      const points = Math.max(100, Math.min(1500, panels[0]?.width ?? 800));
      const found = await historyRead(config.historyUrl, { from, to, points, metrics: panels.map((panel) => panel.metric.name), signal: controller.signal });
      for (const panel of panels) panel.showStored(found.columns.get(panel.metric.name), from, to);
      if (notice) notice.hidden = true;
      if (view.kind === "last") again = setTimeout(reload, Math.max(REFRESH_LEAST_MS, found.bucketMs));
    } catch (error) {
      if (controller.signal.aborted) return;
      console.warn("history", error);
      if (notice) notice.hidden = false;
      again = setTimeout(reload, REFRESH_LEAST_MS);
    }
    root.removeAttribute("aria-busy");
  };

  const reload = () => {
    if (document.hidden) again = setTimeout(reload, REFRESH_LEAST_MS);
    else void load();
  };

  const tick = () => {
    if (document.hidden) return;
    for (const panel of panels) panel.tick();
    if (!seen) return;
    const judged = judgeAge(lastMs, serverNow(), config.silentAfterS * 1000);
    const word = config.words[judged.state] ?? "";
    const text = judged.state === "live" || judged.state === "new" ? word : `${word} ${age(judged.seconds)}`;
    if (seen.textContent !== text) seen.textContent = text;
    seen.parentElement?.setAttribute("data-state", judged.state);
  };

  const range = createRangeControl(root, config, show);
  const timer = setInterval(tick, TICK_MS);
  const offAlert = live.on("alert", (message) => {
    if (message.alert?.machine !== config.machine) return;
    mergeMark(config.marks, message.alert);
    loop.markAll();
  });
  range.start();

  return () => {
    clearInterval(timer);
    clearTimeout(again);
    asking?.abort();
    unwatch?.();
    offAlert();
    range.stop();
    for (const panel of panels) panel.destroy();
    loop.stop();
  };
}

/**
 * A live alert becomes a mark, or moves the one it is.
 * @param {Mark[]} marks @param {any} alert
 */
export function mergeMark(marks, alert) {
  const mark = {
    id: alert.id,
    from: Date.parse(alert.since_at),
    to: alert.returned_at ? Date.parse(alert.returned_at) : null,
    severity: alert.severity,
    title: alert.title,
    metrics: (alert.evidence?.metrics ?? []).map((/** @type {{ metric: string }} */ part) => part.metric),
  };
  const at = marks.findIndex((known) => known.id === mark.id);
  if (at >= 0) marks[at] = mark;
  else marks.push(mark);
}

/**
 * One metric: its chart, its last value, its key figures.
 * @param {HTMLElement} element @param {MetricConfig} metric @param {Config} config
 * @param {ReturnType<typeof pageFrameLoop>} loop
 * @param {(now: number) => number} liveWindow how much of the past is shown live
 * @param {(from: number, to: number) => void} onZoom
 */
function createPanel(element, metric, config, loop, liveWindow, onZoom) {
  const field = (/** @type {string} */ name) => /** @type {HTMLElement | null} */ (element.querySelector(`[data-${name}]`));
  const area = /** @type {HTMLElement} */ (field("plot"));
  const [valueAt, readout, empty] = [field("value"), field("readout"), field("empty")];
  const figures = { min: field("min"), mean: field("mean"), max: field("max") };
  const buffer = new SeriesBuffer();
  /** @type {{ columns: Columns, from: number, to: number } | null} */
  let stored = null;
  let isLive = true;
  let figuresMs = 0;
  // Until the server has answered, an empty chart says nothing: neither that there are readings nor that there are none.
  let answered = false;

  const chart = createTimeChart(area, { metric, zone: config.zone, marks: () => config.marks, onZoom, onCursor: read });

  /** @param {number | null} at */
  function read(at) {
    if (!readout) return;
    const column = at === null ? null : chart.columnAt(at);
    readout.textContent = column
      ? `${clockTime(column.t, config.zone, { day: Boolean(stored) })}  ${figure(column.mean)}${metric.unit ? ` ${metric.unit}` : ""}`
      : "";
  }

  /** @param {Columns} columns @param {number} from */
  function tell(columns, from) {
    const now = performance.now();
    if (isLive && now - figuresMs < FIGURES_EVERY_MS) return;
    figuresMs = now;
    const found = keyFigures(columns, from);
    for (const name of /** @type {const} */ (["min", "mean", "max"])) {
      const place = figures[name];
      if (place) place.textContent = figure(found[name]);
    }
    if (valueAt && buffer.lastValue !== null) {
      valueAt.textContent = figure(buffer.lastValue);
      const outside = metric.band !== null && (buffer.lastValue < metric.band[0] || buffer.lastValue > metric.band[1]);
      element.toggleAttribute("data-outside", outside);
    }
    if (empty) empty.hidden = found.count > 0 || !answered;
  }

  loop.add(element, () => {
    if (!isLive) {
      if (stored) chart.draw(stored.columns, stored.from, stored.to);
      return;
    }
    const to = serverNow();
    buffer.trim(to - LIVE_MS - 60_000);
    const windowMs = liveWindow(to);
    const from = to - windowMs;
    const columns = buffer.columns(from, to, Math.max(20, windowMs / chart.width));
    chart.draw(columns, from, to);
    tell(columns, from);
  });

  return {
    metric,
    get firstTime() {
      return buffer.firstTime;
    },
    get width() {
      return Math.round(chart.width);
    },
    /** @param {boolean} whole @param {number[]} times @param {(number | null)[] | undefined} values */
    receive(whole, times, values) {
      answered ||= whole;
      if (!values) return;
      if (whole) buffer.replaceFrom(times, values);
      else buffer.push(times, values);
      if (isLive) loop.mark(element);
      else tellLast();
    },
    /** @param {Columns | undefined} columns @param {number} from @param {number} to */
    showStored(columns, from, to) {
      isLive = false;
      answered = true;
      stored = { columns: columns ?? { t: [], min: [], mean: [], max: [], count: [] }, from, to };
      loop.mark(element);
      tell(stored.columns, from);
    },
    goLive() {
      isLive = true;
      stored = null;
      loop.mark(element);
    },
    tick() {
      if (isLive) loop.mark(element);
    },
    destroy() {
      loop.remove(element);
      chart.destroy();
    },
  };

  function tellLast() {
    const now = performance.now();
    if (!valueAt || buffer.lastValue === null || now - figuresMs < FIGURES_EVERY_MS) return;
    figuresMs = now;
    valueAt.textContent = figure(buffer.lastValue);
  }
}
