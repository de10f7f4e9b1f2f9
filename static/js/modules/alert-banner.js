// @ts-check
// The banner asks the server for its words the moment the socket tells of an alert, so that there is one place that
// decides what is worst. The counts in the navigation and the page's title follow it.

import { say } from "../saying.js";
import { liveSocket } from "./live-socket.js";

const FALLBACK_MS = 60_000;
const TOGETHER_MS = 40;
// The evidence of a lasting alert changes with every reading; its words on the page need not.
const UPDATES_EVERY_MS = 5_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  const title = document.title;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;

  let refreshedMs = 0;
  const refresh = (wait = TOGETHER_MS) => {
    clearTimeout(soon);
    // A thousand machines that alarm at once ask once.
    soon = setTimeout(() => {
      refreshedMs = performance.now();
      document.body.dispatchEvent(new CustomEvent("refresh-alerts"));
    }, wait);
  };
  /** @param {{ event?: string }} message */
  const hear = (message) => {
    if (message.event !== "updated") refresh();
    else if (performance.now() - refreshedMs > UPDATES_EVERY_MS) refresh();
  };
  const count = () => {
    const open = Number(root.querySelector("[data-unacknowledged]")?.getAttribute("data-unacknowledged") ?? 0);
    for (const badge of document.querySelectorAll("[data-alert-count]")) {
      badge.textContent = String(open);
      badge.toggleAttribute("hidden", open === 0);
    }
    document.title = open > 0 ? `(${open}) ${title}` : title;
  };

  const swapped = () => {
    count();
    sayOnce(root);
  };

  root.addEventListener("htmx:afterSwap", swapped);
  const offs = [live.on("alert", hear), live.on("opened", () => refresh())];
  // A socket may be refused by a proxy; alerts still arrive, later.
  const timer = setInterval(() => !document.hidden && refresh(), FALLBACK_MS);
  const shown = () => !document.hidden && refresh();
  document.addEventListener("visibilitychange", shown);
  count();
  return () => {
    clearTimeout(soon);
    clearInterval(timer);
    document.removeEventListener("visibilitychange", shown);
    root.removeEventListener("htmx:afterSwap", swapped);
    for (const off of offs) off();
  };
}

const TOLD = "alert-told";

/**
 * A screen reader hears of each alert once, not with each of its figures nor on each page.
 * @param {HTMLElement} root
 */
function sayOnce(root) {
  const banner = /** @type {HTMLElement | null} */ (root.querySelector("[data-alert-id]"));
  const now = banner ? `${banner.dataset.alertId} ${banner.dataset.unacknowledged}` : "";
  if (now === remembered()) return;
  remember(now);
  const words = banner ? [...banner.querySelectorAll(".banner__text, .banner__more")].map((part) => part.textContent ?? "") : [];
  say(words.join(" ").replace(/\s+/g, " ").trim(), { urgent: true });
}

function remembered() {
  try {
    return sessionStorage.getItem(TOLD) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} told */
function remember(told) {
  try {
    sessionStorage.setItem(TOLD, told);
  } catch {
    // Storage may be forbidden; then each page says it.
  }
}
