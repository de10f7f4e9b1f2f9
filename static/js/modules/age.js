// @ts-check
// <time datetime="…" data-module="age">: how long ago, ticking.

import { serverNow } from "../clock.js";
import { age } from "../format.js";

/** @param {HTMLElement} root */
export function mount(root) {
  const since = Date.parse(root.getAttribute("datetime") ?? "");
  if (Number.isNaN(since)) return undefined;
  const show = () => {
    const text = age((serverNow() - since) / 1000);
    if (root.textContent !== text) root.textContent = text;
  };
  show();
  const timer = setInterval(() => !document.hidden && show(), 1000);
  return () => clearInterval(timer);
}
