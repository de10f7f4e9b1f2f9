// @ts-check
// The plant's tiles, live: last value, sparkline, age and state, over one socket and one frame loop. Only what is on the
// screen is watched, drawn and aged, so that two hundred machines cost no more than twenty.

import { pageFrameLoop } from "../charts/frame-loop.js";
import { isPressing } from "../pressing.js";
import { liveSocket } from "./live-socket.js";
import { tileOf, WINDOW_MS } from "./tile.js";

export { judgeAge } from "./tile.js";

/** @typedef {ReturnType<typeof tileOf>} Tile */

// A small plant is watched whole; a larger one as far as it is seen, and a little beyond.
const WATCHED_WHOLE = 24;
const NEAR = "300px";
const SETTLE_MS = 150;
const FOLLOW_MS = 1_000;
const MOST_METRICS = 200;

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  const loop = pageFrameLoop();
  const tiles = [...root.querySelectorAll("[data-machine]")].map((element) => tileOf(/** @type {HTMLElement} */ (element), root, loop));
  const byMachine = new Map(tiles.map((tile) => [tile.machine, tile]));
  const seen = watchSeen(tiles, live, (message) => byMachine.get(message.machine ?? "")?.receive(message));

  const offs = [
    // A state is told to everybody, also of machines further down.
    live.on("state", (message) => byMachine.get(message.machine ?? "")?.receiveState(message)),
    live.on("alert", (message) => {
      const machine = message.alert?.machine;
      if (root.dataset.followsAlerts !== undefined && message.event !== "updated") follow();
      byMachine.get(machine?.key ?? machine)?.refresh();
    }),
  ];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  let owed = false;
  const follow = () => {
    clearTimeout(soon);
    // A tab that nobody sees asks for nothing, and sets no clock either: once, when it is shown again.
    owed = document.hidden;
    if (!owed) soon = setTimeout(() => (isPressing() || document.hidden ? follow() : root.dispatchEvent(new CustomEvent("refresh-list"))), FOLLOW_MS);
  };
  const shown = () => !document.hidden && owed && follow();
  /** @param {Event} event what comes while a tile is pressed would take the click with it */
  const hold = (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    if (event.target !== root || detail.requestConfig?.triggeringEvent?.type !== "refresh-list" || !isPressing()) return;
    detail.shouldSwap = false;
    follow();
  };
  const timer = setInterval(() => {
    // Without a connection nobody knows how old a machine's readings are: what was said last stays, and the page says so.
    if (document.hidden || live.connection.state !== "live") return;
    for (const tile of seen.tiles) tile.tick();
  }, 1000);
  const repaint = () => loop.markAll();
  root.addEventListener("htmx:afterSwap", repaint);
  root.addEventListener("htmx:beforeSwap", hold);
  document.addEventListener("visibilitychange", shown);

  return () => {
    clearInterval(timer);
    clearTimeout(soon);
    seen.stop();
    for (const off of offs) off();
    root.removeEventListener("htmx:afterSwap", repaint);
    root.removeEventListener("htmx:beforeSwap", hold);
    document.removeEventListener("visibilitychange", shown);
    for (const tile of tiles) loop.remove(tile.canvas);
    loop.stop();
  };
}

/**
 * Keeps the socket's watch on the tiles that somebody can see.
 * @param {Tile[]} tiles @param {ReturnType<typeof liveSocket>} live
 * @param {(message: import("./live-socket.js").Message) => void} receive
 */
function watchSeen(tiles, live, receive) {
  const byElement = new Map(tiles.map((tile) => [tile.element, tile]));
  /** @type {Set<Tile>} */
  const seen = new Set(tiles.length <= WATCHED_WHOLE ? tiles : []);
  // The same metrics whatever is seen: the server then keeps what goes on and begins only what is new.
  const named = [...new Set(tiles.map((tile) => tile.metric).filter(Boolean))];
  const metrics = named.length <= MOST_METRICS ? named : null;
  let unwatch = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling;

  const watch = () => {
    unwatch();
    const machines = [...seen].map((tile) => tile.machine);
    unwatch = machines.length ? live.watch({ machines, metrics, history_s: WINDOW_MS / 1000 }, receive) : () => {};
  };
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const tile = /** @type {Tile} */ (byElement.get(/** @type {HTMLElement} */ (entry.target)));
        if (entry.isIntersecting) seen.add(tile);
        else seen.delete(tile);
      }
      clearTimeout(settling);
      settling = setTimeout(watch, SETTLE_MS);
    },
    { rootMargin: NEAR },
  );
  if (tiles.length > WATCHED_WHOLE) for (const tile of tiles) observer.observe(tile.element);
  else watch();

  return {
    tiles: seen,
    stop() {
      clearTimeout(settling);
      observer.disconnect();
      unwatch();
    },
  };
}
