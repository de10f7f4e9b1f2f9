// @ts-check
// Asks the server for this part anew when the socket tells of an alert, and when the connection stands. A hidden tab
// asks for nothing: it catches up when it is shown.

import { liveSocket } from "./live-socket.js";

const TOGETHER_MS = 60;
const FALLBACK_MS = 60_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  let missed = false;
  const refresh = () => {
    clearTimeout(soon);
    missed = document.hidden;
    if (missed) return;
    soon = setTimeout(() => root.dispatchEvent(new CustomEvent("refresh-alerts")), TOGETHER_MS);
  };
  const offs = [live.on("alert", (message) => message.event !== "updated" && refresh()), live.on("opened", refresh)];
  // Where a proxy refuses the socket, alerts still arrive, later.
  const timer = setInterval(refresh, FALLBACK_MS);
  const shown = () => !document.hidden && missed && refresh();
  document.addEventListener("visibilitychange", shown);
  return () => {
    clearTimeout(soon);
    document.removeEventListener("visibilitychange", shown);
    clearInterval(timer);
    for (const off of offs) off();
  };
}
