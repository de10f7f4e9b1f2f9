import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { suggest } from "../../static/js/modules/signup.js";

/** @type {[string, string][]} */
const ADDRESSES = JSON.parse(readFileSync(new URL("addresses.json", import.meta.url), "utf8"));

for (const [name, address] of ADDRESSES) {
  test(`“${name}” suggests “${address}”, as on the server`, () => assert.equal(suggest(name), address));
}
