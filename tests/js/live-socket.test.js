import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { backOff, createLiveSocket, mergeWatches } from "../../static/js/modules/live-socket.js";

/** @type {any[]} */
let sockets = [];
let now = 0;
/** @type {{ run: () => void, at: number, gone: boolean }[]} */
let timers = [];

/** Lets time pass; timers run in their order. @param {number} ms */
function pass(ms) {
  const until = now + ms;
  for (;;) {
    const next = timers.filter((timer) => !timer.gone && timer.at <= until).sort((a, b) => a.at - b.at)[0];
    if (!next) break;
    next.gone = true;
    now = Math.max(now, next.at);
    next.run();
  }
  now = until;
}

function live() {
  const socket = createLiveSocket({
    open: () => {
      const one = { readyState: 0, sent: /** @type {any[]} */ ([]), send: (/** @type {string} */ text) => one.sent.push(JSON.parse(text)), close: () => (one.readyState = 3) };
      sockets.push(one);
      return /** @type {any} */ (one);
    },
    now: () => now,
    random: () => 1,
    later: (run, ms) => {
      const timer = { run, at: now + ms, gone: false };
      timers.push(timer);
      return timer;
    },
    cancel: (timer) => {
      if (timer) timer.gone = true;
    },
  });
  socket.start();
  return socket;
}

function accept() {
  const one = sockets[sockets.length - 1];
  one.readyState = 1;
  one.onopen();
  return one;
}

/** @param {any} one @param {object} message */
const say = (one, message) => one.onmessage({ data: JSON.stringify(message) });
const M01 = { machines: ["M01"], metrics: ["vibration"], history_s: 300 };

beforeEach(() => {
  sockets = [];
  timers = [];
  now = 0;
});

test("watches of a page become one", () => {
  const merged = mergeWatches([M01, { machines: ["M02", "M01"], metrics: ["flow"], history_s: 60 }]);
  assert.deepEqual(merged, { machines: ["M01", "M02"], metrics: ["flow", "vibration"], history_s: 300 });
  assert.equal(mergeWatches([M01, { ...M01, metrics: null }]).metrics, null);
});

test("attempts come ever later, up to a bound, with jitter", () => {
  assert.deepEqual([0, 1, 2, 9].map((attempt) => backOff(attempt, 1)), [500, 1000, 2000, 15_000]);
  assert.equal(backOff(0, 0), 250);
});

test("several parts that subscribe at once are one message", () => {
  const socket = live();
  const one = accept();
  socket.watch(M01, () => {});
  socket.watch({ ...M01, machines: ["M02"] }, () => {});
  pass(1);
  assert.deepEqual(one.sent.slice(-1)[0].watch.machines, ["M01", "M02"]);
  assert.equal(one.sent.length, 2, "the empty watch at the opening, then one");
});

test("a message reaches those who watch its machine, an alert everybody", () => {
  const socket = live();
  /** @type {any[]} */
  const heard = [];
  socket.watch(M01, (message) => heard.push(message.machine));
  socket.on("alert", (message) => heard.push(message.event));
  const one = accept();
  say(one, { type: "readings", machine: "M01", t: [1], metrics: { vibration: [2] } });
  say(one, { type: "readings", machine: "M02", t: [1], metrics: {} });
  say(one, { type: "alert", event: "raised", alert: { machine: "M02" } });
  assert.deepEqual(heard, ["M01", "raised"]);
});

test("a lost connection comes back and asks for its watch again", () => {
  const socket = live();
  socket.watch(M01, () => {});
  let opened = 0;
  socket.on("opened", () => (opened += 1));
  const first = accept();
  assert.equal(opened, 1);
  first.onclose({ code: 1006 });
  assert.equal(socket.connection.state, "lost");
  pass(499);
  assert.equal(sockets.length, 1);
  pass(1);
  const second = accept();
  assert.equal(socket.connection.state, "live");
  assert.deepEqual(second.sent[0].watch, M01);
  assert.equal(opened, 2);
});

test("signed out, it does not come back", () => {
  const socket = live();
  accept().onclose({ code: 4401 });
  pass(60_000);
  assert.equal(socket.connection.state, "ended");
  assert.equal(sockets.length, 1);
});

test("a hidden tab watches nothing and gets a snapshot when it is seen again", () => {
  const socket = live();
  socket.watch(M01, () => {});
  const one = accept();
  socket.sleep(true);
  assert.deepEqual(one.sent.slice(-1)[0].watch.machines, []);
  socket.sleep(false);
  assert.deepEqual(one.sent.slice(-1)[0].watch, M01);
});

test("a cable pulled out is noticed: the watch is repeated, and without an answer the socket is given up", () => {
  const socket = live();
  socket.watch(M01, () => {});
  const one = accept();
  const before = one.sent.length;
  pass(25_000);
  assert.equal(one.sent.length, before + 1);
  pass(15_000);
  assert.equal(one.readyState, 3);
  assert.ok(sockets.length > 1);
});

test("an answer to the repeated watch keeps the socket", () => {
  const socket = live();
  socket.watch(M01, () => {});
  const one = accept();
  pass(25_000);
  say(one, { type: "snapshot", machine: "M01", t: [], metrics: {} });
  pass(15_000);
  assert.equal(sockets.length, 1);
});

test("the end of a socket that was given up is not the end of its successor", () => {
  const socket = live();
  const first = accept();
  socket.drop();
  socket.retryNow();
  accept();
  first.onclose({ code: 1006 });
  assert.equal(socket.connection.state, "live");
});
