import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../../static/css/tokens.css", import.meta.url), "utf8");
const THEMES = /** @type {const} */ (["light", "dark"]);
const [asked, chosen] = [/@media \(prefers-contrast: more\) \{\s*:root \{([^}]*)\}/, /data-theme="contrast"\] \{([^}]*)\}/].map((block) => css.match(block)?.[1] ?? "");

/** @param {string} token @param {"light" | "dark"} theme @param {string} [first] a block that goes before the common one */
function colour(token, theme, first = "") {
  const found = (first + css).match(new RegExp(`--${token}: (?:light-dark\\((#\\w{6}), (#\\w{6})\\)|(#\\w{6}));`));
  assert.ok(found, `--${token} is a colour`);
  return found[3] ?? (theme === "light" ? found[1] : found[2]);
}

/** WCAG 2.2, relative luminance. @param {string} hex */
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} a @param {string} b */
function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

const GROUNDS = ["ground", "surface", "surface-raised", "surface-hover", "ground-sunk"];
const TEXTS = [
  ...["text", "text-soft", "text-faint", "accent", "accent-strong", "critical-text", "high-text"].flatMap((text) => GROUNDS.map((ground) => [text, ground])),
  ["text-soft", "quiet-soft"],
  ["on-accent", "accent"],
  ["on-accent", "accent-strong"],
  ["accent-strong", "accent-soft"],
  ...["critical", "high", "medium", "low"].flatMap((severity) => [[`on-${severity}`, severity], [`${severity}-text`, `${severity}-soft`]]),
  ...["critical-soft", "high-soft"].flatMap((ground) => [["text", ground], ["text-soft", ground]]),
];
const SIGNS = ["line-strong", "quiet", "focus", "series", "mark", "critical"].flatMap((sign) => ["ground", "surface"].map((ground) => [sign, ground]));

for (const theme of THEMES) {
  for (const [pairs, least, what] of /** @type {const} */ ([[TEXTS, 4.5, "text"], [SIGNS, 3, "signs"]])) {
    test(`${what} on its ground keeps WCAG AA in the ${theme} theme`, () => {
      const weak = pairs
        .map(([front, back]) => ({ pair: `${front} on ${back}`, ratio: contrast(colour(front, theme), colour(back, theme)) }))
        .filter(({ ratio }) => ratio < least)
        .map(({ pair, ratio }) => `${pair}: ${ratio.toFixed(2)}`);
      assert.deepEqual(weak, []);
    });
  }
}

test("high contrast is the same by the system's wish and by choice", () => {
  const lines = (/** @type {string} */ block) => block.split("\n").map((line) => line.trim()).filter(Boolean);
  assert.ok(lines(asked).length > 20);
  assert.deepEqual(lines(chosen), lines(asked));
});

for (const theme of THEMES) {
  test(`high contrast gives text 7:1 on its ground, ${theme}`, () => {
    const weak = TEXTS.map(([front, back]) => ({ pair: `${front} on ${back}`, ratio: contrast(colour(front, theme, chosen), colour(back, theme, chosen)) }))
      .filter(({ ratio }) => ratio < 7)
      .map(({ pair, ratio }) => `${pair}: ${ratio.toFixed(2)}`);
    assert.deepEqual(weak, []);
  });
}
