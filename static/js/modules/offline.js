// @ts-check
// Brings up the service worker, and makes a kept page fresh as soon as the plant answers again.

import { liveSocket } from "./live-socket.js";

export function mount() {
  // Only secure pages may have one: https, or localhost.
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/service-worker.js").catch((error) => console.warn("service worker", error));
  if (document.body.dataset.kept === undefined) return undefined;
  return liveSocket().on("connection", ({ state }) => state === "live" && location.reload());
}
