// @ts-check
/**
 * Curves: a canvas for the eye; the latest numbers in words and all of them as a table for everybody.
 *
 * @typedef {{ name: string, steps: number[], values: number[], held_out?: boolean }} Curve
 */
import { html, useEffect, useRef, useState } from "../lib/html.mjs";
import { number, words } from "../lib/format.mjs";

const HEIGHT = 260;
const MOST_ROWS = 200; // of the table
const BEGINNING = 0.1; // of the steps
const COLORS = ["--line-1", "--line-2", "--line-3", "--line-4", "--line-5", "--line-6"];
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3], [14, 4], [4, 2, 1, 2]];

/** Curves over common steps, gaps where a curve has none: the columns of a chart. @param {Curve[]} curves @returns {(number | null)[][]} */
export function columns(curves) {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  return [
    steps,
    ...curves.map((curve) => {
      const values = new Map(curve.steps.map((step, i) => [step, Number(curve.values[i])]));
      return steps.map((step) => (Number.isFinite(values.get(step)) ? /** @type {number} */ (values.get(step)) : null));
    }),
  ];
}

/**
 * The range of a scale: without the beginning of a training, whose large values would flatten all the rest.
 * @param {(number | null)[][]} data @param {number[]} series @param {boolean} whole @returns {[number, number]}
 */
export function range(data, series, whole) {
  const [steps = [], ...values] = data;
  const from = whole ? 0 : Number(steps.at(-1) ?? 0) * BEGINNING;
  const shown = series.flatMap((i) => (values[i] ?? []).filter((value, at) => value !== null && Number(steps[at]) >= from));
  const numbers = /** @type {number[]} */ (shown);
  if (numbers.length === 0) return [0, 1];
  const [low, high] = numbers.reduce(([least, most], each) => [Math.min(least, each), Math.max(most, each)], [Infinity, -Infinity]);
  const margin = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  return [low - margin, high + margin];
}

/** The unit that ends a name, so that curves of one unit share an axis. @param {string} name */
export function unit(name) {
  return name.includes("_nats") ? "nats" : name.includes("bits") ? "bits" : name.split(/[ /]/).pop()?.replace(/.*_/, "") || "value";
}

/** A curve in words. @param {Curve} curve */
export const title = ({ name, held_out: isHeldOut }) => words(name) + (isHeldOut ? ", held-out rows" : "");

/** @param {Curve} curve */
export function summary(curve) {
  const { values, steps } = curve;
  const last = values.at(-1);
  const before = values.at(-Math.max(2, Math.ceil(values.length / 10)));
  if (last === undefined) return `${title(curve)}: nothing yet`;
  const way = before === undefined || before === last ? "" : last < before ? ", falling" : ", rising";
  return `${title(curve)} ${number(last)} at step ${number(steps.at(-1))}${way}`;
}

/** @param {{ curves: Curve[], label: string }} props */
export function Chart({ curves, label }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const [asTable, setAsTable] = useState(false);
  const [whole, setWhole] = useState(false);
  const names = curves.map((curve) => curve.name).join("|");
  useEffect(() => {
    const frame = place.current;
    if (!frame || curves.length === 0) return;
    let gone = false;
    /** @type {ResizeObserver | undefined} */
    let sizes;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = async () => {
      const { default: UPlot } = await import("../vendor/uplot.mjs");
      if (gone) return;
      plot.current?.destroy();
      plot.current = new UPlot(options(curves, frame.clientWidth, whole), columns(curves), frame);
      sizes ??= new ResizeObserver(() => plot.current?.setSize({ width: frame.clientWidth, height: HEIGHT }));
      sizes.observe(frame);
    };
    draw();
    scheme.addEventListener("change", draw);
    return () => {
      gone = true;
      sizes?.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, whole]);
  useEffect(() => plot.current?.setData(columns(curves)), [curves]);
  const told = useSlowly(curves.map(summary).join("; "));
  return html`<figure class="chart">
    <figcaption>${label}</figcaption>
    <div ref=${place} aria-hidden="true"></div>
    <p role="status" class="quiet">${told}</p>
    <label class="quiet"><input type="checkbox" checked=${whole} onChange=${() => setWhole(!whole)} /> with the beginning</label>${" "}
    <button type="button" class="small" aria-expanded=${asTable} onClick=${() => setAsTable(!asTable)}>${asTable ? "hide the table" : "as a table"}</button>
    ${asTable && html`<${Table} curves=${curves} />`}
  </figure>`;
}

/** @param {{ curves: Curve[] }} props */
function Table({ curves }) {
  const [steps = [], ...values] = columns(curves);
  const every = Math.ceil(steps.length / MOST_ROWS);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Numbers of the curves">
    <table>
      <thead><tr><th scope="col">step</th>${curves.map((curve) => html`<th scope="col">${title(curve)}</th>`)}</tr></thead>
      <tbody>
        ${steps.map((step, i) => (i % every === 0 || i === steps.length - 1) && html`<tr><th scope="row">${number(step)}</th>${values.map((column) => html`<td>${number(column[i])}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

/** The text, renewed every ten seconds at most: a screen reader reads it out. @param {string} text */
function useSlowly(text) {
  const [told, setTold] = useState(text);
  const at = useRef(0);
  useEffect(() => {
    const wait_ms = Math.max(0, at.current + 10_000 - Date.now());
    const timer = setTimeout(() => {
      at.current = Date.now();
      setTold(text);
    }, wait_ms);
    return () => clearTimeout(timer);
  }, [text]);
  return told;
}

/** @param {Curve[]} curves @param {number} width @param {boolean} whole */
function options(curves, width, whole) {
  const style = getComputedStyle(document.documentElement);
  const text = style.getPropertyValue("--text").trim();
  const grid = { stroke: style.getPropertyValue("--border").trim(), width: 1 };
  const units = [...new Set(curves.map((curve) => unit(curve.name)))];
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false }, ...Object.fromEntries(units.map((scale) => [scale, { range: ranged(curves, scale, whole) }])) },
    axes: [
      { stroke: text, grid, label: "step" },
      ...units.map((scale, i) => ({ scale, stroke: text, grid: i === 0 ? grid : { show: false }, side: i === 0 ? 3 : 1, label: scale, size: 64 })),
    ],
    series: [
      { label: "step" },
      ...curves.map((curve, i) => ({
        label: title(curve),
        scale: unit(curve.name),
        stroke: style.getPropertyValue(COLORS[i % COLORS.length] ?? "").trim(),
        dash: DASHES[i % DASHES.length],
        width: 2,
        spanGaps: true,
        points: { show: curve.steps.length < 2 },
      })),
    ],
  };
}

/** @param {Curve[]} curves @param {string} scale @param {boolean} whole */
function ranged(curves, scale, whole) {
  const series = curves.flatMap((curve, i) => (unit(curve.name) === scale ? [i] : []));
  return (/** @type {any} */ plot) => range(plot.data, series, whole);
}
