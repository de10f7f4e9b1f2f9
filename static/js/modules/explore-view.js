// @ts-check
// A comparison: machines and metrics on one axis or stacked, perhaps an earlier time laid over, one cursor for all and a
// table of what it points at.

import { keyFigures } from "../charts/columns.js";
import { HISTORY_MS, createFeed } from "../charts/feed.js";
import { pageFrameLoop } from "../charts/frame-loop.js";
import { moved, nearest, onOneGrid, shiftOf } from "../charts/grid.js";
import { colourOf, createMultiChart, dashOf } from "../charts/multi-chart.js";
import { composePicture, savePicture } from "../charts/picture.js";
import { createViewport } from "../charts/viewport.js";
import { serverNow } from "../clock.js";
import { clockTime, figure } from "../format.js";
import { liveSocket } from "./live-socket.js";
import { listenForLink } from "./machine-view.js";
import { createRangeControl } from "./range-control.js";

/** @typedef {import("../charts/grid.js").Row} Row */
/** @typedef {import("../charts/multi-chart.js").Line} Line */
/** @typedef {{ id: string, name: string, label: string, unit: string, scale: number, offset: number, machine: string, machineLabel: string, historyUrl: string }} Series */
/** @typedef {{ zone: string, units: string, layout: "overlay" | "stacked", shiftDays: number, window: null, series: Series[], words: Record<string, string> }} Config */
/** @typedef {Line & { series: Series, feed: ReturnType<typeof createFeed>, id: string }} Drawn */

