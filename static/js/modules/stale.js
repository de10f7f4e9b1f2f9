// @ts-check
// Says how old the page is while nothing arrives: for how long, and the plant's clock when it was last true.

import { serverNow } from "../clock.js";
import { age, clockTime } from "../format.js";
import { liveSocket } from "./live-socket.js";

// Shorter cuts end before anybody has read of them.
const SAID_AFTER_MS = 4_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  const zone = document.body.dataset.zone ?? "UTC";
  const show = () => {
    const { state, sinceMs } = live.connection;
    const isKept = document.body.dataset.kept !== undefined && state !== "live";
    const lostMs = isKept ? Infinity : state === "lost" || state === "ended" ? Date.now() - sinceMs : 0;
    document.body.dataset.connection = lostMs > SAID_AFTER_MS ? "lost" : "well";
    root.toggleAttribute("hidden", lostMs <= SAID_AFTER_MS);
    if (lostMs <= SAID_AFTER_MS) return;
    // A page that a service worker kept has never been live; it says itself when it was made.
    const shownMs = live.everLive ? serverNow() - lostMs : Number(document.body.dataset.nowMs);
    const text = (root.dataset.text ?? "")
      .replace("{age}", age((serverNow() - shownMs) / 1000))
      .replace("{time}", clockTime(shownMs, zone, { day: serverNow() - shownMs > 43_200_000 }));
    if (root.textContent !== text) root.textContent = text;
  };
  const off = live.on("connection", show);
  const timer = setInterval(() => !document.hidden && show(), 1000);
  show();
  return () => {
    clearInterval(timer);
    off();
  };
}
