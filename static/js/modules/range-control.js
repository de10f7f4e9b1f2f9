// @ts-check
// The one control over time: buttons from live to a year, steps to the sides, in and out. The address carries what is shown.

import { LIVE_MS, following, lengthOf, panned, queryOf, settled, viewOf, windowOf, zoomed } from "../charts/view.js";
import { serverNow } from "../clock.js";
import { clockTime } from "../format.js";

export { queryOf, viewOf };
/** @typedef {import("../charts/view.js").View} View */

// A hand that drags changes the view many times a second; browsers allow some hundred addresses in half a minute.
const ADDRESS_AFTER_MS = 250;
const STEP = 0.5;
const ZOOM = 2;

/**
 * @param {HTMLElement} root with [data-range] buttons and [data-step] buttons
 * @param {{ window: { from: number, to: number } | null, carried?: Record<string, string>, zone: string }} config
 *   window: what is shown without a word in the address; carried: what else an address must say to show the same
 * @param {(view: View) => void} show
 * @param {(lengthMs: number) => void} [prepare] somebody is about to ask for the last so many milliseconds
 */
export function createRangeControl(root, config, show, prepare) {
  const controller = new AbortController();
  const buttons = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[data-range]")]);
  const steps = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[data-step]")]);
  const links = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll("a[data-carries-view]")]);
  const words = root.querySelector("[data-window]");
  /** @type {View} */
  let view = { kind: "live" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let writing;

  const lengthOfButton = (/** @type {HTMLElement} */ button) => lengthOf(button.dataset.range ?? "") ?? LIVE_MS;

  /** @param {View} next */
  const apply = (next) => {
    view = next;
    const name = next.kind === "last" ? next.name : next.kind;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.range === name));
    for (const link of links) carry(link, next);
    if (words) words.textContent = next.kind === "window" ? windowText(next.from, next.to, config.zone) : "";
    show(next);
  };

  /** @param {View} next */
  const addressOf = (next) => {
    const asked = new URLSearchParams(location.search);
    for (const name of ["range", "from", "to"]) asked.delete(name);
    for (const [name, value] of [...new URLSearchParams(queryOf(next)), ...Object.entries(config.carried ?? {})]) asked.set(name, value);
    const query = asked.toString();
    return query ? `?${query}` : location.pathname;
  };

  /** A choice: the way back leads to what was shown before. @param {View} next */
  const choose = (next) => {
    clearTimeout(writing);
    history.pushState(null, "", addressOf(next));
    apply(next);
  };

  /** A movement: the address follows when the hand rests. @param {View} next */
  const move = (next) => {
    apply(next);
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(null, "", addressOf(view)), ADDRESS_AFTER_MS);
  };

  /** @param {Event} event */
  const click = (event) => {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    if (button.dataset.range === "window" && config.window) choose({ kind: "window", ...config.window });
    else choose(following(lengthOfButton(button)));
  };
  /** @param {Event} event */
  const step = (event) => {
    const name = /** @type {HTMLElement} */ (event.currentTarget).dataset.step;
    const now = serverNow();
    if (name === "earlier" || name === "later") choose(panned(view, name === "later" ? STEP : -STEP, now));
    else choose(zoomed(view, name === "in" ? 1 / ZOOM : ZOOM, 0.5, now));
  };
  const back = () => {
    const asked = new URLSearchParams(location.search);
    apply(config.window && !asked.has("from") && !asked.has("range") ? { kind: "window", ...config.window } : viewOf(location.search));
  };
  /** @param {Event} event */
  const near = (event) => prepare?.(lengthOfButton(/** @type {HTMLElement} */ (event.currentTarget)));

  for (const button of buttons) {
    button.addEventListener("click", click, { signal: controller.signal });
    button.addEventListener("pointerenter", near, { signal: controller.signal });
    button.addEventListener("focus", near, { signal: controller.signal });
  }
  // Following now, an export holds what is there when it is asked for.
  for (const link of links) link.addEventListener("click", () => carry(link, view), { signal: controller.signal });
  for (const button of steps) button.addEventListener("click", step, { signal: controller.signal });
  addEventListener("popstate", back, { signal: controller.signal });

  return {
    start: back,
    choose,
    /** @param {number} from @param {number} to */
    zoomTo: (from, to) => choose(settled(from, to, serverNow())),
    /** @param {number} share */
    pan: (share) => move(panned(view, share, serverNow())),
    /** @param {number} factor @param {number} at */
    zoom: (factor, at) => move(zoomed(view, factor, at, serverNow())),
    live: () => choose({ kind: "live" }),
    stop() {
      clearTimeout(writing);
      controller.abort();
    },
    get view() {
      return view;
    },
    /** Say the address of what is shown, to be opened elsewhere: a moving window stands still there. */
    get link() {
      const [from, to] = windowOf(view, Math.round(serverNow()));
      return new URL(addressOf({ kind: "window", from, to }), location.href).href;
    },
  };
}

/** @param {number} from @param {number} to @param {string} zone */
function windowText(from, to, zone) {
  const seconds = to - from < 600_000;
  return `${clockTime(from, zone, { day: true, seconds })} – ${clockTime(to, zone, { day: to - from > 43_200_000, seconds })}`;
}

/** Exports and other pages begin with what is on the screen. @param {HTMLAnchorElement} link @param {View} view */
function carry(link, view) {
  const url = new URL(link.href);
  for (const name of ["range", "from", "to"]) url.searchParams.delete(name);
  const named = link.dataset.carriesView === "view";
  const [from, to] = windowOf(view, Math.round(serverNow()));
  const carried = named ? new URLSearchParams(queryOf(view)) : new URLSearchParams({ from: String(Math.round(from)), to: String(Math.round(to)) });
  for (const [name, value] of carried) url.searchParams.set(name, value);
  link.href = url.href;
}
