// @ts-check
// The plant's tiles, live: last value, sparkline, age and state, over one socket and one frame loop.

import { pageFrameLoop } from "../charts/frame-loop.js";
import { SeriesBuffer } from "../charts/series-buffer.js";
import { createSpark } from "../charts/spark.js";
import { serverNow } from "../clock.js";
import { age, figure } from "../format.js";
import { liveSocket } from "./live-socket.js";

const WINDOW_MS = 300_000;
const DELAYED_MS = 5_000;
// Nothing is wrong, or it is over and only waits to be acknowledged.
const CALM = ["", "returned"];
// A number that changes faster can't be read.
const VALUE_EVERY_MS = 500;

/**
 * What to say of a machine's age. The newest reading's own time counts: data that arrives late is late.
 * @param {number | null} lastMs @param {number} nowMs @param {number} silentAfterMs
 * @returns {{ state: "new" | "live" | "delayed" | "silent", seconds: number }}
 */
export function judgeAge(lastMs, nowMs, silentAfterMs) {
  if (lastMs === null) return { state: "new", seconds: 0 };
  const ageMs = nowMs - lastMs;
  const state = ageMs > silentAfterMs ? "silent" : ageMs > Math.min(DELAYED_MS, silentAfterMs) ? "delayed" : "live";
  return { state, seconds: ageMs / 1000 };
}

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  const loop = pageFrameLoop();
  const tiles = [...root.querySelectorAll("[data-machine]")].map((element) => tileOf(/** @type {HTMLElement} */ (element), root, loop));
  const byMachine = new Map(tiles.map((tile) => [tile.machine, tile]));

  const unwatch = tiles.length
    ? live.watch(
        {
          machines: tiles.map((tile) => tile.machine),
          metrics: [...new Set(tiles.map((tile) => tile.metric).filter(Boolean))],
          history_s: WINDOW_MS / 1000,
        },
        (message) => byMachine.get(message.machine ?? "")?.receive(message),
      )
    : () => {};
  const offAlert = live.on("alert", (message) => {
    const key = message.alert?.machine?.key ?? message.alert?.machine;
    byMachine.get(key)?.refresh();
  });
  const timer = setInterval(() => {
    if (document.hidden) return;
    for (const tile of tiles) tile.tick();
  }, 1000);
  const repaint = () => loop.markAll();
  root.addEventListener("htmx:afterSwap", repaint);

  return () => {
    clearInterval(timer);
    unwatch();
    offAlert();
    root.removeEventListener("htmx:afterSwap", repaint);
    for (const tile of tiles) loop.remove(tile.canvas);
    loop.stop();
  };
}

/**
 * @param {HTMLElement} element @param {HTMLElement} root @param {ReturnType<typeof pageFrameLoop>} loop
 */
function tileOf(element, root, loop) {
  const machine = element.dataset.machine ?? "";
  const metric = element.dataset.metric ?? "";
  const silentAfterMs = Number(element.dataset.silentAfterS ?? 60) * 1000;
  const canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
  const value = /** @type {HTMLElement} */ (element.querySelector("[data-value]"));
  const seen = /** @type {HTMLElement} */ (element.querySelector("[data-seen]"));
  const buffer = new SeriesBuffer();
  const band = element.dataset.bandLow === undefined ? null : [Number(element.dataset.bandLow), Number(element.dataset.bandHigh)];
  const spark = createSpark(canvas, /** @type {[number, number] | null} */ (band));
  const stated = Number(element.dataset.lastSeenMs);
  /** @type {number | null} */
  let lastMs = stated > 0 ? stated : null;
  let shownMs = 0;

  const look = () => ({
    abnormal: !CALM.includes(element.querySelector("[data-severity]")?.getAttribute("data-severity") ?? ""),
    stale: element.dataset.state === "silent" || element.dataset.state === "new",
  });
  loop.add(canvas, () => {
    const now = serverNow();
    buffer.trim(now - 2 * WINDOW_MS);
    spark.draw(buffer, now - WINDOW_MS, now, look());
  });

  const showValue = () => {
    const now = performance.now();
    if (buffer.lastValue === null || now - shownMs < VALUE_EVERY_MS) return;
    shownMs = now;
    value.textContent = figure(buffer.lastValue);
  };
  const showAge = () => {
    const { state, seconds } = judgeAge(lastMs, serverNow(), silentAfterMs);
    const word = root.getAttribute(`data-text-${state}`) ?? "";
    const text = state === "live" || state === "new" ? word : `${word} ${age(seconds)}`;
    if (seen.textContent !== text) seen.textContent = text;
    element.dataset.state = state;
  };

  return {
    machine,
    metric,
    canvas,
    /** @param {import("./live-socket.js").Message} message */
    receive(message) {
      const times = message.t ?? [];
      if (times.length) lastMs = Math.max(lastMs ?? 0, times[times.length - 1]);
      const values = message.metrics?.[metric];
      if (values) {
        if (message.type === "snapshot") buffer.replaceFrom(times, values);
        else buffer.push(times, values);
        showValue();
        loop.mark(canvas);
      }
      if (message.type === "state") {
        if (message.last_seen_at) lastMs = Math.max(lastMs ?? 0, Date.parse(message.last_seen_at));
        if (message.health && message.health !== element.querySelector("[data-health]")?.getAttribute("data-health")) this.refresh();
        showAge();
      }
    },
    tick() {
      showAge();
      showValue();
      loop.mark(canvas);
    },
    refresh() {
      element.querySelector("[data-tile-state]")?.dispatchEvent(new CustomEvent("refresh-tile"));
    },
  };
}
