// @ts-check
// Behaviour by name: which module belongs to which element, mounted once and cleaned up once.

/** @typedef {() => void} CleanUp */
/** @typedef {{ mount: (root: HTMLElement) => CleanUp | void }} PageModule */

const NAME = /^[a-z][a-z-]*$/;

/**
 * @param {(name: string) => Promise<PageModule>} load gives the module of a name
 */
export function createMounter(load) {
  /** @type {Map<Element, Promise<CleanUp | void>>} */
  const mounted = new Map();

  /** @param {HTMLElement} element */
  function mountOne(element) {
    const name = element.dataset.module ?? "";
    if (mounted.has(element) || !NAME.test(name)) return;
    mounted.set(
      element,
      load(name)
        // It may have been swapped out while its module was on the way.
        .then((module) => (mounted.has(element) ? module.mount(element) : undefined))
        .catch((error) => console.error(`module ${name}`, error))
        .finally(() => tell(element)),
    );
  }

  /** Its buttons work from now on, as far as they ever will (early-clicks.js). @param {HTMLElement} element */
  function tell(element) {
    if (!mounted.has(element)) return;
    element.dataset.mounted = "";
    element.dispatchEvent(new CustomEvent("module-mounted", { bubbles: true }));
  }

  return {
    /** @param {Element} root */
    mountAll(root) {
      if (root instanceof HTMLElement && root.dataset.module) mountOne(root);
      for (const element of root.querySelectorAll("[data-module]")) mountOne(/** @type {HTMLElement} */ (element));
    },
    /** @param {Element} element */
    unmount(element) {
      const cleaning = mounted.get(element);
      mounted.delete(element);
      void cleaning?.then((cleanUp) => cleanUp?.());
    },
    get size() {
      return mounted.size;
    },
  };
}
