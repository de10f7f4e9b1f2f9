// @ts-check
// Stored history in tiles of equal numbers of buckets, fetched once and kept: panning and zooming ask the server only for
// what was not seen before, and the neighbours come before they are asked for.

/** @typedef {{ metric: string, t: number[], min: number[], max: number[], mean: number[], count: number[] }} StoredSeries */
/**
 * @typedef {object} Asked
 * @property {number} from
 * @property {number} to
 * @property {number} points buckets of exactly (to - from) / points milliseconds
 * @property {AbortSignal} signal
 */
/** @typedef {(asked: Asked) => Promise<StoredSeries[]>} Fetch */
/** @typedef {{ askedMs: number, knownTo: number, series: Map<string, StoredSeries>, usedMs: number }} Tile */

const TILE_BUCKETS = 256;
const MOST_TILES = 64;
// A reading is in the store within this time of its arrival, unless history is delayed, which the page says.
const STORE_LAG_MS = 5_000;
// A tile that ends after now is asked for again as its buckets fill, neither all the time nor too seldom.
const [AGAIN_LEAST_MS, AGAIN_MOST_MS] = [5_000, 60_000];

export class TileStore {
  /** @param {Fetch} fetch @param {() => number} now by the server's clock */
  constructor(fetch, now) {
    this.fetch = fetch;
    this.now = now;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** @type {Map<string, Promise<void>>} */
    this.coming = new Map();
    this.controller = new AbortController();
  }

  /**
   * The tiles of a window that are missing, or older than what is needed of them.
   * @param {number} fromMs @param {number} toMs @param {number} width @param {number} [neededTo] up to when stored buckets will be drawn
   * @returns {number[]}
   */
  missing(fromMs, toMs, width, neededTo = toMs) {
    const span = width * TILE_BUCKETS;
    const until = Math.min(toMs, this.now());
    const again = Math.min(AGAIN_MOST_MS, Math.max(AGAIN_LEAST_MS, width));
    const found = [];
    for (let number = Math.floor(fromMs / span); number * span < until; number += 1) {
      const tile = this.tiles.get(`${width} ${number}`);
      const needed = Math.min((number + 1) * span, neededTo, this.now() - STORE_LAG_MS);
      if (!tile || (tile.knownTo < needed && this.now() - tile.askedMs >= again)) found.push(number);
    }
    return found;
  }

  /**
   * Have the window's tiles, from memory or the server; resolves at once where nothing is missing. Rejects when the
   * server can't be asked.
   * @param {number} fromMs @param {number} toMs @param {number} width @param {number} [neededTo]
   */
  async need(fromMs, toMs, width, neededTo) {
    const waits = [];
    for (const [first, last] of runs(this.missing(fromMs, toMs, width, neededTo))) waits.push(this.load(width, first, last));
    await Promise.all(waits);
  }

  /** @param {number} width @param {number} first @param {number} last */
  load(width, first, last) {
    const key = `${width} ${first} ${last}`;
    const coming = this.coming.get(key) ?? this.ask(width, first, last).finally(() => this.coming.delete(key));
    this.coming.set(key, coming);
    return coming;
  }

  /** @param {number} width @param {number} first @param {number} last */
  async ask(width, first, last) {
    const span = width * TILE_BUCKETS;
    const askedMs = this.now();
    const { signal } = this.controller;
    const found = await this.fetch({ from: first * span, to: (last + 1) * span, points: (last - first + 1) * TILE_BUCKETS, signal });
    for (let number = first; number <= last; number += 1) {
      const knownTo = Math.min((number + 1) * span, askedMs - STORE_LAG_MS);
      const series = new Map(found.map((one) => [one.metric, cut(one, number * span, (number + 1) * span)]));
      this.tiles.set(`${width} ${number}`, { askedMs, knownTo, series, usedMs: askedMs });
    }
    this.forgetOldest();
  }

  forgetOldest() {
    if (this.tiles.size <= MOST_TILES) return;
    const oldest = [...this.tiles].sort(([, a], [, b]) => a.usedMs - b.usedMs).slice(0, this.tiles.size - MOST_TILES);
    for (const [key] of oldest) this.tiles.delete(key);
  }

  /**
   * Hand over the stored buckets of [fromMs, toMs), and the nearest one before them.
   * @param {string} metric @param {number} fromMs @param {number} toMs @param {number} width
   * @param {import("./columns.js").ColumnsWriter} writer
   */
  write(metric, fromMs, toMs, width, writer) {
    const span = width * TILE_BUCKETS;
    const usedMs = this.now();
    for (let number = Math.floor((fromMs - width) / span); number * span < toMs; number += 1) {
      const tile = this.tiles.get(`${width} ${number}`);
      if (!tile) continue;
      tile.usedMs = usedMs;
      const series = tile.series.get(metric);
      if (!series) continue;
      const { t, min, mean, max, count } = series;
      for (let at = Math.max(0, firstAtOrAfter(t, fromMs) - 1); at < t.length && t[at] < toMs; at += 1) {
        writer.add(t[at], t[at] + width, min[at], mean[at], max[at], count[at]);
      }
    }
  }

  /** Drop everything that was kept or asked for: the metrics shown have changed. */
  clear() {
    this.controller.abort();
    this.controller = new AbortController();
    this.tiles.clear();
    this.coming.clear();
  }
}

/** Runs of neighbouring numbers, so that what lies together is asked for together. @param {number[]} numbers @returns {[number, number][]} */
function runs(numbers) {
  /** @type {[number, number][]} */
  const found = [];
  for (const number of numbers) {
    const last = found[found.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}

/** @param {StoredSeries} series @param {number} fromMs @param {number} toMs @returns {StoredSeries} */
function cut(series, fromMs, toMs) {
  const first = firstAtOrAfter(series.t, fromMs);
  const last = firstAtOrAfter(series.t, toMs);
  const part = (/** @type {number[]} */ list) => list.slice(first, last);
  const { metric, t, min, max, mean, count } = series;
  return { metric, t: part(t), min: part(min), max: part(max), mean: part(mean), count: part(count) };
}

/** @param {number[]} times ascending @param {number} time */
function firstAtOrAfter(times, time) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The fetch of a machine's stored series.
 * @param {string} url the machine's telemetry @param {() => string[]} metrics @param {string} units
 * @returns {Fetch}
 */
export function storedFetch(url, metrics, units) {
  return async ({ from, to, points, signal }) => {
    const query = new URLSearchParams({ from: String(from), to: String(to), points: String(points), metrics: metrics().join(",") });
    if (units) query.set("units", units);
    const response = await fetch(`${url}?${query}`, { signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (!response.ok) throw new Error(`history ${response.status}`);
    const answer = await response.json();
    return answer.metrics;
  };
}
