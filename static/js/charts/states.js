// @ts-check
// Buckets of a state metric as stretches of one state each, and what a state's number means. Pure.

/** @typedef {import("./series-buffer.js").Columns} Columns */
/** @typedef {{ from: number, to: number, state: number | null }} Stretch state: null where it changed too often to tell */

/**
 * Stretches of one state each; a break ends one without another beginning.
 * @param {Columns} columns @param {number} toMs until when the last one is known to last
 * @returns {Stretch[]}
 */
export function stretches(columns, toMs) {
  /** @type {Stretch[]} */
  const found = [];
  for (let at = 0; at < columns.t.length; at += 1) {
    const low = columns.min[at];
    if (low === null) continue;
    const state = low === columns.max[at] ? low : null;
    const next = at + 1 < columns.t.length ? columns.t[at + 1] : toMs;
    const last = found[found.length - 1];
    if (last && last.to === columns.t[at] && last.state === state) last.to = next;
    else found.push({ from: columns.t[at], to: next, state });
  }
  return found;
}

// ISA-TR88.00.02 (PackML), the states of a unit by their numbers.
const PACKML = ["", "Clearing", "Stopped", "Starting", "Idle", "Suspended", "Execute", "Stopping", "Aborting", "Aborted", "Holding", "Held", "Unholding", "Suspending", "Unsuspending", "Resetting", "Completing", "Complete"];

/**
 * What a state's number means, as far as the metric's name tells.
 * @param {string} metric
 * @returns {(state: number) => string}
 */
export function stateNames(metric) {
  if (/packml|unit_?state/i.test(metric)) return (state) => PACKML[state] || String(state);
  return (state) => String(state);
}
