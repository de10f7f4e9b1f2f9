import assert from "node:assert/strict";
import { test } from "node:test";

test("the server's clock counts from when the page arrived, not from when its scripts run", async (context) => {
  // The page was made an hour ahead of this device's clock, and took three seconds from its first byte to its scripts.
  const arrived = Date.now() - 3_000;
  Object.assign(globalThis, { document: { body: { dataset: { nowMs: String(arrived + 3_600_000) } } } });
  context.mock.method(performance, "getEntriesByType", () => [{ responseStart: arrived - performance.timeOrigin }]);
  const { serverNow } = await import("../../static/js/clock.js");
  assert.ok(Math.abs(serverNow() - (Date.now() + 3_600_000)) < 100);
});
