// @ts-check
// The builder's form comes anew from the server after each choice. What was typed while that was on its way stays, and
// a button that was pressed then is pressed in the new form.

/** @param {HTMLElement} root */
export function mount(root) {
  /** @type {Map<string, string>} what was sent, by field */
  let sent = new Map();
  /** @type {Map<string, string>} what was typed since */
  let typed = new Map();
  let onItsWay = false;
  let pressed = "";

  /** @param {Event} event */
  const remember = (event) => {
    if (!isForm(event)) return;
    sent = values(root);
    onItsWay = true;
  };
  /** @param {Event} event */
  const press = (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[id][hx-target='#rule']") : null;
    if (onItsWay && button) pressed = button.id;
  };
  /** @param {Event} event */
  const giveUp = (event) => {
    if (!isForm(event)) return;
    onItsWay = false;
    pressed = "";
  };
  /** @param {Event} event */
  const compare = (event) => {
    if (!isForm(event)) return;
    // Places move when something is taken out: what was typed then would come to stand elsewhere.
    const deed = String(detail(event).requestConfig?.parameters?.do ?? "");
    const now = /^(remove|drop)/.test(deed) ? new Map() : values(root);
    typed = new Map([...now].filter(([name, value]) => sent.has(name) && sent.get(name) !== value));
  };
  /** @param {Event} event */
  const restore = (event) => {
    nameRegions(root);
    // The sentence beside it settles by itself.
    if (event.target instanceof Element && event.target.id !== "rule") return;
    onItsWay = false;
    const kept = typed;
    typed = new Map();
    for (const [id, value] of kept) {
      const field = document.getElementById(id);
      if (!isField(field) || valueOf(field) === value) continue;
      if (isTick(field)) field.checked = value === "on";
      else field.value = value;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    // What was typed may have asked for the form once more: then after that.
    if (onItsWay || !pressed) return;
    const button = document.getElementById(pressed);
    pressed = "";
    button?.click();
  };

  nameRegions(root);
  root.addEventListener("htmx:beforeRequest", remember);
  root.addEventListener("htmx:beforeSwap", compare);
  root.addEventListener("htmx:afterSettle", restore);
  root.addEventListener("click", press, true);
  root.addEventListener("htmx:responseError", giveUp);
  root.addEventListener("htmx:sendError", giveUp);
  return () => {
    root.removeEventListener("htmx:beforeRequest", remember);
    root.removeEventListener("htmx:beforeSwap", compare);
    root.removeEventListener("htmx:afterSettle", restore);
    root.removeEventListener("click", press, true);
    root.removeEventListener("htmx:responseError", giveUp);
    root.removeEventListener("htmx:sendError", giveUp);
  };
}

/** @param {Event} event @returns {{ target?: Element, requestConfig?: { parameters?: Record<string, unknown> } }} */
function detail(event) {
  return event instanceof CustomEvent ? event.detail : {};
}

/** Whether the whole form is asked for, and not its sentence or its past. @param {Event} event */
function isForm(event) {
  return detail(event).target?.id === "rule";
}

/** @param {HTMLElement} root @returns {Map<string, string>} */
function values(root) {
  const fields = [...root.querySelectorAll("input[id], select[id], textarea[id]")].filter(isField);
  return new Map(fields.map((field) => [field.id, valueOf(field)]));
}

/** @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} field */
function valueOf(field) {
  return isTick(field) ? (field.checked ? "on" : "") : field.value;
}

/** @param {Element} field @returns {field is HTMLInputElement} */
function isTick(field) {
  return field instanceof HTMLInputElement && field.type === "checkbox";
}

/** @param {Element | null} field @returns {field is HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} */
function isField(field) {
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement;
}

/**
 * Countries by their names in the page's language, beside their codes: the browser knows them all.
 * @param {HTMLElement} root
 */
function nameRegions(root) {
  const names = new Intl.DisplayNames([document.documentElement.lang || "en"], { type: "region", fallback: "none" });
  for (const select of root.querySelectorAll("select[data-regions]")) {
    for (const option of select.querySelectorAll("option")) {
      const name = /^[A-Z]{2}$/.test(option.value) ? names.of(option.value) : undefined;
      if (name) option.textContent = `${name} (${option.value})`;
    }
  }
}
