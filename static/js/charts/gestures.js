// @ts-check
// What hands do to the time axis, as two movements: pan by a share of the window, zoom by a factor around a place in it.
// Mouse: drag selects (uPlot's own), with Shift it pans; wheel with Ctrl zooms, sideways pans. Touch: one finger pans, two
// zoom, up and down scroll the page. Keys: arrows pan, with Shift they move the cursor, + and - zoom, End is live.

/** @typedef {{ pan: (share: number) => void, zoom: (factor: number, at: number) => void, live: () => void, step: (by: number) => void }} Hands */

const KEY_PAN = 0.2;
const KEY_ZOOM = 2;
const TOUCH_SLOP_PX = 8;

/**
 * @param {HTMLElement} over the plotting area @param {HTMLElement} focusable gets the keys @param {Hands} hands
 * @returns {() => void} clean-up
 */
export function listenToHands(over, focusable, hands) {
  const controller = new AbortController();
  const { signal } = controller;
  /** @type {Map<number, { x: number, y: number }>} */
  const fingers = new Map();
  let moved = false;

  const place = (/** @type {number} */ x) => {
    const box = over.getBoundingClientRect();
    return Math.min(1, Math.max(0, (x - box.left) / box.width));
  };
  const pans = (/** @type {PointerEvent} */ event) => event.pointerType !== "mouse" || event.shiftKey;

  /** @param {PointerEvent} event */
  const down = (event) => {
    if (!pans(event)) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved = event.pointerType === "mouse";
    over.setPointerCapture(event.pointerId);
  };

  /** @param {PointerEvent} event */
  const move = (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const width = over.clientWidth || 1;
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, finger]) => finger);
    if (others.length === 0) {
      if (!moved && Math.abs(event.clientX - before.x) < TOUCH_SLOP_PX) return;
      moved = true;
      hands.pan((before.x - event.clientX) / width);
    } else {
      const [other] = others;
      const [was, is] = [Math.abs(before.x - other.x), Math.abs(event.clientX - other.x)];
      if (was > TOUCH_SLOP_PX && is > TOUCH_SLOP_PX) hands.zoom(was / is, place((event.clientX + other.x) / 2));
    }
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  };

  /** @param {PointerEvent} event */
  const up = (event) => void fingers.delete(event.pointerId);

  /** @param {WheelEvent} event */
  const wheel = (event) => {
    if (event.ctrlKey) hands.zoom(1.0015 ** Math.max(-400, Math.min(400, event.deltaY)), place(event.clientX));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) hands.pan(event.deltaX / (over.clientWidth || 1));
    else return; // up and down scroll the page
    event.preventDefault();
  };

  /** @param {KeyboardEvent} event */
  const key = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = actionOf(event.key, event.shiftKey, hands);
    if (!act) return;
    event.preventDefault();
    act();
  };

  over.addEventListener("pointerdown", down, { signal });
  over.addEventListener("pointermove", move, { signal });
  over.addEventListener("pointerup", up, { signal });
  over.addEventListener("pointercancel", up, { signal });
  over.addEventListener("wheel", wheel, { signal, passive: false });
  over.addEventListener("dblclick", () => hands.zoom(KEY_ZOOM, 0.5), { signal });
  // Before uPlot sees it: with Shift a drag moves the window and selects nothing.
  over.addEventListener("mousedown", (event) => event.shiftKey && event.stopImmediatePropagation(), { signal, capture: true });
  focusable.addEventListener("keydown", key, { signal });
  return () => controller.abort();
}

/**
 * @param {string} key @param {boolean} shift @param {Hands} hands
 * @returns {(() => void) | null}
 */
export function actionOf(key, shift, hands) {
  switch (key) {
    case "ArrowLeft":
      return shift ? () => hands.step(-1) : () => hands.pan(-KEY_PAN);
    case "ArrowRight":
      return shift ? () => hands.step(1) : () => hands.pan(KEY_PAN);
    case "+":
    case "=":
      return () => hands.zoom(1 / KEY_ZOOM, 0.5);
    case "-":
    case "_":
      return () => hands.zoom(KEY_ZOOM, 0.5);
    case "End":
      return () => hands.live();
    default:
      return null;
  }
}
