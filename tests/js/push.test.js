// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { keyBytes } from "../../static/js/modules/push.js";

test("the installation's key comes back as the bytes of a point, without padding and with both strange letters", () => {
  const point = Buffer.from([4, ...Array.from({ length: 64 }, (_, index) => 255 - index)]);
  assert.deepEqual(Buffer.from(keyBytes(point.toString("base64url"))), point);
  assert.deepEqual([...keyBytes("-_8")], [251, 255]);
});
