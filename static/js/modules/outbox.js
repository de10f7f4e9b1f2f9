// @ts-check
// An acknowledgement without a network is kept, said to be kept, and sent when the network is back; what came of it is
// said too, also when somebody else was faster.

import { serverNow } from "../clock.js";
import { clockTime } from "../format.js";
import { drop, keep, kept } from "../outbox-store.js";
import { outcomeOf } from "../sending.js";
import { liveSocket } from "./live-socket.js";
import { toast } from "./toasts.js";

const PATH = /\/alerts\/(\d+)\/acknowledge$/;
const AGAIN_MS = 30_000;

/** @param {HTMLElement} root */
export function mount(root) {
  const live = liveSocket();
  const person = document.body.dataset.personKey ?? "";
  const zone = document.body.dataset.zone ?? "UTC";
  const words = (/** @type {string} */ name) => root.getAttribute(`data-text-${name}`) ?? "";
  let sending = false;

  const show = async () => {
    const own = (await kept()).filter((one) => one.person === person);
    root.textContent = own.length ? words("waiting").replace("{count}", String(own.length)) : "";
    root.toggleAttribute("hidden", own.length === 0);
  };
  /** @param {number} alert @param {string} comment @param {Element | null} button */
  const put = async (alert, comment, button) => {
    await keep({ alert, comment, atMs: serverNow(), person });
    button?.toggleAttribute("disabled", true);
    toast(words("kept"), { level: "info" });
    await show();
  };
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const alert = alertOf(form.action);
    if (alert === null || (navigator.onLine && live.connection.state === "live")) return;
    if (navigator.onLine && form.hasAttribute("hx-post")) return; // HTMX tries, and says when it failed
    event.preventDefault();
    event.stopImmediatePropagation();
    void put(alert, String(new FormData(form).get("comment") ?? ""), form.querySelector("[type=submit]"));
  };
  /** @param {Event} event */
  const failed = (event) => {
    const { requestConfig, elt } = /** @type {CustomEvent} */ (event).detail;
    const alert = alertOf(requestConfig?.path ?? "");
    if (alert === null) return;
    const comment = requestConfig.formData?.get("comment") ?? "";
    void put(alert, String(comment), elt.matches("button") ? elt : elt.querySelector("[type=submit]"));
  };
  const send = async () => {
    if (sending || !navigator.onLine) return;
    sending = true;
    try {
      for (const one of await kept()) {
        // Somebody else's, from before they signed in here: not ours to send, and not to be kept.
        if (one.person !== person) await drop(/** @type {number} */ (one.id));
        else if (!(await sendOne(one))) break;
      }
    } finally {
      sending = false;
      await show();
    }
  };
  /** @param {import("../outbox-store.js").Waiting} one */
  const sendOne = async (one) => {
    const pressed = clockTime(one.atMs, zone);
    const sentMs = serverNow();
    const late = words("late").replace("{time}", pressed);
    const answer = await post(one.alert, one.comment ? `${one.comment}\n${late}` : late);
    const outcome = outcomeOf(answer, { person: document.body.dataset.person ?? "", sentMs });
    if (outcome === "later") return false;
    await drop(/** @type {number} */ (one.id));
    const said = words(outcome).replace("{who}", answer.by ?? "").replace("{time}", answer.atMs ? clockTime(answer.atMs, zone) : pressed);
    toast(said, { level: outcome === "sent" ? "success" : "warning" });
    document.body.dispatchEvent(new CustomEvent("refresh-alerts"));
    return true;
  };

  document.addEventListener("submit", submit, true);
  document.body.addEventListener("htmx:sendError", failed);
  addEventListener("online", send);
  const off = live.on("connection", ({ state }) => state === "live" && void send());
  const timer = setInterval(() => !document.hidden && !root.hidden && void send(), AGAIN_MS);
  void send();
  return () => {
    document.removeEventListener("submit", submit, true);
    document.body.removeEventListener("htmx:sendError", failed);
    removeEventListener("online", send);
    clearInterval(timer);
    off();
  };
}

/** @param {string} address @returns {number | null} */
function alertOf(address) {
  const found = PATH.exec(new URL(address, location.href).pathname);
  return found ? Number(found[1]) : null;
}

/**
 * @param {number} alert @param {string} comment
 * @returns {Promise<import("../sending.js").Answer>}
 */
async function post(alert, comment) {
  const headers = { "Content-Type": "application/json", ...JSON.parse(document.body.getAttribute("hx-headers") ?? "{}") };
  const body = JSON.stringify({ comment: comment.slice(0, 2000) });
  const answer = await fetch(`/api/v1/alerts/${alert}/acknowledge`, { method: "POST", headers, body }).catch(() => null);
  if (!answer) return { status: 0 };
  const said = await answer.json().catch(() => ({}));
  return { status: answer.status, by: said.acknowledged_by, atMs: said.acknowledged_at ? Date.parse(said.acknowledged_at) : null };
}
