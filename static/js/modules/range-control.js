// @ts-check
// Which stretch of time is shown: live, the last hours or days, or a window drawn with the mouse. The address carries it.

/** @typedef {{ kind: "live" } | { kind: "last", ms: number, name: string } | { kind: "window", from: number, to: number }} View */

/** @type {Record<string, number>} */
const RANGES = { "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000, "30d": 2_592_000_000 };
const SHORTEST_MS = 1_000;

/**
 * @param {string} query of an address
 * @returns {View}
 */
export function viewOf(query) {
  const asked = new URLSearchParams(query);
  const [from, to] = [Number(asked.get("from")), Number(asked.get("to"))];
  if (from > 0 && to - from >= SHORTEST_MS) return { kind: "window", from, to };
  const name = asked.get("range") ?? "";
  return Object.hasOwn(RANGES, name) ? { kind: "last", ms: RANGES[name], name } : { kind: "live" };
}

/** @param {View} view */
export function queryOf(view) {
  if (view.kind === "last") return `?range=${view.name}`;
  return view.kind === "window" ? `?from=${view.from}&to=${view.to}` : "";
}

/**
 * @param {HTMLElement} root with [data-range] buttons
 * @param {{ window: { from: number, to: number } | null, zone: string }} config
 * @param {(view: View) => void} show
 */
export function createRangeControl(root, config, show) {
  const buttons = [...root.querySelectorAll("[data-range]")];
  const exports = [...root.querySelectorAll("[data-export]")];
  /** @type {View} */
  let view = { kind: "live" };

  /** @param {View} next */
  const apply = (next) => {
    view = next;
    const name = next.kind === "last" ? next.name : next.kind;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.getAttribute("data-range") === name));
    for (const link of exports) pointExport(/** @type {HTMLAnchorElement} */ (link), next);
    show(next);
  };
  /** @param {View} next */
  const choose = (next) => {
    history.pushState(null, "", queryOf(next) || location.pathname);
    apply(next);
  };
  /** @param {Event} event */
  const click = (event) => {
    const name = /** @type {Element} */ (event.currentTarget).getAttribute("data-range") ?? "live";
    if (name === "window" && config.window) choose({ kind: "window", ...config.window });
    else choose(Object.hasOwn(RANGES, name) ? { kind: "last", ms: RANGES[name], name } : { kind: "live" });
  };
  const back = () => apply(config.window && !location.search ? { kind: "window", ...config.window } : viewOf(location.search));

  for (const button of buttons) button.addEventListener("click", click);
  addEventListener("popstate", back);

  return {
    start: back,
    /** @param {number} from @param {number} to */
    zoom(from, to) {
      if (to - from >= SHORTEST_MS) choose({ kind: "window", from, to });
    },
    stop() {
      for (const button of buttons) button.removeEventListener("click", click);
      removeEventListener("popstate", back);
    },
    get view() {
      return view;
    },
  };
}

/** The export holds what is on the screen. @param {HTMLAnchorElement} link @param {View} view */
function pointExport(link, view) {
  const url = new URL(link.href);
  const now = Date.now();
  const ms = view.kind === "last" ? view.ms : 300_000;
  const [from, to] = view.kind === "window" ? [view.from, view.to] : [now - ms, now];
  url.searchParams.set("from", String(from));
  url.searchParams.set("to", String(to));
  link.href = url.href;
}
