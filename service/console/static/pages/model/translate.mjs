// @ts-check
/** Rows as they would be in another domain. */
import { useCondition } from "../../components/condition.mjs";
import { CopyAs } from "../../components/copy.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { WithRows, listOf } from "../../components/picked.mjs";
import { Row } from "../../components/row.mjs";
import { post } from "../../lib/api.mjs";
import { html } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";
import { changeQuery, useQuery } from "../../lib/router.mjs";
import { condition } from "../../lib/rows.mjs";

/** @param {{ card: any, reference: string }} props */
export default function Translate({ card, reference }) {
  const to = useQuery().get("to") ?? "0";
  return html`<div class="field"><label for="to">Domain to translate to</label><input id="to" value=${to} aria-describedby="to-help" onChange=${(/** @type {any} */ event) => changeQuery({ to: event.target.value.trim() })} /><small id="to-help">A label, such as 1, or a vector as JSON, such as [0, 1].</small></div>
    <${WithRows} card=${card} reference=${reference} label="Rows to translate" action="Translate" busy=${false} n=${4}>${(/** @type {import("../../lib/rows.mjs").Rows} */ rows) => html`<${Translated} card=${card} reference=${reference} rows=${rows} to=${to} />`}<//>`;
}

/** @param {{ card: any, reference: string, rows: import("../../lib/rows.mjs").Rows, to: string }} props */
function Translated({ card, reference, rows, to }) {
  const { given } = useCondition(card.spec);
  const body = { model: reference, ...given, ...rows, to: condition(to, card.spec) };
  const { data, error } = useLoaded((signal) => post("/translate", body, { signal }), [JSON.stringify(body)]);
  if (error) return html`<${Problem} error=${error} fieldId=${(/** @type {string} */ field) => (field.startsWith("to") ? "to" : field.startsWith("x") ? "rows-text" : field === "condition" ? "condition" : null)} />`;
  if (!data) return html`<${Loading} what="Translating" />`;
  return html`<div class="wide" tabindex="0"><table>
      <thead><tr><th scope="col">row</th><th scope="col">as it was</th><th scope="col">as ${to}</th></tr></thead>
      <tbody>${listOf(rows).map((row, i) => html`<tr><th scope="row">${i}</th><td><${Row} row=${row} spec=${card.spec} label=${`row ${i}`} tile=${96} /></td><td><${Row} row=${data["x"][i]} spec=${card.spec} label=${`row ${i}, translated`} tile=${96} /></td></tr>`)}</tbody>
    </table></div>
    <${CopyAs} asked=${{ op: "translate", body }} />`;
}
