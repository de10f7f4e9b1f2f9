// @ts-check
// Fires the event "poll" on its element every data-every-s seconds while somebody can see it: for hx-trigger="poll".

/** @param {HTMLElement} root */
export function mount(root) {
  const everyMs = Math.max(1, Number(root.dataset.everyS ?? 10)) * 1000;
  const fire = () => !document.hidden && root.dispatchEvent(new CustomEvent("poll"));
  const timer = setInterval(fire, everyMs);
  document.addEventListener("visibilitychange", fire);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", fire);
  };
}
