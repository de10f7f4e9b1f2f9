// @ts-check
// Fires the event "poll" on its element every data-every-s seconds while somebody can see it: for hx-trigger="poll". What
// somebody is just pressing or writing in it is not taken away: the refresh comes when they are done.

import { isBusy } from "../busy.js";
import { onRelease } from "../pressing.js";

/** @param {HTMLElement} root */
export function mount(root) {
  const everyMs = Math.max(1, Number(root.dataset.everyS ?? 10)) * 1000;
  let owed = false;
  const fire = () => {
    if (document.hidden) return;
    owed = isBusy(root);
    if (!owed) root.dispatchEvent(new CustomEvent("poll"));
  };
  const settle = () => {
    if (owed) setTimeout(() => owed && fire(), 200);
  };
  /** @param {Event} event asked for by this element itself, by whatever trigger, and not by a form in it */
  const isOwn = (event) => /** @type {CustomEvent} */ (event).detail.requestConfig?.elt === root;
  /** @param {Event} event */
  const before = (event) => {
    if (!isOwn(event) || !isBusy(root)) return;
    owed = true;
    event.preventDefault();
  };
  /** @param {Event} event begun by hand since this was asked for: what comes now is too late */
  const late = (event) => {
    if (!isOwn(event) || !isBusy(root)) return;
    owed = true;
    /** @type {CustomEvent} */ (event).detail.shouldSwap = false;
  };

  const timer = setInterval(fire, everyMs);
  const off = onRelease(settle);
  document.addEventListener("visibilitychange", fire);
  root.addEventListener("htmx:beforeRequest", before);
  root.addEventListener("htmx:beforeSwap", late);
  root.addEventListener("toggle", settle, true);
  root.addEventListener("focusout", settle);
  return () => {
    clearInterval(timer);
    off();
    document.removeEventListener("visibilitychange", fire);
    root.removeEventListener("htmx:beforeRequest", before);
    root.removeEventListener("htmx:beforeSwap", late);
    root.removeEventListener("toggle", settle, true);
    root.removeEventListener("focusout", settle);
  };
}
