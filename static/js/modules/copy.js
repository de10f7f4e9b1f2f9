// @ts-check
// A button that copies `data-copy-text`, or the text of the element that `data-copy` selects.

/** @param {HTMLElement} root */
function textOf(root) {
  if (root.dataset.copyText !== undefined) return root.dataset.copyText;
  const source = root.dataset.copy ? document.querySelector(root.dataset.copy) : null;
  return source instanceof HTMLInputElement ? source.value : (source?.textContent ?? "").trim();
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // Plain HTTP outside localhost has no clipboard API, and a browser may refuse it.
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** @param {HTMLElement} root */
export function mount(root) {
  const before = root.getAttribute("aria-label") ?? root.textContent ?? "";
  const done = document.body.dataset.textCopied ?? "Copied";
  const label = root.querySelector("[data-copy-label]");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const click = async () => {
    await copy(textOf(root));
    if (label) label.textContent = done;
    root.setAttribute("aria-label", done);
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (label) label.textContent = before;
      root.setAttribute("aria-label", before);
    }, 2000);
  };
  root.addEventListener("click", click);
  return () => {
    root.removeEventListener("click", click);
    clearTimeout(timer);
  };
}
