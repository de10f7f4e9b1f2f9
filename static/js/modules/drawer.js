// @ts-check
// A <dialog class="drawer">: [data-opens="#id"] anywhere opens it, Esc, its cross and a click beside it close it. The
// browser keeps the focus inside and gives it back to whoever opened.

/** @param {HTMLElement} root */
export function mount(root) {
  const dialog = /** @type {HTMLDialogElement} */ (root);
  /** @param {Event} event */
  const open = (event) => {
    const opener = /** @type {Element} */ (event.target).closest?.("[data-opens]");
    if (opener?.getAttribute("data-opens") !== `#${dialog.id}` || dialog.open) return;
    event.preventDefault();
    dialog.showModal();
  };
  /** @param {Event} event */
  const close = (event) => {
    const target = /** @type {Element} */ (event.target);
    // A click on the backdrop is a click on the dialog itself; its inside is covered by head and body.
    if (target === dialog || target.closest("[data-closes]")) dialog.close();
  };
  const closeBy = () => dialog.close();
  document.addEventListener("click", open);
  dialog.addEventListener("click", close);
  // The server closes it with the header HX-Trigger: close-drawer.
  document.body.addEventListener("close-drawer", closeBy);
  return () => {
    document.removeEventListener("click", open);
    dialog.removeEventListener("click", close);
    document.body.removeEventListener("close-drawer", closeBy);
    if (dialog.open) dialog.close();
  };
}
