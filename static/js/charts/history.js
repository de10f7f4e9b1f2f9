// @ts-check
// Stored series from the API, downsampled by the server so that any range answers at once.

import { storedColumns } from "./series-buffer.js";

/** @typedef {import("./series-buffer.js").Columns} Columns */

/**
 * @param {string} url the machine's telemetry
 * @param {{ from: number, to: number, points: number, metrics: string[], signal: AbortSignal }} asked
 * @returns {Promise<{ bucketMs: number, columns: Map<string, Columns> }>}
 */
export async function historyRead(url, { from, to, points, metrics, signal }) {
  const query = new URLSearchParams({ from: String(from), to: String(to), points: String(points), metrics: metrics.join(",") });
  const response = await fetch(`${url}?${query}`, { signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!response.ok) throw new Error(`history ${response.status}`);
  return historyParse(await response.json());
}

/** @param {any} answer */
export function historyParse(answer) {
  /** @type {Map<string, Columns>} */
  const columns = new Map();
  for (const series of answer.metrics) columns.set(series.metric, storedColumns(series, answer.bucket_ms));
  return { bucketMs: answer.bucket_ms, columns };
}
