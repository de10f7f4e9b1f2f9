// @ts-check
// Says what kept a passkey from being made or used, beside the button: allauth's script tells the console alone.

/** @typedef {"cancelled" | "known" | "unable" | "failed"} Trouble */

/**
 * @param {unknown} exception what the browser said (WebAuthn, §5.1.3 and §5.1.4)
 * @returns {Trouble}
 */
export function troubleOf(exception) {
  const name = exception instanceof Object && "name" in exception ? String(exception.name) : "";
  if (name === "NotAllowedError" || name === "AbortError") return "cancelled";
  if (name === "InvalidStateError") return "known";
  // Without https there is no navigator.credentials at all.
  return name === "SecurityError" || name === "NotSupportedError" || name === "TypeError" ? "unable" : "failed";
}

/** @param {HTMLElement} root with a sentence for each trouble */
export function mount(root) {
  /** @param {Event} event */
  const say = (event) => {
    event.preventDefault();
    root.textContent = root.getAttribute(`data-text-${troubleOf(/** @type {CustomEvent} */ (event).detail?.exception)}`);
    root.hidden = false;
  };
  document.addEventListener("allauth.error", say);
  return () => document.removeEventListener("allauth.error", say);
}
