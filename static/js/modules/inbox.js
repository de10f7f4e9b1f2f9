// @ts-check
// What stands behind the bell: asked for when its panel opens and, while it is open, when the socket tells of news. The
// count comes with the socket's message and with the banner's answer, which every page asks for anyway.

import { liveSocket } from "./live-socket.js";

const MOST_SHOWN = 99;

/** @param {number} unread as it fits beside the bell */
export function countText(unread) {
  return unread > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unread);
}

/** @param {HTMLElement} root inside the panel */
export function mount(root) {
  const panel = root.closest("dialog");
  const stopping = new AbortController();
  const { signal } = stopping;

  /** @param {number} unread */
  function show(unread) {
    for (const count of document.querySelectorAll("[data-inbox-count]")) {
      const bell = /** @type {HTMLElement | null} */ (count.closest("[data-opens]"));
      count.textContent = countText(unread);
      count.toggleAttribute("hidden", unread === 0);
      const words = unread === 0 ? bell?.dataset.textNone : bell?.dataset.textUnread?.replace("{n}", String(unread));
      if (bell && words) bell.ariaLabel = bell.title = words;
    }
  }

  const refresh = () => root.dispatchEvent(new CustomEvent("refresh-inbox"));
  /** @param {Event} event */
  const swapped = (event) => {
    const told = event.target instanceof Element ? event.target.querySelector("[data-unread]") : null;
    if (told) show(Number(told.getAttribute("data-unread")));
  };
  /** @param {Event} event */
  const pressed = (event) => {
    if (event.target instanceof Element && event.target.closest(`[data-opens="#${panel?.id}"]`)) refresh();
  };
  document.body.addEventListener("htmx:afterSwap", swapped, { signal });
  document.addEventListener("click", pressed, { signal });
  const off = liveSocket().on("inbox", (message) => {
    show(message.unread);
    if (panel?.open) refresh();
  });
  // The banner may have come before this module.
  const told = document.querySelector("#alert-banner [data-unread]");
  if (told) show(Number(told.getAttribute("data-unread")));
  return () => {
    stopping.abort();
    off();
  };
}
