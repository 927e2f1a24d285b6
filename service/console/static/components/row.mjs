// @ts-check
/** One row of data: an image or a series on a canvas, a point or a record in words. */
import { number } from "../lib/format.mjs";
import { html, useEffect, useRef } from "../lib/html.mjs";
import { pixels } from "../lib/colors.mjs";

const TILE_PX = 64;
const LINES_PX = [180, 72];

/** @param {any} row @returns {number[]} */
export const flat = (row) => (Array.isArray(row) || ArrayBuffer.isView(row) ? Array.from(/** @type {any} */ (row)).flat(Infinity) : [row]).map(Number);

/** How many times an image is enlarged. @param {any} spec */
const factor = (spec, tile = TILE_PX) => Math.max(1, Math.floor(tile / Math.max(spec.shape[1], spec.shape[2])));

/** @param {{ row: any, spec: any, label: string, tile?: number }} props */
export function Row({ row, spec, label, tile = TILE_PX }) {
  if (spec.table) return html`<dl class="pairs record" aria-label=${label}>${Object.entries(row).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value === null ? html`<span class="quiet">empty</span>` : String(value)}</dd></div>`)}</dl>`;
  if (spec.shape.length === 3) return html`<${ImageRow} row=${row} spec=${spec} label=${label} tile=${tile} />`;
  if (spec.shape.length === 2) return html`<${Lines} row=${row} spec=${spec} label=${label} />`;
  const values = flat(row);
  return html`<code aria-label=${label}>${values.slice(0, 12).map((value) => number(value)).join(", ")}${values.length > 12 ? ` … (${values.length} numbers)` : ""}</code>`;
}

/** @param {{ row: any, spec: any, label: string, tile: number }} props */
function ImageRow({ row, spec, label, tile }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [, height, width] = spec.shape;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    context?.putImageData(new ImageData(pixels(flat(row), spec), width, height), 0, 0);
  }, [row]);
  const times = factor(spec, tile);
  return html`<canvas ref=${canvas} role="img" aria-label=${label} width=${width} height=${height} class="pixels" style=${{ width: `${times * width}px`, height: `${times * height}px` }}></canvas>`;
}

/** @param {{ row: any, spec: any, label: string }} props */
function Lines({ row, spec, label }) {
  const [channels, length] = spec.shape;
  const [width = 0, height = 0] = LINES_PX;
  const values = flat(row);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const paths = Array.from({ length: channels }, (_, c) =>
    Array.from({ length }, (__, i) => `${((i / Math.max(1, length - 1)) * width).toFixed(1)},${(height - ((Number(values[c * length + i]) - low) / span) * (height - 4) - 2).toFixed(1)}`).join(" "),
  );
  return html`<svg role="img" aria-label=${label} viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height} class="lines">${paths.map((points, c) => html`<polyline points=${points} class=${`line-${(c % 6) + 1}`} />`)}</svg>`;
}
