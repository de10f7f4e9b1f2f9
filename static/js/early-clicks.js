// @ts-check
// Runs before the page is complete: a button that is pressed before its behaviour has been loaded is pressed again as
// soon as it has, so that nobody's first click on a slow machine goes nowhere.
(() => {
  // Forms, links and popovers work without us.
  const OURS = "button[type=button]:not([popovertarget]), [data-opens]";
  /** @type {Set<HTMLElement>} */
  const held = new Set();

  /** @param {Element} element */
  const isMounted = (element) => element.hasAttribute("data-mounted");
  /** @param {HTMLElement} button */
  const isReady = (button) => {
    for (let at = button.closest("[data-module]"); at; at = at.parentElement?.closest("[data-module]") ?? null) {
      if (!isMounted(at)) return false;
    }
    const opened = button.dataset.opens && document.querySelector(button.dataset.opens);
    return !opened || isMounted(opened);
  };

  document.addEventListener(
    "click",
    (event) => {
      const button = /** @type {HTMLElement | null} */ (event.target instanceof Element ? event.target.closest(OURS) : null);
      if (!button || isReady(button)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      held.add(button);
    },
    true,
  );
  document.addEventListener("module-mounted", () => {
    for (const button of held) {
      if (button.isConnected && !isReady(button)) continue;
      held.delete(button);
      if (button.isConnected) button.click();
    }
  });
})();
