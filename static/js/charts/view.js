// @ts-check
// Which stretch of time is shown: live, the last so many hours or days, or a window that stands still. Pure; an address
// carries it.

/** @typedef {{ kind: "live" } | { kind: "last", ms: number, name: string } | { kind: "window", from: number, to: number }} View */

export const LIVE_MS = 300_000;
const UNITS_MS = Object.freeze({ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 });
export const SHORTEST_MS = 1_000;
export const LONGEST_MS = 10 * UNITS_MS.y;

/**
 * A length as addresses write it, such as 24h.
 * @param {string} name
 * @returns {number | null} milliseconds
 */
export function lengthOf(name) {
  const found = /^([1-9]\d{0,5})([smhdy])$/.exec(name);
  if (!found) return null;
  const ms = Number(found[1]) * UNITS_MS[/** @type {keyof typeof UNITS_MS} */ (found[2])];
  return ms <= LONGEST_MS ? ms : null;
}

/** @param {number} ms */
function nameOf(ms) {
  for (const unit of /** @type {const} */ (["y", "d", "h", "m"])) if (ms % UNITS_MS[unit] === 0 && (unit !== "d" || ms > UNITS_MS.d)) return `${ms / UNITS_MS[unit]}${unit}`;
  return `${Math.round(ms / 1000)}s`;
}

/**
 * @param {string} query of an address
 * @returns {View}
 */
export function viewOf(query) {
  const asked = new URLSearchParams(query);
  const [from, to] = [Number(asked.get("from")), Number(asked.get("to"))];
  if (from > 0 && to - from >= SHORTEST_MS && to - from <= LONGEST_MS) return { kind: "window", from, to };
  const name = asked.get("range") ?? "";
  const ms = lengthOf(name);
  return ms === null ? { kind: "live" } : { kind: "last", ms, name };
}

/** @param {View} view */
export function queryOf(view) {
  if (view.kind === "last") return `?range=${view.name}`;
  return view.kind === "window" ? `?from=${Math.round(view.from)}&to=${Math.round(view.to)}` : "";
}

/**
 * The window a view shows now.
 * @param {View} view @param {number} nowMs @param {number} [liveMs] how long live is
 * @returns {[number, number]}
 */
export function windowOf(view, nowMs, liveMs = LIVE_MS) {
  if (view.kind === "window") return [view.from, view.to];
  return [nowMs - (view.kind === "last" ? view.ms : liveMs), nowMs];
}

/**
 * Moved by a share of its length, to the past where negative; not beyond now, where it follows again.
 * @param {View} view @param {number} share @param {number} nowMs
 * @returns {View}
 */
export function panned(view, share, nowMs) {
  const [from, to] = windowOf(view, nowMs);
  const length = to - from;
  return settled(from + share * length, to + share * length, nowMs);
}

/**
 * Widened by a factor around a place in it, 0 its beginning and 1 its end. What follows now goes on to follow it.
 * @param {View} view @param {number} factor @param {number} at @param {number} nowMs
 * @returns {View}
 */
export function zoomed(view, factor, at, nowMs) {
  const [from, to] = windowOf(view, nowMs);
  const length = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (to - from) * factor));
  if (view.kind !== "window") return following(length);
  const middle = from + at * (to - from);
  return settled(middle - at * length, middle + (1 - at) * length, nowMs);
}

/**
 * A window that stands still; one that would end after now follows it.
 * @param {number} from @param {number} to @param {number} nowMs
 * @returns {View}
 */
export function settled(from, to, nowMs) {
  if (to >= nowMs) return following(to - from);
  const begin = Math.max(1, Math.round(from));
  return { kind: "window", from: begin, to: Math.max(begin + SHORTEST_MS, Math.round(to)) };
}

/** @param {number} lengthMs @returns {View} */
export function following(lengthMs) {
  const ms = Math.max(SHORTEST_MS, Math.round(lengthMs / 1000) * 1000);
  return ms === LIVE_MS ? { kind: "live" } : { kind: "last", ms, name: nameOf(ms) };
}
