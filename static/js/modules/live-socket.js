// @ts-check
// One socket a page: watches are merged, lost connections come back with jitter, a gap is filled by a fresh snapshot,
// and a hidden tab watches nothing.

/** @typedef {{ machines: string[], metrics: string[] | null, history_s: number }} Watch */
/** @typedef {{ type: string, machine?: string, t?: number[], metrics?: Record<string, (number | null)[]>, [key: string]: any }} Message */
/** @typedef {"connecting" | "live" | "lost" | "ended"} ConnectionState */
/** @typedef {{ state: ConnectionState, sinceMs: number }} Connection */
/**
 * @typedef {object} Surroundings
 * @property {() => WebSocket} open
 * @property {() => number} now milliseconds
 * @property {() => number} random 0 to 1
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 */

const SIGNED_OUT = 4401;
const NOT_PERMITTED = 4403;
const TRY_AGAIN_LATER = 1013;
const BACK_OFF_MS = 500;
const BACK_OFF_MOST_MS = 15_000;
const CHECK_MS = 5_000;
const QUIET_MS = 20_000;
const ANSWER_MS = 8_000;
const EMPTY = Object.freeze({ machines: [], metrics: null, history_s: 0 });

/**
 * What one watch must ask so that every part of the page gets what it needs.
 * @param {Iterable<Watch>} watches
 * @returns {Watch}
 */
export function mergeWatches(watches) {
  /** @type {Set<string>} */
  const machines = new Set();
  /** @type {Set<string>} */
  const metrics = new Set();
  let all = false;
  let history_s = 0;
  for (const watch of watches) {
    if (watch.machines.length === 0) continue;
    for (const machine of watch.machines) machines.add(machine);
    if (watch.metrics === null) all = true;
    else for (const metric of watch.metrics) metrics.add(metric);
    history_s = Math.max(history_s, watch.history_s);
  }
  return { machines: [...machines].sort(), metrics: all ? null : [...metrics].sort(), history_s };
}

/**
 * How long to wait before the n-th attempt: doubling, with jitter so that a thousand browsers do not come at once.
 * @param {number} attempt 0 for the first
 * @param {number} random 0 to 1
 */
export function backOff(attempt, random) {
  return Math.min(BACK_OFF_MOST_MS, BACK_OFF_MS * 2 ** attempt) * (0.5 + random / 2);
}

