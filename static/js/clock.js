// @ts-check
// The server's clock, so that ages are right on a tablet whose own clock is not.

const stated = Number(document.body.dataset.nowMs);
// A page that the service worker kept states the time of its making.
const fresh = Number.isFinite(stated) && stated > 0 && document.body.dataset.kept === undefined;
const offsetMs = fresh ? stated - arrivedMs() : 0;

/** Epoch milliseconds by the server's clock. */
export function serverNow() {
  return Date.now() + offsetMs;
}

/**
 * When the page's first byte came, by this device's clock. Scripts run later, on a slow phone by seconds: taken for the
 * page's time, that would make live charts late by as much.
 */
function arrivedMs() {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  return navigation?.responseStart ? performance.timeOrigin + navigation.responseStart : Date.now();
}
