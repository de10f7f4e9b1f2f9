// @ts-check
// Where the keyboard stands outlives a refresh. HTMX gives the focus back to an element of the same id; most have none, and
// without this every refresh would throw whoever works by keys back to the beginning of the page.

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']";

/** @typedef {{ anchors: string[], place: number, name: string }} Held anchors: ids of the parts it stood in, the nearest first */

/**
 * How to find an element again: its place among what can be focused within the nearest part of the page that has an id.
 * @param {Element} element
 * @returns {Held | null}
 */
export function heldOf(element) {
  const nearest = element.closest("[id]");
  if (!nearest) return null;
  const anchors = [];
  for (let at = /** @type {Element | null} */ (nearest); at; at = at.parentElement?.closest("[id]") ?? null) anchors.push(at.id);
  return { anchors, place: [...nearest.querySelectorAll(FOCUSABLE)].indexOf(element), name: nameOf(element) };
}

/**
 * The same element in what came instead: at its place, or elsewhere under its name; else what stands first there, since
 * what was pressed is often gone because it was pressed.
 * @param {Document | Element} root @param {Held} held
 * @returns {HTMLElement | null}
 */
export function foundAgain(root, held) {
  const [nearest, ...around] = held.anchors.map((id) => within(root.querySelector(`#${CSS.escape(id)}`)));
  const same = nearest.filter((each) => nameOf(each) === held.name);
  const place = nearest[held.place];
  return (same.includes(place) ? place : same[0]) ?? nearest[0] ?? around.find((all) => all.length > 0)?.[0] ?? null;
}

/** @param {Element | null} anchor */
function within(anchor) {
  return /** @type {HTMLElement[]} */ ([...(anchor?.querySelectorAll(FOCUSABLE) ?? [])]);
}

/** @param {Element} element */
function nameOf(element) {
  return element.getAttribute("aria-label") ?? element.getAttribute("name") ?? (element.textContent ?? "").trim();
}

/** @param {HTMLElement} body */
export function keepFocus(body) {
  /** @type {Held | null} */
  let held = null;
  body.addEventListener("htmx:beforeSwap", (event) => {
    const active = document.activeElement;
    held = /** @type {CustomEvent} */ (event).detail.shouldSwap && active && active !== body ? heldOf(active) : null;
  });
  body.addEventListener("htmx:afterSwap", () => {
    const lost = held;
    held = null;
    // What was not swapped still has the focus.
    if (!lost || document.activeElement !== body) return;
    (foundAgain(document, lost) ?? document.getElementById("content"))?.focus({ preventScroll: true });
  });
}