// Veils of many lines on one chart only hide each other.
const MOST_VEILS = 3;
const TRIM_MS = 1_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const source = document.getElementById(root.dataset.config ?? "");
  if (!source?.textContent) return undefined;
  /** @type {Config} */
  const config = JSON.parse(source.textContent);
  const live = liveSocket();
  const loop = pageFrameLoop();
  const shiftMs = () => (config.shiftDays ? shiftOf(windowEnd(), config.shiftDays, config.zone) : 0);
  const feeds = new Map(
    [...new Set(config.series.map((series) => series.machine))].map((machine) => {
      const metrics = config.series.filter((series) => series.machine === machine);
      return [machine, createFeed({ machine, historyUrl: metrics[0].historyUrl, units: config.units, metrics })];
    }),
  );
  const drawn = config.series.flatMap((series, rank) => linesOf(series, rank, config, /** @type {ReturnType<typeof createFeed>} */ (feeds.get(series.machine))));
  const notice = /** @type {HTMLElement | null} */ (root.querySelector("[data-history-failed]"));
  /** @type {ReturnType<typeof createMultiChart>[]} */
  const charts = [];
  /** @type {(() => void)[]} */
  const marks = [];

  const viewport = createViewport({
    sources: () => [...feeds.values()].flatMap((feed) => [{ feed, shiftMs: 0 }, ...(config.shiftDays ? [{ feed, shiftMs: shiftMs() }] : [])]),
    points: () => charts[0]?.width ?? 800,
    liveMs: () => 300_000,
    changed: () => marks.forEach((mark) => mark()),
    tell: (busy, failed) => {
      root.setAttribute("aria-busy", String(busy));
      if (notice) notice.hidden = !failed;
    },
  });
  const windowEnd = () => viewport.window[1];
  const table = createTable(root, drawn, config);
  const range = createRangeControl(
    root,
    config,
    (view) => {
      viewport.show(view);
      for (const link of elsewhere) link.href = withTime(link.href);
    },
    viewport.prepare,
  );
  const elsewhere = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll("a[data-keeps-time]")]);

  const groups = config.layout === "stacked" ? config.series.map((series) => drawn.filter((line) => line.series === series)) : [drawn];
  const places = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[data-plot]")]);
  groups.forEach((lines, at) => {
    const place = places[at];
    if (place && lines.length) addChart(place, lines);
  });

  /** @param {HTMLElement} place @param {Drawn[]} lines */
  function addChart(place, lines) {
    const envelope = config.layout === "stacked" || lines.length <= MOST_VEILS;
    /** @type {{ t: number[], rows: Row[] }} */
    let grid = { t: [], rows: [] };
    const point = (/** @type {number | null} */ at) => table.point(lines, at === null ? null : { time: grid.t[at], means: grid.rows.map((row) => nearest(row.mean, at)) });
    const chart = createMultiChart(place, { lines, zone: config.zone, envelope, range, onCursor: point });
    charts.push(chart);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let next;
    const mark = () => loop.mark(place);
    loop.add(place, () => {
      const [from, to] = viewport.window;
      const { width, stored } = viewport.shown;
      const columns = lines.map((line) => {
        const shift = line.earlier ? shiftMs() : 0;
        const timeline = /** @type {import("../charts/timeline.js").Timeline} */ (line.feed.timelines.get(line.series.name));
        const found = timeline.columns(from - shift, to - shift, width, stored);
        table.figures(line, keyFigures(found, from - shift, to - shift));
        // A timeline fills the same arrays each time; the other look at it comes right behind.
        return line.earlier || config.shiftDays ? moved({ ...found, t: [...found.t], min: [...found.min], max: [...found.max], mean: [...found.mean] }, shift) : found;
      });
      grid = onOneGrid(columns, from, to, width);
      chart.draw(grid.t, grid.rows, from, to);
      clearTimeout(next);
      if (viewport.paceMs !== Infinity) next = setTimeout(mark, Math.max(50, viewport.paceMs));
    });
    marks.push(mark);
  }

  const offs = [...feeds.values()].map((feed) => {
    const metrics = config.series.filter((series) => series.machine === feed.machine).map((series) => series.name);
    return live.watch({ machines: [feed.machine], metrics, history_s: HISTORY_MS / 1000 }, (message) => {
      if (message.type !== "snapshot" && message.type !== "readings") return;
      feed.receive(message);
      if (message.type === "snapshot") viewport.reload();
    });
  });
  offs.push(live.on("status", (message) => message.code === "history_delayed" && feeds.forEach((feed) => feed.delayed())));
  offs.push(listenForLink(root, () => range.link), listenForExports(root, config, viewport, range, () => picture()));
  const timer = setInterval(() => feeds.forEach((feed) => feed.trim()), TRIM_MS);

  const withTime = (/** @type {string} */ href) => {
    const url = new URL(href);
    const here = new URLSearchParams(location.search);
    for (const name of ["range", "from", "to"]) {
      const value = here.get(name);
      if (value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    return url.href;
  };
  // Links that change what is compared keep the time that is shown, also when it has just been dragged.
  for (const link of elsewhere) link.addEventListener("click", () => (link.href = withTime(link.href)));

  const picture = () => {
    const [from, to] = viewport.window;
    const legend = drawn.map((line) => ({ label: line.label, detail: table.detail(line), colour: colourOf(line), dash: dashOf(line) }));
    const time = (/** @type {number} */ at) => clockTime(at, config.zone, { day: true });
    return composePicture({ title: root.dataset.title ?? "", subtitle: `${time(from)} – ${time(to)}, ${config.zone}`, legend, canvases: charts.map((chart) => chart.canvas) });
  };

  range.start();
  return () => {
    clearInterval(timer);
    for (const off of offs) off();
    viewport.stop();
    range.stop();
    feeds.forEach((feed) => feed.stop());
    charts.forEach((chart) => chart.destroy());
    loop.stop();
  };
}

/** @param {Series} series @param {number} rank @param {Config} config @param {ReturnType<typeof createFeed>} feed @returns {Drawn[]} */
function linesOf(series, rank, config, feed) {
  const label = `${series.machineLabel}: ${series.label}`;
  /** @type {Drawn} */
  const line = { label, unit: series.unit, rank, earlier: false, alone: config.layout === "stacked", series, feed, id: series.id };
  return config.shiftDays ? [line, { ...line, label: `${label}, ${config.words.before}`, earlier: true, id: `${series.id} earlier` }] : [line];
}

/**
 * The table beside the charts: what the cursor points at, and key figures of the window.
 * @param {HTMLElement} root @param {Drawn[]} drawn @param {Config} config
 */
function createTable(root, drawn, config) {
  const clock = root.querySelector("[data-cursor-time]");
  const before = clock?.textContent ?? "";
  const rows = new Map(drawn.map((line) => [line.id, /** @type {HTMLElement | null} */ (root.querySelector(`[data-row="${CSS.escape(line.id)}"]`))]));
  /** @type {Map<string, ReturnType<typeof keyFigures>>} */
  const known = new Map();
  let pointing = false;
  const cell = (/** @type {Drawn} */ line, /** @type {string} */ name) => rows.get(line.id)?.querySelector(`[data-${name}]`);
  const write = (/** @type {Element | null | undefined} */ place, /** @type {string} */ text) => {
    if (place && place.textContent !== text) place.textContent = text;
  };
  for (const line of drawn) {
    const sample = /** @type {SVGLineElement | null | undefined} */ (rows.get(line.id)?.querySelector("line"));
    sample?.setAttribute("stroke-dasharray", dashOf(line).join(" "));
  }

  return {
    /** @param {Drawn} line @param {ReturnType<typeof keyFigures>} found */
    figures(line, found) {
      known.set(line.id, found);
      for (const name of /** @type {const} */ (["min", "mean", "max"])) write(cell(line, name), figure(found[name]));
      if (!pointing) write(cell(line, "value"), figure(found.last));
    },
    /** @param {Drawn[]} lines @param {{ time: number, means: (number | null)[] } | null} at */
    point(lines, at) {
      pointing = at !== null && at.time !== undefined;
      if (clock) write(clock, pointing && at ? clockTime(at.time, config.zone, { day: true }) : before);
      lines.forEach((line, place) => write(cell(line, "value"), figure(pointing && at ? at.means[place] : known.get(line.id)?.last)));
    },
    /** @param {Drawn} line */
    detail(line) {
      const found = known.get(line.id);
      const unit = line.unit ? ` ${line.unit}` : "";
      return found?.count ? `${figure(found.min)} – ${figure(found.max)}${unit}` : unit.trim();
    },
  };
}

/**
 * @param {HTMLElement} root @param {Config} config @param {ReturnType<typeof createViewport>} viewport
 * @param {ReturnType<typeof createRangeControl>} range @param {() => HTMLCanvasElement} picture
 */
function listenForExports(root, config, viewport, range, picture) {
  const controller = new AbortController();
  const { signal } = controller;
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (root.querySelectorAll("a[data-csv]"))) {
    link.addEventListener(
      "click",
      () => {
        const url = new URL(link.href);
        const [from, to] = viewport.window;
        const { width } = viewport.shown;
        url.searchParams.set("from", String(Math.floor(from / width) * width));
        url.searchParams.set("to", String(Math.min(Math.ceil(to / width) * width, Math.round(serverNow()))));
        url.searchParams.set("bucket_ms", String(width));
        url.searchParams.set("units", config.units);
        link.href = url.href;
      },
      { signal },
    );
  }
  root.querySelector("[data-png]")?.addEventListener("click", () => void savePicture(picture(), `${root.dataset.file ?? "comparison"}.png`), { signal });
  root.querySelector("form[data-save]")?.addEventListener(
    "submit",
    (event) => {
      const field = /** @type {HTMLFormElement} */ (event.target).elements.namedItem("query");
      if (field instanceof HTMLInputElement) field.value = new URL(range.view.kind === "window" ? range.link : location.href).search;
    },
    { signal },
  );
  root.querySelector("form[data-add]")?.addEventListener(
    "submit",
    (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      for (const name of ["range", "from", "to"]) {
        const value = new URLSearchParams(location.search).get(name);
        if (value === null) continue;
        const field = Object.assign(document.createElement("input"), { type: "hidden", name, value });
        form.append(field);
      }
    },
    { signal },
  );
  return () => controller.abort();
}
