// @ts-check
/** What is in a dataset: its columns or its rows, and the first of them. */
import { ApiError, post, request } from "../lib/api.mjs";
import { count, number } from "../lib/format.mjs";
import { html } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";
import { read } from "../lib/npy.mjs";
import { cellValue, csv, nested } from "../lib/rows.mjs";
import { Loading, Problem } from "./notice.mjs";
import { RecordsTable } from "./records.mjs";
import { Row } from "./row.mjs";

const FIRST_BYTES = 64 * 1024;
const MOST = 10; // rows that are shown

/** @param {{ name: string }} props */
export function Outline({ name }) {
  const { data, error } = useLoaded((signal) => post(`/datasets/${encodeURIComponent(name)}/outline`, { data: {} }, { signal }), [name]);
  if (!data) return error ? html`<${Problem} error=${error} />` : html`<${Loading} what="Reading its outline" />`;
  const { spec, rows, reasons } = /** @type {any} */ (data);
  return html`<section aria-labelledby="outline-title"><h2 id="outline-title">What is in it</h2>
    <p>${rows === null ? "" : count(rows, "row")}${spec.table ? ` of ${count(spec.table.columns.length, "column")}` : `, each of shape ${spec.shape.join(" × ")}`}${spec.low !== null ? `, from ${number(spec.low)} to ${number(spec.high)}` : ""}${spec.n_classes ? `, ${spec.n_classes} labels` : ""}</p>
    ${spec.table && html`<div class="wide" tabindex="0"><table>
      <thead><tr><th scope="col">column</th><th scope="col">kind</th><th scope="col">because</th></tr></thead>
      <tbody>${spec.table.columns.map((/** @type {any} */ column) => html`<tr><th scope="row">${column.name}</th><td>${column.kind}${column.missing || column.nullable ? ", may be empty" : ""}</td><td>${reasons[column.name] ?? ""}</td></tr>`)}</tbody>
    </table></div>`}</section>`;
}

/** The first rows, of formats that a page can read. @param {string} name @param {string} mediaType @param {AbortSignal} signal */
async function firstRows(name, mediaType, signal) {
  const path = `/datasets/${encodeURIComponent(name)}/content`;
  if (mediaType === "text/csv") {
    const text = await (await request("GET", path, { accept: "*/*", headers: { Range: `bytes=0-${FIRST_BYTES - 1}` }, signal })).text();
    const [names = [], ...lines] = csv(text).slice(0, MOST + 1);
    return { records: lines.filter((line) => line.length === names.length).map((line) => Object.fromEntries(names.map((each, i) => [each, cellValue(line[i] ?? "")]))) };
  }
  if (mediaType === "application/x-npy") {
    const { shape, values } = read(await (await request("GET", path, { accept: "*/*", signal })).arrayBuffer());
    return { rows: nested(values, [Math.min(MOST, shape[0] ?? 0), ...shape.slice(1)]), shape: shape.slice(1) };
  }
  return null;
}

/** @param {{ name: string, mediaType: string }} props */
export function Preview({ name, mediaType }) {
  const { data, error } = useLoaded((signal) => firstRows(name, mediaType, signal), [name, mediaType]);
  if (error instanceof ApiError) return html`<${Problem} error=${error} />`;
  if (!data) return null;
  return html`<section aria-labelledby="preview-title"><h2 id="preview-title">Its first rows</h2>
    ${data.records ? html`<${RecordsTable} rows=${data.records} name=${`${name}-first`} label="The first rows" />` : html`<ul class="film">${data.rows.map((/** @type {any} */ row, /** @type {number} */ i) => html`<li><${Row} row=${row} spec=${specOf(data.shape ?? [])} label=${`row ${i}`} /></li>`)}</ul>`}</section>`;
}

/** Rows of an array as images, series or vectors. @param {number[]} shape */
const specOf = (shape) => ({ shape: shape.length === 2 ? [1, ...shape] : shape, low: null, high: null, table: null });
