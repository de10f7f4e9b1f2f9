// @ts-check
// The charts of a machine or an alert: live from the socket and stored from the API, one look, one control over time.

import { HISTORY_MS, createFeed } from "../charts/feed.js";
import { pageFrameLoop } from "../charts/frame-loop.js";
import { titleOf } from "../charts/mark-at.js";
import { createPanel } from "../charts/panel.js";
import { LIVE_MS } from "../charts/view.js";
import { createViewport } from "../charts/viewport.js";
import { serverNow } from "../clock.js";
import { age } from "../format.js";
import { judgeAge } from "./fleet.js";
import { liveSocket } from "./live-socket.js";
import { createRangeControl } from "./range-control.js";

/** @typedef {import("../charts/marks.js").Mark} Mark */
/** @typedef {import("../charts/time-chart.js").MetricConfig} MetricConfig */
/**
 * @typedef {object} Config
 * @property {string} machine
 * @property {string} zone
 * @property {string} historyUrl
 * @property {string} units
 * @property {number} silentAfterS
 * @property {number | null} lastSeenMs
 * @property {(MetricConfig & { scale: number, offset: number })[]} metrics
 * @property {string[]} known every metric of the machine, shown or not
 * @property {Mark[]} marks
 * @property {Record<string, string>} words
 * @property {{ from: number, to: number } | null} window
 */

// A machine that has just begun to report fills its chart instead of standing at the edge of an empty one.
const LIVE_WINDOWS_MS = [60_000, 120_000, LIVE_MS];
const TICK_MS = 1_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const source = document.getElementById(root.dataset.config ?? "");
  if (!source?.textContent) return undefined;
  /** @type {Config} */
  const config = JSON.parse(source.textContent);
  const loop = pageFrameLoop();
  const live = liveSocket();
  const feed = createFeed(config);
  const notice = /** @type {HTMLElement | null} */ (root.querySelector("[data-history-failed]"));
  /** @type {ReturnType<typeof createPanel>[]} */
  const panels = [];

  const viewport = createViewport({
    sources: () => [{ feed, shiftMs: 0 }],
    points: () => panels[0]?.width ?? 800,
    liveMs: () => {
      const now = serverNow();
      const first = Math.min(...[...feed.timelines.values()].map((timeline) => timeline.buffer.firstTime ?? now));
      return LIVE_WINDOWS_MS.find((ms) => now - first < ms * 0.95) ?? LIVE_MS;
    },
    changed: () => panels.forEach((panel) => panel.mark()),
    tell: (busy, failed) => {
      root.setAttribute("aria-busy", String(busy));
      if (notice) notice.hidden = !failed;
    },
  });
  const range = createRangeControl(
    root,
    config,
    (view) => {
      root.dataset.view = view.kind;
      viewport.show(view);
    },
    viewport.prepare,
  );
  for (const metric of config.metrics) {
    const element = /** @type {HTMLElement | null} */ (root.querySelector(`[data-chart="${CSS.escape(metric.name)}"]`));
    const timeline = feed.timelines.get(metric.name);
    if (!element || !timeline) continue;
    panels.push(createPanel(element, { metric, zone: config.zone, timeline, viewport, loop, marks: () => config.marks, range }));
  }

  let lastMs = config.lastSeenMs;
  const known = new Set(config.known);

  /** @param {import("./live-socket.js").Message} message */
  const receive = (message) => {
    const times = message.t ?? [];
    if (times.length) lastMs = Math.max(lastMs ?? 0, times[times.length - 1]);
    if (message.type !== "snapshot" && message.type !== "readings") return;
    feed.receive(message);
    if (message.type === "snapshot") viewport.reload();
    for (const panel of panels) if (message.metrics?.[panel.metric.name] || message.type === "snapshot") panel.heard(message.type === "snapshot");
    if (Object.keys(message.metrics ?? {}).some((name) => !known.has(name))) tellOfMore();
  };

  // A metric that was not there when the page was made. The first ones bring the charts with them, once: what a plan
  // has no room for is shown live and never registered, and must not reload the page for ever.
  const tellOfMore = () => {
    const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    if (known.size === 0 && navigation?.type !== "reload") location.reload();
    else root.querySelector("[data-more-metrics]")?.removeAttribute("hidden");
  };

  const seen = root.querySelector("[data-seen]");
  const tick = () => {
    feed.trim();
    if (document.hidden || !seen) return;
    const judged = judgeAge(lastMs, serverNow(), config.silentAfterS * 1000);
    const word = config.words[judged.state] ?? "";
    const text = judged.state === "live" || judged.state === "new" ? word : `${word} ${age(judged.seconds)}`;
    if (seen.textContent !== text) seen.textContent = text;
    seen.parentElement?.setAttribute("data-state", judged.state);
  };

  const timer = setInterval(tick, TICK_MS);
  // Metrics that are not shown are watched too where there are none yet: the first reading brings the charts.
  const metrics = config.metrics.length > 0 && config.metrics.length < config.known.length ? config.metrics.map((metric) => metric.name) : null;
  const offs = [
    live.watch({ machines: [config.machine], metrics, history_s: HISTORY_MS / 1000 }, receive),
    live.on("status", (message) => {
      if (message.code === "history_delayed") feed.delayed();
    }),
    live.on("alert", (message) => {
      if ((message.alert?.machine?.key ?? message.alert?.machine) !== config.machine) return;
      mergeMark(config.marks, message.alert);
      loop.markAll();
    }),
    listenForLink(root, () => range.link),
  ];
  range.start();

  return () => {
    clearInterval(timer);
    for (const off of offs) off();
    viewport.stop();
    range.stop();
    feed.stop();
    for (const panel of panels) panel.destroy();
    loop.stop();
  };
}

/**
 * “Copy link”: the address of exactly what is seen.
 * @param {HTMLElement} root @param {() => string} link
 */
export function listenForLink(root, link) {
  const button = /** @type {HTMLElement | null} */ (root.querySelector("[data-copy-link]"));
  if (!button) return () => {};
  const words = button.querySelector("[data-copy-words]") ?? button;
  const [before, after] = [words.textContent ?? "", button.dataset.copied ?? ""];
  const copy = async () => {
    const address = link();
    history.replaceState(null, "", address);
    try {
      await navigator.clipboard.writeText(address);
      words.textContent = after;
    } catch {
      // Not over plain HTTP: the address bar has it now, to be copied from there.
      words.textContent = button.dataset.inAddress ?? after;
    }
    setTimeout(() => (words.textContent = before), 2_500);
  };
  button.addEventListener("click", copy);
  return () => button.removeEventListener("click", copy);
}

/**
 * A live alert becomes a mark, or moves the one it is.
 * @param {Mark[]} marks @param {any} alert
 */
export function mergeMark(marks, alert) {
  /** @type {Mark} */
  const mark = {
    id: alert.id,
    kind: "alert",
    from: Date.parse(alert.since_at),
    to: alert.returned_at ? Date.parse(alert.returned_at) : null,
    severity: alert.severity,
    title: titleOf(alert, document.documentElement.lang),
    metrics: (alert.evidence?.metrics ?? []).map((/** @type {{ metric: string }} */ part) => part.metric),
  };
  const at = marks.findIndex((known) => known.id === mark.id && (known.kind ?? "alert") === "alert");
  if (at >= 0) marks[at] = mark;
  else marks.push(mark);
}
