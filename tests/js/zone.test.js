import assert from "node:assert/strict";
import { test } from "node:test";

import { offsetOf, zoneDate } from "../../static/js/charts/zone.js";

const HOUR = 3_600_000;

test("a zone's distance from UTC follows summer time to the minute", () => {
  const change = Date.UTC(2026, 2, 29, 1);
  assert.equal(offsetOf(change - 1, "Europe/Berlin"), HOUR);
  assert.equal(offsetOf(change, "Europe/Berlin"), 2 * HOUR);
  assert.equal(offsetOf(change, "Asia/Kathmandu"), 5.75 * HOUR);
  assert.equal(offsetOf(change, "UTC"), 0);
});

test("a date's own parts are those of the plant's clock, wherever the browser is", () => {
  const there = zoneDate("Asia/Tokyo")(Date.UTC(2026, 10, 22, 20, 30, 15, 250));
  assert.deepEqual([there.getFullYear(), there.getMonth(), there.getDate(), there.getHours(), there.getMinutes(), there.getSeconds(), there.getMilliseconds()], [2026, 10, 23, 5, 30, 15, 250]);
});

test("before the year 1970, and with fractions of milliseconds, it is no other", () => {
  const there = zoneDate("Europe/Berlin")(-0.5);
  assert.deepEqual([there.getFullYear(), there.getHours(), there.getMinutes()], [1970, 0, 59]);
});
