// @ts-check
// What a screen reader is told. A part of the page that changes by itself is no live region: each refresh of it would be
// read out again. It says a sentence here, once, when there is news.

/** @param {string} text already in the reader's language @param {{ urgent?: boolean }} [options] urgent: interrupts what is being read */
export function say(text, { urgent = false } = {}) {
  const place = document.getElementById(urgent ? "said-urgently" : "said");
  if (place) place.textContent = text;
}

/** By id: a part that is replaced whole begins anew, and what was said of it stays said. @type {Map<string, string>} */
const known = new Map();

/**
 * Say what the parts of an element have to tell (data-told on an element with an id), where it is not what they told before.
 * @param {Element} root
 */
export function sayNews(root) {
  const parts = [root, ...root.querySelectorAll("[data-told]")].filter((part) => part instanceof HTMLElement && part.dataset.told !== undefined);
  for (const part of /** @type {HTMLElement[]} */ (parts)) {
    const [before, now] = [known.get(part.id), part.dataset.told ?? ""];
    known.set(part.id, now);
    if (before !== undefined && before !== now) say(now);
  }
}
