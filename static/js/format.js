// @ts-check
// Numbers, ages and clock times for people; telemetry/figures.py writes the same, and one table tests both.

const GROUP = "\u202f";
const GERMAN = typeof document !== "undefined" && document.documentElement.lang.startsWith("de");

/**
 * Three significant digits and never fewer than the whole number; a dash where there is nothing.
 * @param {number | null | undefined} value @param {boolean} [german] whether the decimal mark is a comma
 */
export function figure(value, german = GERMAN) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4 || size >= 1e9) return value.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2").replace(".", german ? "," : ".");
  const rounded = size < 1000 ? Number(value.toPrecision(3)) : Math.sign(value) * Math.floor(size + 0.5);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  const [whole, fraction] = rounded.toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, GROUP);
  return fraction ? `${grouped}${german ? "," : "."}${fraction}` : grouped;
}

/**
 * With so many decimals, whatever they say.
 * @param {number} value @param {number} decimals @param {boolean} [german]
 */
export function fixed(value, decimals, german = GERMAN) {
  const [whole, fraction] = (value || 0).toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, GROUP);
  return fraction ? `${grouped}${german ? "," : "."}${fraction}` : grouped;
}

/**
 * A length of time in its largest sensible unit.
 * @param {number} seconds
 */
export function age(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * The plant's clock at an instant.
 * @param {number} ms epoch milliseconds
 * @param {string} zone IANA name
 * @param {{ day?: boolean, seconds?: boolean }} [show]
 */
export function clockTime(ms, zone, { day = false, seconds = true } = {}) {
  const key = `${zone} ${day} ${seconds}`;
  let format = formats.get(key);
  if (!format) {
    /** @type {Intl.DateTimeFormatOptions} */
    const options = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (seconds) options.second = "2-digit";
    if (day) Object.assign(options, { day: "numeric", month: "short" });
    format = new Intl.DateTimeFormat(document.documentElement.lang === "de" ? "de-DE" : "en-GB", options);
    formats.set(key, format);
  }
  return format.format(ms);
}
