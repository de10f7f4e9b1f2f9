import assert from "node:assert/strict";
import { test } from "node:test";

import { queryOf, viewOf } from "../../static/js/modules/range-control.js";

test("an address carries the view it was copied from", () => {
  for (const view of [viewOf("?range=24h"), viewOf("?from=1000&to=61000"), viewOf("")]) assert.deepEqual(viewOf(queryOf(view)), view);
  assert.deepEqual(viewOf("?range=24h"), { kind: "last", ms: 86_400_000, name: "24h" });
});

test("an address that makes no sense shows live", () => {
  for (const query of ["?range=9y", "?from=5&to=4", "?from=x&to=y", "?range=toString"]) assert.deepEqual(viewOf(query), { kind: "live" });
});
