import assert from "node:assert/strict";
import { test } from "node:test";

import { following, lengthOf, panned, queryOf, settled, viewOf, windowOf, zoomed } from "../../static/js/charts/view.js";

const NOW = 1_790_000_000_000;
const HOUR = 3_600_000;

test("an address carries the view it was copied from", () => {
  const queries = ["", "?range=24h", "?range=90m", "?range=1y", "?from=1000&to=61000"];
  for (const view of queries.map(viewOf)) assert.deepEqual(viewOf(queryOf(view)), view);
  assert.deepEqual(viewOf("?range=24h"), { kind: "last", ms: 86_400_000, name: "24h" });
});

test("an address that makes no sense shows live", () => {
  for (const query of ["?range=900y", "?from=5&to=4", "?from=x&to=y", "?range=toString", "?range=0h", "?from=1&to=9e15"]) assert.deepEqual(viewOf(query), { kind: "live" });
});

test("a length is written as its button is", () => {
  for (const name of ["1h", "8h", "24h", "7d", "30d", "1y"]) assert.equal(queryOf(following(/** @type {number} */ (lengthOf(name)))), `?range=${name}`);
  assert.deepEqual(following(300_000), { kind: "live" });
});

test("to the past a view stands still, and back at now it follows again", () => {
  const past = panned({ kind: "live" }, -0.5, NOW);
  assert.deepEqual(past, { kind: "window", from: NOW - 450_000, to: NOW - 150_000 });
  assert.deepEqual(panned(past, 0.5, NOW), { kind: "live" });
  assert.deepEqual(panned(past, 7, NOW), { kind: "live" });
});

test("zooming around a place leaves it where it was", () => {
  const view = zoomed({ kind: "window", from: 1000 * HOUR, to: 1004 * HOUR }, 0.5, 0.25, NOW);
  assert.deepEqual(view, { kind: "window", from: 1000.5 * HOUR, to: 1002.5 * HOUR });
});

test("what follows now goes on to follow it when zoomed", () => {
  assert.deepEqual(zoomed({ kind: "last", ms: HOUR, name: "1h" }, 2, 0.5, NOW), { kind: "last", ms: 2 * HOUR, name: "2h" });
  assert.deepEqual(windowOf(zoomed({ kind: "live" }, 0.5, 0.1, NOW), NOW), [NOW - 150_000, NOW]);
});

test("no zoom leads to nothing or beyond ten years", () => {
  const [from, to] = windowOf(zoomed({ kind: "window", from: 1e12, to: 1e12 + 2000 }, 1e-6, 0.5, NOW), NOW);
  assert.equal(to - from, 1_000);
  const wide = windowOf(zoomed({ kind: "last", ms: 9 * 365 * 24 * HOUR, name: "9y" }, 100, 0.5, NOW), NOW);
  assert.equal(wide[1] - wide[0], 10 * 365 * 24 * HOUR);
});

test("a selection beyond now is cut off by following", () => {
  assert.equal(settled(NOW - HOUR, NOW + HOUR, NOW).kind, "last");
  assert.equal(settled(NOW - 2 * HOUR, NOW - HOUR, NOW).kind, "window");
});