/** @param {Surroundings} surroundings */
export function createLiveSocket({ open, now, random, later, cancel }) {
  /** @type {Map<object, { watch: Watch, receive: (message: Message) => void }>} */
  const watchers = new Map();
  /** @type {Map<string, Set<(message: any) => void>>} */
  const listeners = new Map();
  /** @type {WebSocket | null} */
  let socket = null;
  /** @type {Connection} */
  let connection = { state: "connecting", sinceMs: now() };
  let attempt = 0;
  let wasLive = false;
  let asleep = false;
  let sent = "";
  let heardMs = 0;
  let probedMs = 0;
  /** @type {any} */
  let retry = null;
  /** @type {any} */
  let check = null;
  /** @type {any} */
  let flush = null;

  /** @param {string} kind @param {any} message */
  function tell(kind, message) {
    for (const listener of listeners.get(kind) ?? []) listener(message);
  }

  /** @param {ConnectionState} state */
  function become(state) {
    if (connection.state === state) return;
    connection = { state, sinceMs: now() };
    tell("connection", connection);
  }

  function isOpen() {
    return socket !== null && socket.readyState === 1;
  }

  /** @param {boolean} [again] */
  function sendWatch(again = false) {
    if (!isOpen()) return;
    const watch = asleep ? EMPTY : mergeWatches([...watchers.values()].map((watcher) => watcher.watch));
    const text = JSON.stringify({ watch });
    if (text === sent && !again) return;
    sent = text;
    socket?.send(text);
  }

  function sendSoon() {
    cancel(flush);
    // Several parts of a page subscribe in the same moment; one message tells of all of them.
    flush = later(() => sendWatch(), 0);
  }

  /** @param {Message} message */
  function receive(message) {
    heardMs = now();
    probedMs = 0;
    attempt = 0;
    if (message.machine !== undefined && message.type !== "alert") {
      for (const { watch, receive: hand } of watchers.values()) {
        if (watch.machines.includes(message.machine)) hand(message);
      }
    }
    tell(message.type, message);
  }

  function opened() {
    sent = "";
    heardMs = now();
    probedMs = 0;
    become("live");
    sendWatch();
    // The first time, too: what was told between the page's making and now was told to nobody here.
    tell("opened", null);
    wasLive = true;
  }

  /** @param {number} code */
  function closed(code) {
    socket = null;
    if (code === SIGNED_OUT || code === NOT_PERMITTED) {
      become("ended");
      stop();
      return;
    }
    become("lost");
    if (code === TRY_AGAIN_LATER) attempt = Math.max(attempt, 2);
    cancel(retry);
    retry = later(connect, backOff(attempt, random()));
    attempt += 1;
  }

  function connect() {
    cancel(retry);
    if (socket) return;
    const opening = open();
    socket = opening;
    // A socket given up on may still report its end; only the present one counts.
    opening.onopen = () => opening === socket && opened();
    opening.onclose = (event) => opening === socket && closed(event.code);
    opening.onmessage = (event) => opening === socket && receive(JSON.parse(event.data));
  }

  function drop() {
    const dropped = socket;
    socket = null;
    dropped?.close();
    closed(0);
  }

  // A cable pulled out closes nothing: after a while without a word the watch is sent again, which is always answered.
  function checkUp() {
    check = later(checkUp, CHECK_MS);
    if (!isOpen() || asleep || watchers.size === 0) return;
    if (probedMs && now() - probedMs > ANSWER_MS) drop();
    else if (!probedMs && now() - heardMs > QUIET_MS) {
      probedMs = now();
      sendWatch(true);
    }
  }

  function stop() {
    cancel(retry);
    cancel(check);
    const stopping = socket;
    socket = null;
    stopping?.close();
  }

  return {
    start() {
      connect();
      cancel(check);
      check = later(checkUp, CHECK_MS);
    },
    stop,
    /** The network is back, or the page: do not wait for the next attempt. */
    retryNow() {
      if (connection.state === "ended" || isOpen()) return;
      attempt = 0;
      connect();
    },
    drop,
    /** @param {boolean} sleeping a hidden tab keeps its socket for alerts and watches nothing */
    sleep(sleeping) {
      if (asleep === sleeping) return;
      asleep = sleeping;
      sendWatch();
    },
    /**
     * @param {Watch} watch
     * @param {(message: Message) => void} hand gets snapshots, readings and states of these machines
     */
    watch(watch, hand) {
      const key = {};
      watchers.set(key, { watch, receive: hand });
      sendSoon();
      return () => {
        watchers.delete(key);
        sendSoon();
      };
    },
    /**
     * @param {string} kind alert, status, connection, opened, readings
     * @param {(message: any) => void} listener
     */
    on(kind, listener) {
      const same = listeners.get(kind) ?? new Set();
      listeners.set(kind, same.add(listener));
      return () => {
        same.delete(listener);
      };
    },
    get connection() {
      return connection;
    },
    /** Whether anything has ever been heard: a page from a cache shows what it was made with. */
    get everLive() {
      return wasLive;
    },
  };
}

/** @type {ReturnType<typeof createLiveSocket> | null} */
let ofPage = null;
const HIDDEN_GRACE_MS = 10_000;

/** The page's socket, opened by whoever asks first. */
export function liveSocket() {
  if (ofPage) return ofPage;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const live = createLiveSocket({
    open: () => new WebSocket(`${scheme}://${location.host}/ws/live`),
    now: () => Date.now(),
    random: Math.random,
    later: (run, ms) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer),
  });
  ofPage = live;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let hiding;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(() => live.sleep(true), HIDDEN_GRACE_MS);
    else {
      live.sleep(false);
      live.retryNow();
    }
  });
  addEventListener("online", () => live.retryNow());
  addEventListener("offline", () => live.drop());
  addEventListener("pagehide", () => live.stop());
  addEventListener("pageshow", (event) => event.persisted && live.start());
  live.start();
  return live;
}
