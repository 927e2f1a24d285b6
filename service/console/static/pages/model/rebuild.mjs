// @ts-check
/** Rows beside what the model makes of them by way of their codes. */
import { useCondition } from "../../components/condition.mjs";
import { CopyAs } from "../../components/copy.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { WithRows, listOf } from "../../components/picked.mjs";
import { Row, flat } from "../../components/row.mjs";
import { post } from "../../lib/api.mjs";
import { number } from "../../lib/format.mjs";
import { html } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";

/** Root mean squared difference. @param {any} row @param {any} back */
export function rmse(row, back) {
  const [a, b] = [flat(row), flat(back)];
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - Number(b[i])) ** 2, 0) / (a.length || 1));
}

/** @param {{ card: any, reference: string }} props */
export default function Rebuild({ card, reference }) {
  return html`<${WithRows} card=${card} reference=${reference} label="Rows to rebuild" action="Rebuild" busy=${false} n=${4}>${(/** @type {import("../../lib/rows.mjs").Rows} */ rows) => html`<${Rebuilt} card=${card} reference=${reference} rows=${rows} />`}<//>`;
}

/** @param {{ card: any, reference: string, rows: import("../../lib/rows.mjs").Rows }} props */
function Rebuilt({ card, reference, rows }) {
  const { given } = useCondition(card.spec);
  const body = { model: reference, ...given, ...rows };
  const { data, error } = useLoaded((signal) => post("/reconstruct", body, { signal }), [JSON.stringify(body)]);
  if (error) return html`<${Problem} error=${error} fieldId=${(/** @type {string} */ field) => (/^(x|records)/.test(field) ? "rows-text" : field === "condition" ? "condition" : null)} />`;
  if (!data) return html`<${Loading} what="Rebuilding" />`;
  const list = listOf(rows);
  const back = data["x"] ?? data["records"] ?? [];
  const isNumbers = !card.spec.table;
  return html`<div class="wide" tabindex="0"><table>
      <thead><tr><th scope="col">row</th><th scope="col">as it was</th><th scope="col">rebuilt</th>${isNumbers && html`<th scope="col">root mean squared error</th>`}</tr></thead>
      <tbody>${list.slice(0, 100).map((row, i) => html`<tr><th scope="row">${i}</th><td><${Row} row=${row} spec=${card.spec} label=${`row ${i}`} tile=${96} /></td><td><${Row} row=${back[i]} spec=${card.spec} label=${`row ${i}, rebuilt`} tile=${96} /></td>${isNumbers && html`<td>${number(rmse(row, back[i]))}</td>`}</tr>`)}</tbody>
    </table></div>
    <${CopyAs} asked=${{ op: "reconstruct", body }} />`;
}
