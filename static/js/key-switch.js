// @ts-check
// Keys of a single letter can be switched off: whoever speaks to their machine, or hits keys by accident, presses them
// without meaning to (WCAG 2.1.4). Kept in this browser.

const KEPT = "single-keys";

/** @param {HTMLInputElement | null} box what switches them */
export function createKeySwitch(box) {
  let on = read() !== "off";
  if (box) box.checked = on;
  const change = () => {
    on = box?.checked ?? true;
    write(on ? null : "off");
  };
  box?.addEventListener("change", change);
  return {
    get on() {
      return on;
    },
    stop() {
      box?.removeEventListener("change", change);
    },
  };
}

function read() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

/** @param {string | null} value */
function write(value) {
  try {
    if (value === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, value);
  } catch {
    // Storage may be forbidden; the choice then lasts for this page.
  }
}
