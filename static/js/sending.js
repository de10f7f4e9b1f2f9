// @ts-check
// What came of an acknowledgement that was sent late.

/** @typedef {{ status: number, by?: string | null, atMs?: number | null, comment?: string }} Answer */
/** @typedef {"sent" | "beaten" | "gone" | "refused" | "later"} Outcome */

/**
 * Whether it counted, came second, or has to wait. The first acknowledgement stands, so an answer names who it was.
 * @param {Answer} answer status 0 means that nothing answered
 * @param {{ person: string, sentMs: number }} own who sends, and when this attempt began (the server's clock)
 * @returns {Outcome}
 */
export function outcomeOf({ status, by, atMs }, { person, sentMs }) {
  if (status === 0 || status === 429 || status >= 500) return "later";
  // Signed out meanwhile: it is kept until the same person is back.
  if (status === 401) return "later";
  if (status === 404) return "gone";
  if (status >= 400) return "refused";
  const fresh = atMs !== null && atMs !== undefined && atMs >= sentMs - 2_000;
  return by === person && fresh ? "sent" : "beaten";
}
