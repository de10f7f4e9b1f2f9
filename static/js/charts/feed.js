// @ts-check
// What charts know of one machine: its live readings and its stored history, by metric.

import { serverNow } from "../clock.js";
import { TileStore, storedFetch } from "./tile-store.js";
import { Timeline } from "./timeline.js";

/** @typedef {{ name: string, scale?: number, offset?: number }} FeedMetric */
/** @typedef {import("../modules/live-socket.js").Message} Message */

// A little more than live shows, so that its window is whole without asking for history.
export const HISTORY_MS = 360_000;
// Live readings kept: until then every tile that ends before them has been asked for again.
const KEPT_MS = 600_000;
const DELAYED_MS = 10_000;

/**
 * @param {{ machine: string, historyUrl: string, units: string, metrics: FeedMetric[] }} of units: what history is asked in
 */
export function createFeed({ machine, historyUrl, units, metrics }) {
  const tiles = new TileStore(storedFetch(historyUrl, () => metrics.map((metric) => metric.name), units), serverNow);
  const timelines = new Map(
    metrics.map((metric) => [metric.name, new Timeline(metric.name, tiles, { scale: metric.scale ?? 1, offset: metric.offset ?? 0 })]),
  );
  let delayedMs = -Infinity;
  let begun = false;

  return {
    machine,
    tiles,
    timelines,
    /** Whether a snapshot has come. */
    get begun() {
      return begun;
    },
    /** History is behind: the next snapshot lacks what the store has not got. */
    delayed() {
      delayedMs = serverNow();
    },
    /** @param {Message} message a snapshot or readings of this machine */
    receive(message) {
      const times = message.t ?? [];
      const now = serverNow();
      if (message.type === "snapshot") {
        begun = true;
        const thinned = Boolean(message.thinned) || now - delayedMs < DELAYED_MS;
        for (const [name, timeline] of timelines) timeline.snapshot(times, message.metrics?.[name], { from: now - HISTORY_MS, thinned });
        return;
      }
      for (const [name, timeline] of timelines) {
        const values = message.metrics?.[name];
        if (values) timeline.push(times, values);
      }
    },
    trim() {
      const before = serverNow() - KEPT_MS;
      for (const timeline of timelines.values()) timeline.trim(before);
    },
    /** Up to when a window is drawn from the store. @param {number} toMs @param {number} width */
    storedTo(toMs, width) {
      let seam = -Infinity;
      for (const timeline of timelines.values()) seam = Math.max(seam, timeline.seam(width));
      return Math.min(toMs, seam);
    },
    /** Whether all that a window needs of the store is here. @param {number} fromMs @param {number} toMs @param {number} width */
    has(fromMs, toMs, width) {
      const until = this.storedTo(toMs, width);
      return until <= fromMs || tiles.missing(fromMs, until, width, until).length === 0;
    },
    /** Have it. @param {number} fromMs @param {number} toMs @param {number} width */
    async need(fromMs, toMs, width) {
      const until = this.storedTo(toMs, width);
      if (until > fromMs) await tiles.need(fromMs, until, width, until);
    },
    stop() {
      tiles.clear();
    },
  };
}
