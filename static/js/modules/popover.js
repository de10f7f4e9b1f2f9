// @ts-check
// <details> as a panel over the page: Escape and a click beside it close it, and the focus returns to its button.

/** @param {HTMLElement} root */
export function mount(root) {
  const details = /** @type {HTMLDetailsElement} */ (root);
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary")?.focus();
  };
  /** @param {Event} event */
  const beside = (event) => {
    if (details.open && event.target instanceof Node && !details.contains(event.target)) details.open = false;
  };
  details.addEventListener("keydown", key);
  document.addEventListener("pointerdown", beside);
  return () => {
    details.removeEventListener("keydown", key);
    document.removeEventListener("pointerdown", beside);
  };
}
