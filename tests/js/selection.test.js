// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { createSelection } from "../../static/js/selection.js";

test("what is chosen outlives the rows, and what has left the list is let go", () => {
  const selection = createSelection();
  for (const id of ["1", "2", "3"]) selection.set(id, true);
  selection.set("2", false);
  assert.deepEqual(selection.values(), ["1", "3"]);
  selection.keep(["3", "4"]);
  assert.deepEqual([selection.size, selection.has("3"), selection.has("1"), selection.has("4")], [1, true, false, false]);
  selection.clear();
  assert.equal(selection.size, 0);
});
