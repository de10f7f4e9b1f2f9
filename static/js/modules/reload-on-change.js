// @ts-check
// Around a part that HTMX keeps fresh: when its [data-watched] value is another than the page was made with, the page is
// made anew. A wall screen that nobody touches shows a machine that was added.

const LEAST_MS = 10_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const value = () => root.querySelector("[data-watched]")?.getAttribute("data-watched");
  const first = value();
  const check = () => {
    // At most every few seconds: a hundred machines that register one after the other are one reload, or a few.
    if (value() !== first && performance.now() > LEAST_MS) location.reload();
  };
  root.addEventListener("htmx:afterSwap", check);
  return () => root.removeEventListener("htmx:afterSwap", check);
}
