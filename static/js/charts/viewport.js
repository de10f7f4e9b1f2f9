// @ts-check
// Keeps what charts of a page show loaded: a window is drawn at once from what is there, finer when the server has answered,
// and its neighbours are fetched before somebody asks for them.

import { serverNow } from "../clock.js";
import { LIVE_MS, windowOf } from "./view.js";
import { widthForLength } from "./bucket-width.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {ReturnType<typeof import("./feed.js").createFeed>} Feed */
/** @typedef {{ width: number, stored: boolean }} Shown */

const REFRESH_MS = 5_000;
const PREFETCH_AFTER_MS = 300;
// Without a live connection there is no snapshot to wait for.
const SNAPSHOT_WITHIN_MS = 1_500;
const MOST_POINTS = 1_500;

/**
 * @param {object} of
 * @param {() => { feed: Feed, shiftMs: number }[]} of.sources what is drawn, each perhaps from an earlier time
 * @param {() => number} of.points how many buckets fit across a chart
 * @param {() => number} of.liveMs how long live is now
 * @param {() => void} of.changed draw anew
 * @param {(busy: boolean, failed: boolean) => void} of.tell
 */
export function createViewport({ sources, points, liveMs, changed, tell }) {
  /** @type {View} */
  let view = { kind: "live" };
  /** @type {Shown} */
  let shown = { width: 1_000, stored: false };
  let generation = 0;
  const begunMs = Date.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  const pointsNow = () => Math.max(100, Math.min(MOST_POINTS, points()));
  const windowNow = () => windowOf(view, serverNow(), liveMs());
  const widthOf = (/** @type {number} */ lengthMs) => widthForLength(lengthMs, pointsNow());

  const load = async () => {
    clearTimeout(again);
    // What is fetched ahead is so by the width that is shown: for another window than that, it would be far too much.
    clearTimeout(later);
    const mine = ++generation;
    const [from, to] = windowNow();
    const width = widthOf(to - from);
    const all = sources();
    if (view.kind === "live" && Date.now() - begunMs < SNAPSHOT_WITHIN_MS && all.some(({ feed }) => !feed.begun)) {
      again = setTimeout(load, SNAPSHOT_WITHIN_MS);
      return;
    }
    if (all.every(({ feed, shiftMs }) => feed.has(from - shiftMs, to - shiftMs, width))) {
      settle({ width, stored: true });
      return;
    }
    const waiting = setTimeout(() => mine === generation && tell(true, false), 250);
    try {
      await Promise.all(all.map(({ feed, shiftMs }) => feed.need(from - shiftMs, to - shiftMs, width)));
      if (mine === generation) settle({ width, stored: true });
    } catch (error) {
      if (mine !== generation || (error instanceof DOMException && error.name === "AbortError")) return;
      console.warn("history", error);
      tell(false, true);
      again = setTimeout(load, REFRESH_MS);
    } finally {
      clearTimeout(waiting);
    }
  };

  /** @param {Shown} next */
  const settle = (next) => {
    shown = next;
    tell(false, false);
    changed();
    clearTimeout(later);
    later = setTimeout(prefetch, PREFETCH_AFTER_MS);
    if (view.kind !== "window") again = setTimeout(() => (document.hidden ? settle(shown) : void load()), REFRESH_MS);
  };

  /** Where a hand will probably go next: to the sides, and out. */
  const prefetch = () => {
    if (document.hidden) return;
    const [from, to] = windowNow();
    const length = to - from;
    if (view.kind === "live" && length <= LIVE_MS) return;
    const out = widthOf(2 * length);
    for (const { feed, shiftMs } of sources()) {
      const [a, b] = [from - shiftMs, to - shiftMs];
      for (const [begin, end, width] of [[a - length / 2, b + length / 2, shown.width], [a - length / 2, b + length / 2, out]]) {
        feed.need(begin, end, width).catch(() => {}); // whoever asks for it in earnest is told
      }
    }
  };

  return {
    /** @param {View} next */
    show(next) {
      view = next;
      changed();
      void load();
    },
    /** A snapshot has come, or the charts have changed. */
    reload: () => void load(),
    /** Somebody is about to ask for the last so many milliseconds. @param {number} lengthMs */
    prepare(lengthMs) {
      const now = serverNow();
      for (const { feed, shiftMs } of sources()) feed.need(now - lengthMs - shiftMs, now - shiftMs, widthOf(lengthMs)).catch(() => {});
    },
    get view() {
      return view;
    },
    get window() {
      return windowNow();
    },
    get shown() {
      return shown;
    },
    /** How often a window that moves has to be drawn for its motion to be even, in milliseconds. */
    get paceMs() {
      const [from, to] = windowNow();
      return view.kind === "window" ? Infinity : Math.min(1_000, Math.max(16, (to - from) / pointsNow() / 2));
    },
    stop() {
      generation += 1;
      clearTimeout(again);
      clearTimeout(later);
    },
  };
}
