// @ts-check
// The plant's clock against UTC. Browsers make a formatter for each answer, which costs as much as drawing a small chart, so
// answers are kept: zones change at quarters of an hour alone.

const QUARTER_MS = 900_000;
const MOST_KEPT = 2_000;
/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();
/** @type {Map<string, number>} */
const offsets = new Map();

/**
 * The zone's distance from UTC at an instant.
 * @param {number} atMs epoch milliseconds @param {string} zone IANA name
 * @returns {number} milliseconds, positive east of Greenwich
 */
export function offsetOf(atMs, zone) {
  const quarter = Math.floor(atMs / QUARTER_MS);
  const key = `${zone} ${quarter}`;
  const kept = offsets.get(key);
  if (kept !== undefined) return kept;
  if (offsets.size >= MOST_KEPT) offsets.clear();
  const found = measured(quarter * QUARTER_MS, zone);
  offsets.set(key, found);
  return found;
}

/**
 * For uPlot: a date whose local parts are those of the plant's clock.
 * @param {string} zone IANA name
 */
export function zoneDate(zone) {
  return (/** @type {number} */ atMs) => {
    const there = new Date(atMs + offsetOf(atMs, zone));
    return new Date(there.getUTCFullYear(), there.getUTCMonth(), there.getUTCDate(), there.getUTCHours(), there.getUTCMinutes(), there.getUTCSeconds(), there.getUTCMilliseconds());
  };
}

/** @param {number} atMs a whole quarter of an hour @param {string} zone */
function measured(atMs, zone) {
  const parts = formatOf(zone).formatToParts(atMs);
  const part = (/** @type {string} */ type) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second")) - atMs;
}

/** @param {string} zone */
function formatOf(zone) {
  const kept = formats.get(zone);
  if (kept) return kept;
  const made = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  formats.set(zone, made);
  return made;
}
