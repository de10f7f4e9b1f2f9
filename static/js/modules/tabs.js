// @ts-check
// Panels of one page behind tabs, by the keys of the ARIA pattern; the chosen one stands in the address (#id), so that a
// link leads to it and a reload keeps it. Without scripts all panels show, one below the other.

/** @param {HTMLElement} root holds <a role="tab" href="#panel"> and the panels they name */
export function mount(root) {
  const tabs = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll("[role=tab]")]);
  const panels = tabs.map((tab) => /** @type {HTMLElement} */ (root.querySelector(tab.hash)));

  /** @param {number} at */
  const choose = (at) => {
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === at));
      tab.tabIndex = place === at ? 0 : -1;
      panels[place].hidden = place !== at;
    });
  };
  /** @param {string} hash */
  const named = (hash) => Math.max(0, tabs.findIndex((tab) => tab.hash === hash));
  /** @param {MouseEvent} event */
  const click = (event) => {
    const at = tabs.indexOf(/** @type {any} */ (/** @type {Element} */ (event.target).closest("[role=tab]")));
    if (at < 0) return;
    event.preventDefault();
    history.replaceState(history.state, "", tabs[at].hash);
    choose(at);
  };
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    const at = tabs.indexOf(/** @type {any} */ (document.activeElement));
    const steps = /** @type {Record<string, number>} */ ({ ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 });
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = (steps[event.key] + tabs.length) % tabs.length;
    tabs[next].focus();
    tabs[next].click();
  };
  const follow = () => choose(named(location.hash));

  for (const [at, panel] of panels.entries()) {
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tabs[at].id);
    tabs[at].setAttribute("aria-controls", panel.id);
  }
  follow();
  root.addEventListener("click", click);
  root.addEventListener("keydown", key);
  addEventListener("hashchange", follow);
  return () => {
    root.removeEventListener("click", click);
    root.removeEventListener("keydown", key);
    removeEventListener("hashchange", follow);
  };
}
