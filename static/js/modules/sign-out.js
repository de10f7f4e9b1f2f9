// @ts-check
// Whoever signs out leaves nothing behind in this browser: kept pages and messages (the service worker's), and
// acknowledgements that wait for a network.

import { dropAll } from "../outbox-store.js";

/** @param {HTMLElement} root the form that signs out */
export function mount(root) {
  const forget = () => {
    navigator.serviceWorker?.controller?.postMessage("forget");
    // The form goes on at once: what is asked for here is carried out though the page is left.
    dropAll().catch((error) => console.warn("outbox", error));
  };
  root.addEventListener("submit", forget);
  return () => root.removeEventListener("submit", forget);
}
