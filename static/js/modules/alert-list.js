// @ts-check
// The list follows what happens, but never takes a form, a button or a link away from under somebody's fingers.

import { isBusy } from "../busy.js";
import { onRelease } from "../pressing.js";

/** @param {HTMLElement} root */
export function mount(root) {
  let owed = false;

  const refresh = () => {
    owed = isBusy(root);
    if (!owed) root.dispatchEvent(new CustomEvent("refresh-list"));
  };
  const settle = () => {
    if (owed) setTimeout(() => owed && refresh(), 200);
  };

  /** @param {Event} event begun by hand since this was asked for: what comes now is too late */
  const late = (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    if (event.target !== root || detail.requestConfig?.triggeringEvent?.type !== "refresh-list" || !isBusy(root)) return;
    detail.shouldSwap = false;
    owed = true;
  };

  document.body.addEventListener("refresh-alerts", refresh);
  root.addEventListener("htmx:beforeSwap", late);
  root.addEventListener("toggle", settle, true);
  root.addEventListener("focusout", settle);
  const off = onRelease(settle);
  return () => {
    off();
    document.body.removeEventListener("refresh-alerts", refresh);
    root.removeEventListener("htmx:beforeSwap", late);
    root.removeEventListener("toggle", settle, true);
    root.removeEventListener("focusout", settle);
  };
}
