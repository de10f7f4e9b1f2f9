import assert from "node:assert/strict";
import { test } from "node:test";

import { markAt, titleOf } from "../../static/js/charts/mark-at.js";

const alert = { id: 1, kind: /** @type {const} */ ("alert"), from: 1_000, to: 2_000, severity: "high", title: "Too hot", metrics: ["temp"] };
const lasting = { ...alert, id: 2, from: 1_500, to: null, title: "Vibration above normal", metrics: [] };
const maintenance = { ...alert, id: 3, kind: /** @type {const} */ ("maintenance"), from: 0, to: 9_000, title: "Maintenance: new belt", metrics: [] };

test("the mark under the cursor is told, an alert before maintenance and the latest before others", () => {
  const marks = [maintenance, alert, lasting];
  assert.equal(markAt(marks, "temp", 500, 0)?.id, 3);
  assert.equal(markAt(marks, "temp", 1_200, 0)?.id, 1);
  assert.equal(markAt(marks, "temp", 1_700, 0)?.id, 2);
  assert.equal(markAt([maintenance], "temp", 9_001, 0), null);
});

test("an alert that other metrics explain is not told at this one", () => assert.equal(markAt([alert], "flow", 1_200, 0), null));

test("an alert shorter than a column is found in it", () => {
  assert.equal(markAt([alert], "temp", 2_400, 300), null);
  assert.equal(markAt([alert], "temp", 2_400, 500)?.id, 1);
});

test("an alert that the socket tells of is called as the page's language calls it", () => {
  const told = { title: "Silent", evidence: { said: { de: { title: "Stumm" } } } };
  assert.deepEqual([titleOf(told, "de"), titleOf(told, "en"), titleOf({ title: "Silent" }, "de")], ["Stumm", "Silent", "Silent"]);
});
