// @ts-check
// Messages leave on a click; those that only confirm leave by themselves.

const CONFIRMATION_MS = 8000;

/** @param {HTMLElement} root */
export function mount(root) {
  /** @param {Event} event */
  const dismiss = (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("[data-dismiss]")) target.closest(".notice")?.remove();
  };
  root.addEventListener("click", dismiss);
  const timer = setTimeout(() => {
    for (const notice of root.querySelectorAll(".notice--success, .notice--info")) notice.remove();
  }, CONFIRMATION_MS);
  return () => {
    root.removeEventListener("click", dismiss);
    clearTimeout(timer);
  };
}
