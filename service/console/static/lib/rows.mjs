// @ts-check
/**
 * Rows as people give them: pasted as JSON or csv, or dropped as csv, json, npy or png.
 *
 * @typedef {{ x: any[] } | { records: Record<string, any>[] }} Rows
 */
import { read } from "./npy.mjs";

/** Typed numbers as nested lists of a shape. @param {ArrayLike<number>} values @param {number[]} shape @returns {any} */
export function nested(values, shape) {
  const [n = 0, ...rest] = shape;
  if (rest.length === 0) return Array.from({ length: n }, (_, i) => values[i]);
  const size = rest.reduce((product, each) => product * each, 1);
  return Array.from({ length: n }, (_, i) => nested(Array.prototype.slice.call(values, i * size, (i + 1) * size), rest));
}

/** The lines of a csv as lists of cells (RFC 4180). @param {string} text @returns {string[][]} */
export function csv(text) {
  const lines = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const line = /** @type {string[]} */ (lines.at(-1));
    const letter = text.charAt(i);
    if (quoted && letter === '"' && text[i + 1] === '"') {
      line.push(line.pop() + '"');
      i += 1;
    } else if (letter === '"') quoted = !quoted;
    else if (letter === "," && !quoted) line.push("");
    else if ((letter === "\n" || letter === "\r") && !quoted) {
      if (letter === "\r" && text[i + 1] === "\n") i += 1;
      lines.push([""]);
    } else line.push(line.pop() + letter);
  }
  return lines.filter((line) => line.length > 1 || line[0] !== "");
}

/** A cell as the value that it is. @param {string} cell */
export function cellValue(cell) {
  const text = cell.trim();
  if (text === "") return null;
  if (text === "true" || text === "false") return text === "true";
  return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) ? Number(text) : cell;
}

/** Rows of a text. Raises Error with what to give instead. @param {string} text @param {any} spec @returns {Rows} */
export function parseRows(text, spec) {
  const trimmed = text.trim();
  if (trimmed === "") throw new Error("Give at least one row.");
  if (trimmed.startsWith("[") || trimmed.startsWith("{")) return ofJson(trimmed, spec);
  const lines = csv(trimmed);
  if (spec.table) {
    const [names = [], ...rows] = lines;
    if (rows.length === 0) throw new Error("Give the names of the columns in the first line, and rows below.");
    return { records: rows.map((row) => Object.fromEntries(names.map((name, i) => [name.trim(), cellValue(row[i] ?? "")]))) };
  }
  const numbers = lines.map((line) => line.map(Number));
  if (numbers.some((line) => line.some(Number.isNaN))) throw new Error("Some cells are not numbers; give rows of numbers, or JSON.");
  return { x: numbers.map((line) => nested(line, [1, ...spec.shape])[0]) };
}

/** @param {string} text @param {any} spec @returns {Rows} */
function ofJson(text, spec) {
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${/** @type {Error} */ (error).message}`);
  }
  const list = Array.isArray(given) ? given : [given];
  if (spec.table) return { records: list };
  return { x: depth(list) === spec.shape.length ? [list] : list };
}

/** How deep lists are nested. @param {unknown} value @returns {number} */
export const depth = (value) => (Array.isArray(value) ? 1 + depth(value[0]) : 0);

/** Rows of a file, by its name. Raises Error. @param {File} file @param {any} spec @returns {Promise<Rows>} */
export async function rowsOfFile(file, spec) {
  const kind = file.name.toLowerCase().split(".").pop();
  if (kind === "npy") {
    const { shape, values } = read(await file.arrayBuffer());
    const whole = shape.length === spec.shape.length ? [1, ...shape] : shape;
    return { x: nested(values, whole) };
  }
  if (kind === "png" || kind === "jpg" || kind === "jpeg") return { x: [await imageRow(file, spec)] };
  return parseRows(await file.text(), spec);
}

/** A picture as a row: drawn at the model's size, its shades within the range of the data. @param {File} file @param {any} spec */
async function imageRow(file, spec) {
  if (spec.shape.length !== 3) throw new Error("This model is not one of images; drop csv, JSON or npy.");
  const [, height, width] = spec.shape;
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(bitmap, 0, 0, width, height);
  return channelsOf(context.getImageData(0, 0, width, height).data, spec);
}

/** Pixels, RGBA, as channels in data units; gray is the luminance. @param {ArrayLike<number>} rgba @param {any} spec */
export function channelsOf(rgba, { shape: [channels, height, width], low, high, levels }) {
  const from = low ?? 0;
  const span = (high ?? 1) - from;
  /** @param {number} share */
  const value = (share) => (levels ? from + (Math.round(share * (levels - 1)) * span) / (levels - 1) : from + share * span);
  /** @param {number} c @param {number} at */
  const share = (c, at) => {
    const [r = 0, g = 0, b = 0, a = 0] = [rgba[at], rgba[at + 1], rgba[at + 2], rgba[at + 3]];
    return (channels === 1 ? 0.299 * r + 0.587 * g + 0.114 * b : [r, g, b, a][c] ?? 0) / 255;
  };
  return Array.from({ length: channels }, (_, c) =>
    Array.from({ length: height }, (__, y) => Array.from({ length: width }, (___, x) => value(share(c, 4 * (y * width + x))))),
  );
}

/** A condition as it stands in an address: a label, its name, JSON, or a text. @param {string} text @param {any} spec */
export function condition(text, spec) {
  if (text === "") return undefined;
  if (/^[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  if (spec.condition?.kind === "text") return { text };
  return /^\d+$/.test(text) ? Number(text) : text;
}
