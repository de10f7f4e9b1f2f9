import assert from "node:assert/strict";
import { test } from "node:test";

import { countText } from "../../static/js/modules/inbox.js";

test("the count beside the bell fits there, however much is unread", () => {
  assert.equal(countText(1), "1");
  assert.equal(countText(99), "99");
  assert.equal(countText(100), "99+");
});
