// @ts-check
// Whether somebody is just pressing a button or a link. What is swapped between down and up takes the click with it, so
// whatever refreshes by itself waits until it is up.

let down = false;
/** @type {Set<() => void>} */
const waiting = new Set();

/** Begin to look, once a page. @param {EventTarget} target */
export function watchPressing(target) {
  target.addEventListener("pointerdown", () => (down = true), true);
  for (const type of ["pointerup", "pointercancel", "dragend", "blur"]) target.addEventListener(type, release, true);
}

export const isPressing = () => down;

/** Run this each time after a click has been dealt with. @param {() => void} run @returns {() => void} ends it */
export function onRelease(run) {
  waiting.add(run);
  return () => waiting.delete(run);
}

function release() {
  if (!down) return;
  down = false;
  // The click itself follows the release.
  setTimeout(() => waiting.forEach((run) => run()), 0);
}
