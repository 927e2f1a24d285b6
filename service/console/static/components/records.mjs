// @ts-check
/** Rows of a table, and their download as csv. */
import { number } from "../lib/format.mjs";
import { html, useMemo } from "../lib/html.mjs";
import { useBlobAddress } from "./picture.mjs";

const MOST = 200; // shown

/** @param {Record<string, any>[]} rows */
export function toCsv(rows) {
  const names = Object.keys(rows[0] ?? {});
  const cell = (/** @type {unknown} */ value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(cell).join(",")).join("\n") + "\n";
}

/** @param {{ rows: Record<string, any>[], name: string, label?: string }} props */
export function RecordsTable({ rows, name, label = "Rows" }) {
  const blob = useMemo(() => new Blob([toCsv(rows)], { type: "text/csv" }), [rows]);
  const download = useBlobAddress(blob);
  const names = Object.keys(rows[0] ?? {});
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table>
      <thead><tr>${names.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
      <tbody>${rows.slice(0, MOST).map((row) => html`<tr>${names.map((each) => html`<td>${typeof row[each] === "number" ? number(row[each]) : row[each] === null ? html`<span class="quiet">empty</span>` : String(row[each])}</td>`)}</tr>`)}</tbody>
    </table></div>
    ${download && html`<p><a class="button" href=${download} download=${`${name}.csv`}>Download as csv</a>${rows.length > MOST ? ` ${MOST} of ${rows.length} rows are shown.` : ""}</p>`}`;
}
