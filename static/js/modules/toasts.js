// @ts-check
// Messages at the page's corner: those of the request, those a script shows with `toast`, and those an answer to HTMX
// brings in its header HX-Trigger: {"toast": {"text": "…", "level": "success"}}. They leave on a click; those that only
// confirm leave by themselves, but never from under a pointer or the focus.

const CONFIRMATION_MS = 8000;

/**
 * @param {string} text already in the reader's language
 * @param {{ level?: "success" | "info" | "warning" | "error" }} [options]
 */
export function toast(text, { level = "success" } = {}) {
  document.body.dispatchEvent(new CustomEvent("toast", { detail: { text, level } }));
}

/** @param {HTMLElement} root */
export function mount(root) {
  /** @param {Event} event */
  const dismiss = (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("[data-dismiss]")) target.closest(".notice")?.remove();
  };
  /** @param {Event} event */
  const add = (event) => {
    const { text, level } = /** @type {CustomEvent} */ (event).detail ?? {};
    const form = /** @type {HTMLTemplateElement | null} */ (root.querySelector(`template[data-toast="${level}"]`) ?? root.querySelector("template"));
    if (!form || !text) return;
    const notice = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (form.content.cloneNode(true)).firstElementChild);
    /** @type {HTMLElement} */ (notice.querySelector("[data-toast-text]")).textContent = String(text);
    root.append(notice);
    leave(notice);
  };
  /** @param {Event} event what was pressed went nowhere; an acknowledgement is kept and says so itself (outbox.js) */
  const unsent = (event) => {
    const { requestConfig } = /** @type {CustomEvent} */ (event).detail;
    if (!requestConfig || requestConfig.verb === "get" || requestConfig.path.endsWith("/acknowledge")) return;
    toast(root.dataset.textUnsent ?? "", { level: "error" });
  };
  root.addEventListener("click", dismiss);
  document.body.addEventListener("toast", add);
  document.body.addEventListener("htmx:sendError", unsent);
  for (const notice of root.querySelectorAll(".notice")) leave(/** @type {HTMLElement} */ (notice));
  return () => {
    root.removeEventListener("click", dismiss);
    document.body.removeEventListener("toast", add);
    document.body.removeEventListener("htmx:sendError", unsent);
  };
}

/** @param {HTMLElement} notice */
function leave(notice) {
  if (!notice.matches(".notice--success, .notice--info")) return;
  setTimeout(() => (notice.matches(":hover, :focus-within") ? leave(notice) : notice.remove()), CONFIRMATION_MS);
}
