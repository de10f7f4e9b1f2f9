// @ts-check
// The list follows what happens, but never takes a comment away from under somebody's fingers.

/** @param {HTMLElement} root */
export function mount(root) {
  let owed = false;

  const busy = () => [...root.querySelectorAll("textarea")].some((area) => area === document.activeElement || area.value !== "");
  const refresh = () => {
    owed = busy();
    if (!owed) root.dispatchEvent(new CustomEvent("refresh-list"));
  };
  const settle = () => {
    if (owed) setTimeout(() => owed && refresh(), 200);
  };

  document.body.addEventListener("refresh-alerts", refresh);
  root.addEventListener("focusout", settle);
  return () => {
    document.body.removeEventListener("refresh-alerts", refresh);
    root.removeEventListener("focusout", settle);
  };
}
