// @ts-check
// The server's clock, so that ages are right on a tablet whose own clock is not.

const stated = Number(document.body.dataset.nowMs);
const offsetMs = Number.isFinite(stated) && stated > 0 ? stated - Date.now() : 0;

/** Epoch milliseconds by the server's clock. */
export function serverNow() {
  return Date.now() + offsetMs;
}
