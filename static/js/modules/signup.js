// @ts-check
// The sign-up form: an address that follows the name until somebody writes one, checked while typing; the browser's time zone.

/** What NFKD leaves as it is, though people read it as a letter. */
const LETTERS = new Map([["ł", "l"], ["ø", "o"], ["ß", "ss"], ["æ", "ae"], ["đ", "d"], ["ð", "d"], ["þ", "th"]]);

/**
 * The address that a factory's name suggests; the server suggests the same where no script runs.
 * @param {string} name
 */
export function suggest(name) {
  return [...name.toLowerCase()]
    .map((sign) => LETTERS.get(sign) ?? sign)
    .join("")
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[-0-9]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "");
}

/** @param {HTMLSelectElement} zones */
function chooseZone(zones) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zones.value === "UTC" && [...zones.options].some((option) => option.value === zone)) zones.value = zone;
}

/** @param {HTMLElement} root */
export function mount(root) {
  const name = /** @type {HTMLInputElement} */ (root.querySelector("[name=name]"));
  const address = /** @type {HTMLInputElement} */ (root.querySelector("[name=address]"));
  const status = /** @type {HTMLElement} */ (root.querySelector("#address-status"));
  let own = address.value !== "" && address.value !== suggest(name.value);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  chooseZone(/** @type {HTMLSelectElement} */ (root.querySelector("[name=time_zone]")));

  const check = () => {
    clearTimeout(timer);
    timer = setTimeout(() => status.dispatchEvent(new Event("check-address")), 250);
  };
  const nameTyped = () => {
    if (own) return;
    address.value = suggest(name.value);
    check();
  };
  const addressTyped = () => {
    own = address.value !== "";
    check();
  };
  name.addEventListener("input", nameTyped);
  address.addEventListener("input", addressTyped);
  return () => {
    clearTimeout(timer);
    name.removeEventListener("input", nameTyped);
    address.removeEventListener("input", addressTyped);
  };
}
