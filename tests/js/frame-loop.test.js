import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createFrameLoop } from "../../static/js/charts/frame-loop.js";

/** @type {((time: number) => void)[]} */
let asked = [];
let now = 0;
const loop = () => createFrameLoop({ request: (run) => asked.push(run), now: () => now });
const frame = () => {
  now += 16;
  for (const run of asked.splice(0)) run(now);
};

beforeEach(() => {
  asked = [];
  now = 0;
});

test("however often something changes, it is drawn once a frame", () => {
  const frames = loop();
  let drawn = 0;
  const key = {};
  frames.add(key, () => (drawn += 1));
  for (let at = 0; at < 100; at += 1) frames.mark(key);
  assert.equal(asked.length, 1);
  frame();
  assert.equal(drawn, 1);
});

test("nothing changed, no frame is asked for", () => {
  const frames = loop();
  frames.add({}, () => {});
  frame();
  assert.equal(asked.length, 0);
});

test("what is off the screen is drawn when it comes into view", () => {
  const frames = loop();
  let drawn = 0;
  const key = {};
  frames.add(key, () => (drawn += 1));
  frame();
  frames.show(key, false);
  frames.mark(key);
  assert.equal(asked.length, 0);
  frames.show(key, true);
  frame();
  assert.equal(drawn, 2);
});

test("on a slow device frames are left out instead of piling up", () => {
  const frames = loop();
  let drawn = 0;
  const key = {};
  frames.add(key, () => {
    drawn += 1;
    now += 40;
  });
  frame();
  frames.mark(key);
  frame();
  assert.equal(drawn, 1, "still resting");
  frame();
  frame();
  assert.equal(drawn, 2);
});

test("charts that become due together share the frames, and each gets its turn", () => {
  const frames = loop();
  /** @type {number[]} */
  const drawn = [];
  for (let chart = 0; chart < 8; chart += 1) {
    frames.add({ chart }, () => {
      drawn.push(chart);
      now += 4;
    });
  }
  frame();
  assert.ok(drawn.length < 8, "one frame does not draw all");
  for (let at = 0; at < 8; at += 1) frame();
  assert.deepEqual([...new Set(drawn)].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(drawn.length, 8, "each once, as each was due once");
});

test("a hidden tab asks for no frames, and draws what is due when it is shown", () => {
  let hidden = true;
  let drawn = 0;
  const frames = createFrameLoop({ request: (run) => asked.push(run), now: () => now, hidden: () => hidden });
  const key = {};
  frames.add(key, () => (drawn += 1));
  frames.mark(key);
  assert.equal(asked.length, 0);
  hidden = false;
  frames.wake();
  frame();
  assert.equal(drawn, 1);
});
