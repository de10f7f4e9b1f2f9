// The function node's state, made when the flow starts. `plan` comes from the benchmark: limits and who watches what.
const plan = global.get("plan");
const FRAME_EVERY_MS = 100;
const WRITE_EVERY_MS = plan.writeEveryMs;
const TELEMETRY = /^factories\/[^/]+\/devices\/([^/]+)\/telemetry$/;

let lines = [];
let unwritten = null; // the batch on its way to InfluxDB; kept until it is there
let retry = false;
let writtenAt = 0;
const beyond = new Set();
const watched = new Map(); // machine -> viewers' numbers
const waiting = new Map(); // machine -> {t, metrics}
const sentAt = new Map();
plan.watched.forEach((machines, viewer) =>
  machines.forEach((machine) => watched.set(machine, [...(watched.get(machine) || []), viewer])),
);

function take(topic, payload) {
  const machine = TELEMETRY.exec(topic)[1];
  const times = payload.timestamps;
  if (times === undefined) {
    takeOne(machine, payload.timestamp, payload.metrics);
    return;
  }
  const names = Object.keys(payload.metrics);
  for (let at = 0; at < times.length; at++) {
    const metrics = {};
    for (const name of names) metrics[name] = payload.metrics[name][at];
    takeOne(machine, times[at], metrics);
  }
}

function takeOne(machine, t, metrics) {
  const limits = plan.limits[machine];
  let fields = "";
  for (const name in metrics) {
    const value = metrics[name];
    fields += (fields ? "," : "") + name + "=" + value;
    if (limits !== undefined && limits[name] !== undefined) check(machine, name, value, limits[name], t);
  }
  lines.push("telemetry,machine=" + machine + plan.tags + " " + fields + " " + t);
  if (watched.has(machine)) show(machine, t, metrics);
}

function check(machine, name, value, limit, t) {
  const key = machine + "/" + name;
  const isBeyond = value > limit;
  if (isBeyond === beyond.has(key)) return;
  if (isBeyond) beyond.add(key);
  else beyond.delete(key);
  lines.push("alarms,machine=" + machine + ",metric=" + name + " beyond=" + isBeyond + ",value=" + value + " " + t);
}

function show(machine, t, metrics) {
  let frame = waiting.get(machine);
  if (frame === undefined) waiting.set(machine, (frame = { t: [], metrics: {} }));
  frame.t.push(t);
  for (const name in metrics) (frame.metrics[name] = frame.metrics[name] || []).push(metrics[name]);
}

// One message for InfluxDB, if one is due, and one for each viewer who has something to see.
function tick() {
  const now = Date.now();
  const outputs = [write(now), ...plan.watched.map(() => null)];
  for (const [machine, frame] of waiting) {
    if (now - (sentAt.get(machine) || 0) < FRAME_EVERY_MS - 5) continue;
    sentAt.set(machine, now);
    waiting.delete(machine);
    const text = '{"type":"readings","machine":"' + machine + '",' + JSON.stringify(frame).slice(1);
    for (const viewer of watched.get(machine)) {
      const output = outputs[viewer + 1];
      if (output === null) outputs[viewer + 1] = { payload: text };
      else output.payload += "\n" + text;
    }
  }
  return outputs;
}

function write(now) {
  if (unwritten !== null && !retry) return null;
  if (now - writtenAt < WRITE_EVERY_MS) return null;
  if (unwritten === null) {
    if (lines.length === 0) return null;
    unwritten = lines.join("\n");
    lines = [];
  }
  retry = false;
  writtenAt = now;
  return { payload: unwritten, headers: { "Content-Type": "text/plain" } };
}

function written(statusCode) {
  if (statusCode >= 200 && statusCode < 300) unwritten = null;
  else retry = true;
}

context.set("journey", { take, tick, written });
