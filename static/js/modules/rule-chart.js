// @ts-check
// A metric's past with a rule's limits behind it and the stretches in which the rule would have been active over it.

import { ColumnsWriter } from "../charts/columns.js";
import { storedFetch } from "../charts/tile-store.js";
import { createTimeChart } from "../charts/time-chart.js";

/** @typedef {ReturnType<typeof createTimeChart>} Chart */
/** @typedef {{ url: string, metric: import("../charts/time-chart.js").MetricConfig, zone: string, from: number, to: number, marks: import("../charts/marks.js").Mark[] }} Config */

/** @param {HTMLElement} root */
export function mount(root) {
  const plot = /** @type {HTMLElement | null} */ (root.querySelector("[data-plot]"));
  const source = document.getElementById(root.dataset.config ?? "");
  if (!plot || !source?.textContent) return undefined;
  /** @type {Config} */
  const config = JSON.parse(source.textContent);
  const still = () => undefined;
  /** @type {Chart} */
  const chart = createTimeChart(plot, {
    metric: config.metric,
    zone: config.zone,
    marks: () => config.marks,
    range: { zoomTo: still, pan: still, zoom: still, live: still },
  });
  const asking = new AbortController();
  draw(config, chart, asking.signal).catch((error) => {
    if (asking.signal.aborted) return;
    console.error("rule chart", error);
    root.querySelector("[data-failed]")?.removeAttribute("hidden");
  });
  return () => {
    asking.abort();
    chart.destroy();
  };
}

/** @param {Config} config @param {Chart} chart @param {AbortSignal} signal */
async function draw(config, chart, signal) {
  const points = Math.max(100, Math.min(800, Math.round(chart.width)));
  const [series] = await storedFetch(config.url, () => [config.metric.name], "")({ from: config.from, to: config.to, points, signal });
  const writer = new ColumnsWriter().begin();
  const width = (config.to - config.from) / points;
  for (let at = 0; at < (series?.t.length ?? 0); at += 1) {
    writer.add(series.t[at], series.t[at] + width, series.min[at], series.mean[at], series.max[at], series.count[at]);
  }
  chart.draw(writer.end(), config.from, config.to);
}
