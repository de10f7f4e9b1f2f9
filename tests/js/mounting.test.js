import assert from "node:assert/strict";
import { test } from "node:test";

import { createMounter } from "../../static/js/mounting.js";

class FakeElement {
  /** @param {string} name @param {FakeElement[]} [children] */
  constructor(name, children = []) {
    this.dataset = { module: name };
    this.children = children;
    /** @type {string[]} */
    this.told = [];
  }

  /** @param {Event} event */
  dispatchEvent(event) {
    this.told.push(event.type);
  }

  querySelectorAll() {
    return this.children;
  }
}
// @ts-ignore: a stand-in for the browser's own
globalThis.HTMLElement = FakeElement;

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test("a module is mounted once and cleaned up once", async () => {
  /** @type {string[]} */
  const log = [];
  const mounter = createMounter(async (name) => ({
    mount: () => {
      log.push(`mount ${name}`);
      return () => log.push(`clean ${name}`);
    },
  }));
  const child = new FakeElement("fleet");
  const root = /** @type {any} */ (new FakeElement("", [child]));
  mounter.mountAll(root);
  mounter.mountAll(root);
  await settled();
  mounter.unmount(/** @type {any} */ (child));
  await settled();
  assert.deepEqual(log, ["mount fleet", "clean fleet"]);
  assert.equal(mounter.size, 0);
});

test("what was swapped out while its module was loading is not mounted", async () => {
  let mounts = 0;
  const mounter = createMounter(async () => ({ mount: () => void (mounts += 1) }));
  const element = /** @type {any} */ (new FakeElement("fleet"));
  mounter.mountAll(element);
  mounter.unmount(element);
  await settled();
  assert.equal(mounts, 0);
});

test("a name that is no name loads nothing", async () => {
  /** @type {string[]} */
  const loaded = [];
  const mounter = createMounter(async (name) => {
    loaded.push(name);
    return { mount: () => {} };
  });
  for (const name of ["../secret", "https://evil", "", "A"]) mounter.mountAll(/** @type {any} */ (new FakeElement(name)));
  await settled();
  assert.deepEqual(loaded, []);
});

test("an element says that its module is there, and also that it never will be", async () => {
  const log = console.error;
  console.error = () => {};
  try {
    const good = new FakeElement("fleet");
    const bad = new FakeElement("broken");
    const mounter = createMounter(async (name) => {
      if (name === "broken") throw new Error("not found");
      return { mount: () => {} };
    });
    mounter.mountAll(/** @type {any} */ (new FakeElement("", [good, bad])));
    assert.ok(!("mounted" in good.dataset));
    await settled();
    for (const element of [good, bad]) {
      assert.deepEqual(element.told, ["module-mounted"]);
      assert.ok("mounted" in element.dataset);
    }
  } finally {
    console.error = log;
  }
});
