// @ts-check
// Which mark lies under the cursor: a shaded stretch that can't be asked what it means would be decoration. Pure.

/** @typedef {import("./marks.js").Mark} Mark */

/**
 * The mark that a cursor at an instant points at: an alert before maintenance, the one that began last before others.
 * @param {Mark[]} marks @param {string} metric
 * @param {number} atMs @param {number} slackMs half a bucket: a short alert is narrower than the column that shows it
 * @returns {Mark | null}
 */
export function markAt(marks, metric, atMs, slackMs) {
  const under = marks.filter((mark) => concerns(mark, metric) && mark.from - slackMs <= atMs && atMs <= (mark.to ?? Infinity) + slackMs);
  under.sort((a, b) => rank(a) - rank(b) || b.from - a.from);
  return under[0] ?? null;
}

/** Only the metrics that explain an alert carry its colour. @param {Mark} mark @param {string} metric */
export function concerns(mark, metric) {
  return mark.metrics.length === 0 || mark.metrics.includes(metric);
}

/**
 * What an alert is called in the language of the page, as `anomalies.models.Alert.title_said` does for pages.
 * @param {any} alert as the socket tells it @param {string} language
 * @returns {string}
 */
export function titleOf(alert, language) {
  return alert.evidence?.said?.[language]?.title ?? alert.title;
}

/** @param {Mark} mark */
function rank(mark) {
  return mark.kind === "maintenance" ? 1 : 0;
}
