// @ts-check
// The colours of tokens.css as a canvas needs them: resolved for the theme that is showing.

const TOKENS = /** @type {const} */ (["series", "series-fill", "band", "band-line", "grid", "mark", "text", "text-soft", "text-faint", "line", "critical", "high", "medium", "low", "quiet", "surface", "series-1", "series-2", "series-3", "series-4", "series-5", "series-6", "series-7", "series-8"]);

/** @typedef {Record<(typeof TOKENS)[number], string> & { font: string }} Palette */

/** @type {Palette | null} */
let resolved = null;

function forget() {
  resolved = null;
}

document.addEventListener("theme-changed", forget);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forget);

/** @returns {Palette} */
export function palette() {
  if (resolved) return resolved;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  /** @type {Record<string, string>} */
  const colours = {};
  for (const token of TOKENS) {
    // A custom property keeps its formula (light-dark); only a real property resolves it.
    probe.style.color = `var(--${token})`;
    colours[token] = getComputedStyle(probe).color;
  }
  colours.font = getComputedStyle(document.body).fontFamily;
  probe.remove();
  resolved = /** @type {Palette} */ (colours);
  return resolved;
}
