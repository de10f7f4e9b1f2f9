// @ts-check
// The wall: packs machines into screens by line, turns them over by itself, keeps the display awake, and begins anew
// once a day so that a wall left alone for a year runs what the server runs.

import { serverNow } from "../clock.js";
import { clockTime } from "../format.js";
import { packScreens } from "./pack-screens.js";

const AWAKE_MS = 4_000;
const RENEW_MS = 24 * 3_600_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const body = document.body;
  const zone = body.dataset.zone ?? "UTC";
  const where = /** @type {HTMLElement} */ (document.querySelector("[data-wall-where]"));
  const clock = /** @type {HTMLElement} */ (document.querySelector("[data-wall-clock]"));
  const pause = /** @type {HTMLElement} */ (document.querySelector("[data-wall-pause]"));
  const full = document.querySelector("[data-wall-full]");
  const everyMs = Math.max(5, Number(root.dataset.everyS) || 15) * 1000;
  const tiles = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".tile")]);
  const lines = [...root.querySelectorAll("[data-line]")].map((line) => ({ name: line.getAttribute("data-line") ?? "", count: line.querySelectorAll(".tile").length }));
  /** @type {ReturnType<typeof packScreens>} */
  let screens = [];
  let at = 0;
  let held = false;
  let turnedMs = performance.now();

  const show = () => {
    const screen = screens[at];
    if (!screen) return;
    tiles.forEach((tile, place) => tile.toggleAttribute("hidden", place < screen.from || place >= screen.to));
    const turn = screens.length > 1 ? ` · ${root.dataset.textScreen} ${at + 1}/${screens.length}` : "";
    where.textContent = `${screen.names.join(", ")}${turn}`;
    pause.toggleAttribute("hidden", screens.length < 2);
  };
  const arrange = () => {
    body.style.removeProperty("--rows");
    const style = getComputedStyle(body);
    const [columns, rows] = ["--columns", "--rows"].map((name) => Math.max(1, Number(style.getPropertyValue(name))));
    screens = packScreens(lines, columns * rows);
    // A small plant fills the screen.
    const fullest = Math.max(1, ...screens.map(({ from, to }) => to - from));
    body.style.setProperty("--rows", String(Math.min(rows, Math.ceil(fullest / columns))));
    at = Math.min(at, Math.max(0, screens.length - 1));
    show();
  };
  /** @param {number} step */
  const turn = (step) => {
    turnedMs = performance.now();
    if (screens.length < 2) return;
    at = (at + step + screens.length) % screens.length;
    show();
  };
  const hold = () => {
    held = !held;
    pause.setAttribute("aria-pressed", String(held));
    turnedMs = performance.now();
  };
  const tick = () => {
    clock.textContent = clockTime(serverNow(), zone, { seconds: false });
    if (!held && performance.now() - turnedMs >= everyMs) turn(1);
    if (performance.now() > RENEW_MS) renew();
  };
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    if (event.target instanceof HTMLElement && event.target.closest("button, a")) return;
    if (event.key === "ArrowRight") turn(1);
    else if (event.key === "ArrowLeft") turn(-1);
    else if (event.key === " ") hold();
  };
  const stopAwake = showTools(body);
  const lock = keepAwake();
  const enter = () => void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => {});

  arrange();
  tick();
  const timer = setInterval(tick, 1000);
  addEventListener("resize", arrange);
  document.addEventListener("keydown", key);
  pause.addEventListener("click", hold);
  full?.addEventListener("click", enter);
  return () => {
    clearInterval(timer);
    removeEventListener("resize", arrange);
    document.removeEventListener("keydown", key);
    pause.removeEventListener("click", hold);
    full?.removeEventListener("click", enter);
    stopAwake();
    lock();
  };
}

/** A page of yesterday is replaced, but only when there is one to be had. */
async function renew() {
  const answer = await fetch(location.href, { cache: "no-store", redirect: "manual" }).catch(() => null);
  if (answer?.ok) location.reload();
}

/** The tools show while somebody moves a pointer or presses a key: what is hidden can't be reached by Tab. @param {HTMLElement} body */
function showTools(body) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const awake = () => {
    body.dataset.awake = "";
    clearTimeout(timer);
    timer = setTimeout(() => delete body.dataset.awake, AWAKE_MS);
  };
  const signs = /** @type {const} */ (["pointermove", "pointerdown", "keydown"]);
  for (const sign of signs) document.addEventListener(sign, awake);
  return () => {
    clearTimeout(timer);
    for (const sign of signs) document.removeEventListener(sign, awake);
  };
}

/** Asks the display to stay on, again whenever the page is shown again; browsers give it on secure pages alone. */
function keepAwake() {
  /** @type {WakeLockSentinel | null} */
  let lock = null;
  const ask = async () => {
    if (document.hidden || !("wakeLock" in navigator)) return;
    lock = await navigator.wakeLock.request("screen").catch(() => null);
  };
  void ask();
  document.addEventListener("visibilitychange", ask);
  return () => {
    document.removeEventListener("visibilitychange", ask);
    void lock?.release();
  };
}
