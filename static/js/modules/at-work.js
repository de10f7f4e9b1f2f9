// @ts-check
// Tells the server that somebody is here, and leaves the page once nobody was for as long as the factory allows.
// Pages ask for news by themselves; that must not keep a browser signed in at which nobody sits.

const TOLD_EVERY_MS = 60_000;
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

/**
 * What is to be done now. All times in ms of one clock; toldMs: when the server heard of it last.
 *
 * @param {{ nowMs: number, seenMs: number, toldMs: number, idleMs: number }} times
 * @returns {"leave" | "tell" | "wait"}
 */
export function dueAt({ nowMs, seenMs, toldMs, idleMs }) {
  if (nowMs - seenMs >= idleMs) return "leave";
  return seenMs > toldMs && nowMs - toldMs >= TOLD_EVERY_MS ? "tell" : "wait";
}

/** @param {HTMLElement} root with data-url and data-idle-s */
export function mount(root) {
  const idleMs = Number(root.dataset.idleS) * 1000;
  let seenMs = Date.now();
  let toldMs = seenMs; // opening the page has told already
  const see = () => void (seenMs = Date.now());
  const look = () => {
    const due = dueAt({ nowMs: Date.now(), seenMs, toldMs, idleMs });
    // The server decides: in another window somebody may be at work.
    if (due === "leave") location.reload();
    if (due !== "tell") return;
    toldMs = Date.now();
    const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
    // A network that is away is told elsewhere; the next minute tells again.
    fetch(root.dataset.url ?? "", { method: "POST", headers }).catch(() => undefined);
  };
  for (const sign of SIGNS) addEventListener(sign, see, { capture: true, passive: true });
  const timer = setInterval(look, TOLD_EVERY_MS / 4);
  return () => {
    clearInterval(timer);
    for (const sign of SIGNS) removeEventListener(sign, see, { capture: true });
  };
}
