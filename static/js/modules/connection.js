// @ts-check
// How live the page is, in a word: live, delayed by so much, or without a connection for so long.

import { serverNow } from "../clock.js";
import { age } from "../format.js";
import { liveSocket } from "./live-socket.js";

const DELAYED_MS = 5_000;
const HEARD_MS = 6_000;
const LAGGING_MS = 10_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  const text = /** @type {HTMLElement} */ (root.querySelector("[data-connection-text]"));
  // The freshest reading of the last few seconds: one late machine does not make the line late.
  /** @type {{ heardMs: number, lagMs: number }[]} */
  let heard = [];
  let laggedMs = 0;
  const spoken = root.querySelector("[data-connection-said]");
  let told = "connecting";

  const show = () => {
    const { state, lagMs, sinceMs } = judge();
    const seconds = state === "lost" ? (Date.now() - sinceMs) / 1000 : lagMs / 1000;
    // The server may say that it lags before a late reading shows by how much.
    const said = (state === "delayed" && seconds >= 1) || state === "lost" ? ` ${age(seconds)}` : "";
    const words = `${root.getAttribute(`data-text-${state === "ended" ? "lost" : state}`) ?? ""}${said}`;
    if (text.textContent !== words) text.textContent = words;
    root.dataset.state = state === "ended" ? "lost" : state;
    if (state === told) return;
    // A screen reader hears of a change, not of each second; and that a page is live, as pages are, it need not hear.
    if (spoken && (told !== "connecting" || state !== "live")) spoken.textContent = root.getAttribute(`data-text-${state === "ended" ? "lost" : state}`);
    told = state;
  };

  const judge = () => {
    const { state, sinceMs } = live.connection;
    if (state !== "live") return { state, sinceMs, lagMs: 0 };
    const now = Date.now();
    heard = heard.filter((one) => now - one.heardMs < HEARD_MS);
    const lagMs = heard.length ? Math.min(...heard.map((one) => one.lagMs)) : 0;
    const delayed = lagMs > DELAYED_MS || now - laggedMs < LAGGING_MS;
    return { state: delayed ? "delayed" : "live", sinceMs, lagMs };
  };

  const offs = [
    live.on("readings", (message) => {
      const newest = message.t?.[message.t.length - 1];
      if (newest !== undefined) heard.push({ heardMs: Date.now(), lagMs: serverNow() - newest });
      if (heard.length > 200) heard = heard.slice(-100);
    }),
    live.on("status", (message) => {
      if (message.code === "lagging" || message.code === "history_delayed") laggedMs = Date.now();
    }),
    live.on("connection", show),
  ];
  const timer = setInterval(() => !document.hidden && show(), 1000);
  show();
  return () => {
    clearInterval(timer);
    for (const off of offs) off();
  };
}
