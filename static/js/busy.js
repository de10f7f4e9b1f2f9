// @ts-check
// Whether somebody is just doing something in a part of the page: pressing, or writing. What refreshes by itself waits, or
// it would take the click or the words with it.

import { isPressing } from "./pressing.js";

/** @param {Element} root */
export function isBusy(root) {
  return isPressing() || root.querySelector("details[open] form") !== null || isOpenAtFocus(root) || isWriting(root);
}

/** What was opened to be written in, and is where the keyboard stands. @param {Element} root */
function isOpenAtFocus(root) {
  const opened = document.activeElement?.closest("details[open]") ?? null;
  return opened !== null && root.contains(opened);
}

/** @param {Element} root */
function isWriting(root) {
  return [...root.querySelectorAll("textarea")].some((area) => area === document.activeElement || area.value !== "");
}
