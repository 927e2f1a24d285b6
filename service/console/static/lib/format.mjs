// @ts-check
/** Numbers, durations and names in words. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** @param {number | null | undefined | string} value @param {number} [digits] */
export function number(value, digits = 4) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "string") return value; // "Infinity" of JSON
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(Math.max(0, digits - 2));
  return Number(value.toPrecision(digits)).toLocaleString("en-US", { maximumFractionDigits: 8 });
}

/** @param {number | null | undefined} n */
export function bytes(n) {
  if (n === null || n === undefined) return "–";
  let i = 0;
  let left = n;
  while (left >= 1000 && i < UNITS.length - 1) {
    left /= 1000;
    i += 1;
  }
  return `${i === 0 ? left : left.toPrecision(3)} ${UNITS[i]}`;
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** Time since then. @param {number | null | undefined} at seconds since 1970 @param {number} [now] */
export function age(at, now = Date.now() / 1000) {
  return at === null || at === undefined ? "–" : `${duration(Math.max(0, now - at))} ago`;
}

/** `validation_log_prob_nats_exact`: what it is and its unit. @param {string} name */
export function words(name) {
  return name.replace(/_/g, " ");
}

/** @param {number} n @param {string} one @param {string} [many] */
export function count(n, one, many = `${one}s`) {
  return `${number(n)} ${n === 1 ? one : many}`;
}
