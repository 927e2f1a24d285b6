// @ts-check
/** A model of the plane: its samples as points, and the density of its likelihood as colors, with axes. */
import { viridis } from "../lib/colors.mjs";
import { number } from "../lib/format.mjs";
import { html, useEffect, useRef } from "../lib/html.mjs";
import { ticks } from "../lib/plane.mjs";

const SIDE = 420;
const LEFT = 44;
const BELOW = 28;

/**
 * @typedef {import("../lib/plane.mjs").Bounds} Bounds
 * @typedef {{ side: number, values: number[] }} Density the density's values, row by row from the top
 */

/**
 * @param {{ label: string, within: Bounds, points?: ArrayLike<number> | null, density?: Density | null, labels?: number[] | null, marks?: number[], onPoint?: (x: number, y: number) => void }} props
 */
export function Plane({ label, within, points = null, density = null, labels = null, marks = [], onPoint }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => canvas.current && paint(canvas.current, within, points, density, labels, marks);
    draw();
    scheme.addEventListener("change", draw);
    return () => scheme.removeEventListener("change", draw);
  }, [within, points, density, labels?.join(), marks.join()]);
  /** @param {PointerEvent} event */
  const moved = (event) => {
    const frame = /** @type {HTMLCanvasElement} */ (canvas.current).getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * (SIDE + LEFT) - LEFT;
    const y = ((event.clientY - frame.top) / frame.height) * (SIDE + BELOW);
    if (x < 0 || y > SIDE) return;
    onPoint?.(within.x[0] + (x / SIDE) * (within.x[1] - within.x[0]), within.y[1] - (y / SIDE) * (within.y[1] - within.y[0]));
  };
  return html`<canvas ref=${canvas} role="img" aria-label=${label} class="plane" width=${SIDE + LEFT} height=${SIDE + BELOW} onPointerMove=${onPoint ? moved : undefined}></canvas>`;
}

/** The colors of a density and what they stand for. @param {{ top: number }} props */
export function Scale({ top }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    for (let i = 0; i < 128; i += 1) {
      context.fillStyle = `rgb(${viridis(Math.sqrt(i / 127)).join()})`;
      context.fillRect(i, 0, 1, 12);
    }
  }, []);
  return html`<p class="quiet">density: 0 <canvas ref=${canvas} width="128" height="12" role="img" aria-label="color scale from dark, density 0, to bright, the greatest density"></canvas> ${number(top, 3)}</p>`;
}

/** A color of a label. @param {number} label @param {number} n */
const hue = (label, n) => `hsl(${Math.round((360 * label) / n)} 75% 50%)`;

/** The colors of labels. @param {{ n: number, names: string[] }} props */
export function Legend({ n, names }) {
  return html`<ul class="badges" aria-label="Labels">${Array.from({ length: n }, (_, i) => html`<li><svg width="10" height="10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill=${hue(i, n)} /></svg> ${names?.[i] ?? i}</li>`)}</ul>`;
}

/** @param {HTMLCanvasElement} canvas @param {Bounds} within @param {ArrayLike<number> | null} points @param {Density | null} density @param {number[] | null} labels @param {number[]} marks */
function paint(canvas, within, points, density, labels, marks) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = color("--panel");
  context.fillRect(LEFT, 0, SIDE, SIDE);
  if (density) heat(context, density);
  const across = (/** @type {number} */ x) => LEFT + ((x - within.x[0]) / (within.x[1] - within.x[0])) * SIDE;
  const down = (/** @type {number} */ y) => ((within.y[1] - y) / (within.y[1] - within.y[0])) * SIDE;
  context.fillStyle = density ? "#ffffff" : color("--line-1");
  context.globalAlpha = density ? 0.6 : 0.7;
  for (let i = 0; points && i + 1 < points.length; i += 2) {
    const [x, y] = [across(Number(points[i])), down(Number(points[i + 1]))];
    if (labels) context.fillStyle = hue(labels[i / 2] ?? 0, Math.max(...labels) + 1);
    if (x >= LEFT && y >= 0 && y <= SIDE) context.fillRect(x - 1, y - 1, 2.5, 2.5);
  }
  context.globalAlpha = 1;
  context.strokeStyle = color("--line-2");
  context.lineWidth = 2;
  for (let i = 0; i + 1 < marks.length; i += 2) context.strokeRect(across(Number(marks[i])) - 5, down(Number(marks[i + 1])) - 5, 10, 10);
  context.fillStyle = color("--text");
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  for (const tick of ticks(within.x)) context.fillText(String(tick), across(tick), SIDE + 18);
  context.textAlign = "right";
  for (const tick of ticks(within.y)) context.fillText(String(tick), LEFT - 6, Math.min(Math.max(down(tick) + 4, 10), SIDE));
}

/** @param {CanvasRenderingContext2D} context @param {Density} density */
function heat(context, { side, values }) {
  const top = Math.max(...values) || 1;
  const size = SIDE / side;
  values.forEach((value, i) => {
    context.fillStyle = `rgb(${viridis(Math.sqrt(Math.max(0, value) / top)).join()})`;
    context.fillRect(LEFT + (i % side) * size, Math.floor(i / side) * size, Math.ceil(size), Math.ceil(size));
  });
}
