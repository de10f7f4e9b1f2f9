// @ts-check
// System, light, dark, high contrast in turn; kept in localStorage, applied by theme.js before the first paint of the next page.

const ORDER = ["system", "light", "dark", "contrast"];

/** @returns {string} */
function current() {
  return document.documentElement.dataset.theme ?? "system";
}

/** @param {string} theme */
function apply(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // Storage may be forbidden; the choice then lasts for this page.
  }
  document.dispatchEvent(new CustomEvent("theme-changed"));
}

/** @param {HTMLElement} root */
export function mount(root) {
  const describe = () => {
    const text = root.getAttribute(`data-text-${current()}`) ?? "";
    root.setAttribute("aria-label", text);
    root.title = text;
  };
  const next = () => {
    apply(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]);
  };
  describe();
  root.addEventListener("click", next);
  document.addEventListener("theme-changed", describe);
  return () => {
    root.removeEventListener("click", next);
    document.removeEventListener("theme-changed", describe);
  };
}
