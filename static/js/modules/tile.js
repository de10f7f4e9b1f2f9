// @ts-check
// One machine's tile: its last value, its line of the last minutes, and how old what it shows is.

import { SeriesBuffer } from "../charts/series-buffer.js";
import { createSpark } from "../charts/spark.js";
import { serverNow } from "../clock.js";
import { age, figure } from "../format.js";

/** @typedef {import("./live-socket.js").Message} Message */

export const WINDOW_MS = 300_000;
const DELAYED_MS = 5_000;
// Nothing is wrong, or it is over and only waits to be acknowledged.
const CALM = ["", "returned"];
// A number that changes faster can't be read.
const VALUE_EVERY_MS = 500;
// A line of five minutes moves by less than a pixel in that time.
const LINE_EVERY_MS = 250;
// Nobody tells of each step of learning; a tile that shows how far it is asks once in a while.
const LEARNING_EVERY_MS = 60_000;
// What was drawn before the list was ordered anew is drawn again at once.
/** @type {Map<string, SeriesBuffer>} */
const buffers = new Map();

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

/**
 * @param {HTMLElement} element @param {HTMLElement} root has the words
 * @param {ReturnType<typeof import("../charts/frame-loop.js").pageFrameLoop>} loop
 */
export function tileOf(element, root, loop) {
  const machine = element.dataset.machine ?? "";
  const metric = element.dataset.metric ?? "";
  const silentAfterMs = Number(element.dataset.silentAfterS ?? 60) * 1000;
  const canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
  const value = /** @type {HTMLElement} */ (element.querySelector("[data-value]"));
  const buffer = bufferOf(machine, metric);
  const band = element.dataset.bandLow === undefined ? null : [Number(element.dataset.bandLow), Number(element.dataset.bandHigh)];
  const spark = createSpark(canvas, /** @type {[number, number] | null} */ (band));
  // The line has no axis, so only the figure is put into the reader's unit.
  const { unitScale = "1", unitOffset = "0" } = element.dataset;
  const inUnit = (/** @type {number} */ stored) => stored * Number(unitScale) + Number(unitOffset);
  const stated = Number(element.dataset.lastSeenMs);
  /** @type {number | null} */
  let lastMs = stated > 0 ? stated : null;
  let owed = false;
  let shownMs = 0;
  // Not all tiles of a plant in the same second.
  let askedMs = performance.now() - Math.random() * LEARNING_EVERY_MS;
  const health = () => element.querySelector("[data-health]")?.getAttribute("data-health");

  const look = () => ({
    abnormal: !CALM.includes(element.querySelector("[data-severity]")?.getAttribute("data-severity") ?? ""),
    stale: element.dataset.state === "silent" || element.dataset.state === "new",
  });
  let drawnMs = -Infinity;
  loop.add(canvas, () => {
    drawnMs = performance.now();
    const now = serverNow();
    buffer.trim(now - 2 * WINDOW_MS);
    spark.draw(buffer, now - WINDOW_MS, now, look());
  });

  const showValue = () => {
    const now = performance.now();
    if (buffer.lastValue === null || now - shownMs < VALUE_EVERY_MS) return;
    shownMs = now;
    const text = figure(inUnit(buffer.lastValue));
    if (value.textContent !== text) value.textContent = text;
  };
  const showAge = () => {
    // The state's part is swapped by HTMX, so its place is looked up each time.
    const seen = /** @type {HTMLElement} */ (element.querySelector("[data-seen]"));
    const { state, seconds } = judgeAge(lastMs, serverNow(), silentAfterMs);
    const word = root.getAttribute(`data-text-${state}`) ?? "";
    const text = state === "live" || state === "new" ? word : `${word} ${age(seconds)}`;
    if (seen && seen.textContent !== text) seen.textContent = text;
    element.dataset.state = state;
  };

  return {
    element,
    machine,
    metric,
    canvas,
    /** @param {Message} message */
    receive(message) {
      const times = message.t ?? [];
      if (times.length) lastMs = Math.max(lastMs ?? 0, times[times.length - 1]);
      const values = message.metrics?.[metric];
      if (!values) return;
      if (message.type === "snapshot") buffer.replaceFrom(times, values);
      else buffer.push(times, values);
      showValue();
      if (message.type === "snapshot" || performance.now() - drawnMs >= LINE_EVERY_MS) loop.mark(canvas);
    },
    /** @param {Message} message */
    receiveState(message) {
      if (message.last_seen_at) lastMs = Math.max(lastMs ?? 0, Date.parse(message.last_seen_at));
      const settling = element.querySelector("[data-settling]") !== null;
      const settles = message.health === "learning" && message.unsettled !== undefined && (message.unsettled.length > 0) !== settling;
      if ((message.health && message.health !== health()) || settles) this.refresh();
      showAge();
    },
    tick() {
      if (health() === "learning" && performance.now() - askedMs > LEARNING_EVERY_MS) {
        askedMs = performance.now();
        this.refresh();
      }
      showAge();
      showValue();
      loop.mark(canvas);
    },
    refresh() {
      // A tab that nobody sees asks for nothing: once, when it is shown again.
      if (document.hidden) {
        if (!owed) document.addEventListener("visibilitychange", () => this.refresh(), { once: true });
        owed = true;
        return;
      }
      owed = false;
      element.querySelector("[data-tile-state]")?.dispatchEvent(new CustomEvent("refresh-tile"));
    },
  };
}

/** @param {string} machine @param {string} metric */
function bufferOf(machine, metric) {
  const key = `${machine}\n${metric}`;
  const kept = buffers.get(key) ?? new SeriesBuffer();
  buffers.set(key, kept);
  return kept;
}
