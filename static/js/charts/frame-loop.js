// @ts-check
// One requestAnimationFrame for all charts of a page: each is drawn at most once a frame, only when something changed,
// only while it is on the screen; a hidden tab asks for no frames, and draws what is due when it is shown.

/** @typedef {{ draw: () => void, dirty: boolean, seen: boolean }} Item */

// A frame draws as many charts as fit in this time, and the next one goes on with the others: eight charts that become
// due together must not make one long frame, in which a finger or a cursor would stick.
const BUDGET_MS = 6;
// On a slow phone frames are left out rather than delayed: data stays current, motion gets coarser.
const LONG_MS = 8;
const BUDGET_SHARE = 0.5;

/**
 * @param {{ request: (run: (time: number) => void) => void, now: () => number, hidden?: () => boolean }} surroundings
 */
export function createFrameLoop({ request, now, hidden = () => false }) {
  /** @type {Map<Element | object, Item>} */
  const items = new Map();
  let asked = false;
  let restUntil = 0;

  function ask() {
    if (asked || hidden()) return;
    asked = true;
    request(run);
  }

  function run() {
    asked = false;
    const begun = now();
    if (begun < restUntil) {
      ask();
      return;
    }
    drawDue(begun);
    const spent = now() - begun;
    restUntil = spent > LONG_MS ? now() + spent * (1 / BUDGET_SHARE - 1) : 0;
    if (isDue()) ask();
  }

  /** Those that have waited come before those that were drawn: a map keeps the order of insertion. @param {number} begun */
  function drawDue(begun) {
    for (const [key, item] of [...items]) {
      if (!item.dirty || !item.seen) continue;
      item.dirty = false;
      items.delete(key);
      items.set(key, item);
      item.draw();
      if (now() - begun >= BUDGET_MS) return;
    }
  }

  function isDue() {
    for (const item of items.values()) if (item.dirty && item.seen) return true;
    return false;
  }

  return {
    /** @param {Element | object} key @param {() => void} draw */
    add(key, draw) {
      items.set(key, { draw, dirty: true, seen: true });
      ask();
    },
    /** @param {Element | object} key */
    remove(key) {
      items.delete(key);
    },
    /** @param {Element | object} key */
    mark(key) {
      const item = items.get(key);
      if (!item) return;
      item.dirty = true;
      if (item.seen) ask();
    },
    markAll() {
      for (const item of items.values()) item.dirty = true;
      ask();
    },
    /** The tab is shown again. */
    wake() {
      if (isDue()) ask();
    },
    /** @param {Element | object} key @param {boolean} seen */
    show(key, seen) {
      const item = items.get(key);
      if (!item) return;
      item.seen = seen;
      if (seen && item.dirty) ask();
    },
  };
}

/** The loop of this page, which knows what is on the screen. */
export function pageFrameLoop() {
  const loop = createFrameLoop({ request: (run) => requestAnimationFrame(run), now: () => performance.now(), hidden: () => document.hidden });
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) loop.show(entry.target, entry.isIntersecting);
    },
    { rootMargin: "120px" },
  );
  const redraw = () => loop.markAll();
  document.addEventListener("theme-changed", redraw);
  document.addEventListener("visibilitychange", loop.wake);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  return {
    ...loop,
    /** @param {Element} element @param {() => void} draw */
    add(element, draw) {
      loop.add(element, draw);
      observer.observe(element);
    },
    /** @param {Element} element */
    remove(element) {
      observer.unobserve(element);
      loop.remove(element);
    },
    stop() {
      observer.disconnect();
      document.removeEventListener("theme-changed", redraw);
      document.removeEventListener("visibilitychange", loop.wake);
      scheme.removeEventListener("change", redraw);
    },
  };
}
