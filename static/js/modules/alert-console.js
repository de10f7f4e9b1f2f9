// @ts-check
// The list as a tool: choose several alerts, move by keys, do with them what the dialogs ask. What is chosen and where one
// stands outlive every refresh of the list.

import { createAlarmSound } from "../alarm-sound.js";
import { createKeySwitch } from "../key-switch.js";
import { createSelection } from "../selection.js";
import { liveSocket } from "./live-socket.js";

const DIALOGS = new Set(["shelve", "comment", "close"]);
const SHOUTING = "active_unacknowledged";

/** @param {HTMLElement} root */
export function mount(root) {
  const list = /** @type {HTMLElement} */ (root.querySelector("#alert-list"));
  const bulk = /** @type {HTMLElement | null} */ (root.querySelector("[data-bulk]"));
  const words = /** @type {HTMLElement | null} */ (root.querySelector("[data-words]"))?.dataset ?? {};
  const selection = createSelection();
  /** What the open dialog is about. @type {{ ids: string[], storm: string, count: number }} */
  let about = { ids: [], storm: "", count: 0 };
  let here = "";
  let heldFocus = false;

  const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".alert[id]")]);
  const boxes = () => /** @type {HTMLInputElement[]} */ ([...list.querySelectorAll("[data-select]")]);
  const row = () => rows().find((each) => each.id === here);

  function show() {
    for (const box of boxes()) {
      box.checked = selection.has(box.value);
      box.closest(".alert")?.classList.toggle("alert--chosen", box.checked);
    }
    for (const each of rows()) each.classList.toggle("alert--here", each.id === here);
    if (bulk) {
      bulk.hidden = selection.size === 0;
      /** @type {HTMLElement} */ (bulk.querySelector("[data-count]")).textContent = String(selection.size);
    }
  }

  /** @param {number} step */
  function move(step) {
    const all = rows();
    if (all.length === 0) return;
    const at = all.findIndex((each) => each.id === here);
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))];
    here = next.id;
    show();
    /** @type {HTMLElement | null} */ (next.querySelector("[data-open]"))?.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  /** What a deed is done to: the row of the button; else what is chosen; else where one stands.
   * @param {Element | null} button */
  function meant(button) {
    const of = /** @type {HTMLElement | null} */ (button?.closest(".alert") ?? null);
    if (of?.dataset.storm) return { ids: [], storm: of.dataset.storm, count: Number(of.dataset.alerts) };
    if (of?.dataset.alert) return { ids: [of.dataset.alert], storm: "", count: 1 };
    if (selection.size > 0) return { ids: selection.values(), storm: "", count: selection.size };
    const current = row();
    if (current?.dataset.storm) return { ids: [], storm: current.dataset.storm, count: Number(current.dataset.alerts) };
    return { ids: current?.dataset.alert ? [current.dataset.alert] : [], storm: "", count: current ? 1 : 0 };
  }

  /** @param {string} deed @param {Element | null} button */
  function begin(deed, button) {
    const form = /** @type {HTMLFormElement | null} */ (root.querySelector(`[data-deed-form="${deed}"]`));
    const asked = meant(button);
    if (!form || asked.count === 0) return;
    about = asked;
    if (!DIALOGS.has(deed)) {
      form.requestSubmit();
      return;
    }
    const said = asked.storm ? words.storm : asked.count === 1 ? words.one : words.many;
    /** @type {HTMLElement} */ (form.querySelector("[data-about]")).textContent = (said ?? "").replace("#", String(asked.count));
    form.reset();
    const dialog = /** @type {HTMLDialogElement | null} */ (form.closest("dialog"));
    if (dialog && !dialog.open) dialog.showModal();
    /** @type {HTMLElement | null} */ (form.querySelector("input:not([type=hidden]), textarea"))?.focus();
  }

  /** @param {Event} event */
  const click = (event) => {
    const target = /** @type {Element} */ (event.target);
    const button = target.closest("[data-deed]");
    if (button) begin(/** @type {HTMLElement} */ (button).dataset.deed ?? "", button.closest("[data-bulk]") ? null : button);
    if (target.closest("[data-clear]")) clear();
    if (target.closest("[data-sound]")) sound.toggle();
  };
  /** @param {Event} event */
  const change = (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (!box.matches("[data-select]")) return;
    selection.set(box.value, box.checked);
    here = box.closest(".alert")?.id ?? here;
    show();
  };
  function clear() {
    selection.clear();
    show();
  }
  function all() {
    const shown = boxes();
    const every = shown.length > 0 && shown.every((box) => box.checked);
    for (const box of shown) selection.set(box.value, !every);
    show();
  }

  /** @type {Record<string, () => void>} */
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    o: () => /** @type {HTMLAnchorElement | null} */ (row()?.querySelector("[data-open]"))?.click(),
    x: () => /** @type {HTMLInputElement | null} */ (row()?.querySelector("[data-select]"))?.click(),
    "*": all,
    a: () => begin("acknowledge", null),
    c: () => begin("comment", null),
    s: () => begin("shelve", null),
    e: () => begin("close", null),
    Escape: clear,
    "/": () => /** @type {HTMLElement | null} */ (root.querySelector("#search"))?.focus(),
    "?": () => /** @type {HTMLDialogElement | null} */ (root.querySelector("#keys"))?.showModal(),
  };
  /** @param {KeyboardEvent} event */
  const press = (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const writing = target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const deed = keys[event.key];
    if (!deed || (event.key !== "Escape" && !keySwitch.on)) return;
    event.preventDefault();
    deed();
  };

  /** Tells the server which alerts a form is about. @param {Event} event */
  const configure = (event) => {
    const { elt, parameters } = /** @type {CustomEvent} */ (event).detail;
    if (!(elt instanceof HTMLElement) || !elt.dataset.deedForm) return;
    if (about.storm) parameters.group = about.storm;
    else parameters.ids = about.ids;
  };
  const handled = () => {
    /** @type {HTMLDialogElement | null} */ (root.querySelector("dialog[open]"))?.close();
    for (const id of about.ids) selection.set(id, false);
    show();
  };
  const beforeSwap = () => {
    heldFocus = list.contains(document.activeElement) && document.activeElement?.closest(".alert")?.id === here;
  };
  const afterSwap = () => {
    // What has left the list is no longer chosen: nobody acts on what they can't see.
    selection.keep(boxes().map((box) => box.value));
    show();
    if (heldFocus && !list.contains(document.activeElement)) /** @type {HTMLElement | null} */ (row()?.querySelector("[data-open]"))?.focus({ preventScroll: true });
  };

  const keySwitch = createKeySwitch(/** @type {HTMLInputElement | null} */ (root.querySelector("[data-keys-on]")));
  const sound = createAlarmSound(/** @type {HTMLElement | null} */ (root.querySelector("[data-sound]")));
  const off = liveSocket().on("alert", ({ event, alert }) => {
    if (alert?.state === SHOUTING && ["raised", "released", "unshelved", "restored"].includes(event)) sound.play(alert.severity);
  });
  root.addEventListener("click", click);
  root.addEventListener("change", change);
  document.addEventListener("keydown", press);
  root.addEventListener("htmx:configRequest", configure);
  document.body.addEventListener("alerts-handled", handled);
  list.addEventListener("htmx:beforeSwap", beforeSwap);
  list.addEventListener("htmx:afterSwap", afterSwap);
  show();
  return () => {
    off();
    sound.stop();
    keySwitch.stop();
    root.removeEventListener("click", click);
    root.removeEventListener("change", change);
    document.removeEventListener("keydown", press);
    root.removeEventListener("htmx:configRequest", configure);
    document.body.removeEventListener("alerts-handled", handled);
    list.removeEventListener("htmx:beforeSwap", beforeSwap);
    list.removeEventListener("htmx:afterSwap", afterSwap);
  };
}
