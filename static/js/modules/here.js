// @ts-check
// A form that leads back to where it stands: charts change the address after the page was made.

/** @param {HTMLElement} root a form with a field called next */
export function mount(root) {
  const say = () => {
    const next = /** @type {HTMLInputElement | null} */ (root.querySelector("input[name=next]"));
    if (next) next.value = location.pathname + location.search;
  };
  root.addEventListener("submit", say, { capture: true });
  return () => root.removeEventListener("submit", say, { capture: true });
}
