// @ts-check
// The style page's button that shows a toast.

import { toast } from "./toasts.js";

/** @param {HTMLElement} root */
export function mount(root) {
  const show = () => toast(root.dataset.text ?? "");
  root.addEventListener("click", show);
  return () => root.removeEventListener("click", show);
}
