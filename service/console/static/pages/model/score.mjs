// @ts-check
/** Where rows stand among rows that were held out from the training: the odd one out. */
import { useCondition } from "../../components/condition.mjs";
import { CopyAs, CopyRead } from "../../components/copy.mjs";
import { Histogram } from "../../components/histogram.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { WithRows, listOf } from "../../components/picked.mjs";
import { Row } from "../../components/row.mjs";
import { get, post } from "../../lib/api.mjs";
import { count, number } from "../../lib/format.mjs";
import { html, useEffect, useState } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";

/** @type {Record<string, string>} */
const KINDS = {
  exact: "the exact log-likelihood",
  lower_bound: "a lower bound of the log-likelihood",
  estimate: "an estimate of the log-likelihood",
};

/** @param {{ card: any, reference: string }} props */
export default function Score({ card, reference }) {
  const [rate, setRate] = useState("0.01");
  const [scored, setScored] = useState(false);
  const held = useLoaded((signal) => get(`/models/${encodeURIComponent(reference)}/histogram`, { signal }), [reference]);
  return html`<p>A row is flagged where fewer than this share of the held-out rows have a likelihood as low.</p>
    <div class="field"><label for="rate">False alarm rate</label><input id="rate" type="number" min="0.0001" max="0.5" step="any" value=${rate} onChange=${(/** @type {any} */ event) => setRate(event.target.value)} /></div>
    <${WithRows} card=${card} reference=${reference} label="Rows to score" action="Score" busy=${false}>${(/** @type {import("../../lib/rows.mjs").Rows} */ rows) => html`<${Scores} card=${card} reference=${reference} rows=${rows} rate=${Number(rate)} held=${held.data} onScored=${setScored} />`}<//>
    ${held.data && !scored && html`<${Histogram} histogram=${held.data} values=${[]} flagged=${[]} label=${`Log-likelihoods of ${count(held.data.n, "held-out row")}`} />`}
    <${Problem} error=${held.error} />
    ${held.data && html`<${CopyRead} what="the histogram" read=${{ path: `/models/${reference}/histogram` }} />`}`;
}

/** @param {{ card: any, reference: string, rows: import("../../lib/rows.mjs").Rows, rate: number, held: any, onScored: (scored: boolean) => void }} props */
function Scores({ card, reference, rows, rate, held, onScored }) {
  const { given } = useCondition(card.spec);
  const body = { model: reference, ...given, ...rows, false_alarm_rate: rate };
  const { data, error, loading } = useLoaded((signal) => post("/score", body, { signal }), [JSON.stringify(body)]);
  useEffect(() => onScored(data !== null), [data !== null]);
  if (error) return html`<${Problem} error=${error} fieldId=${(/** @type {string} */ field) => (field === "false_alarm_rate" ? "rate" : /^(x|records)/.test(field) ? "rows-text" : field === "condition" ? "condition" : null)} />`;
  if (!data) return loading && html`<${Loading} what="Scoring" />`;
  const list = listOf(rows);
  const n = data["flagged"].filter(Boolean).length;
  return html`<h2>${n === 0 ? "No row is flagged" : `${count(n, "row")} of ${list.length} flagged`}</h2>
    <p class="quiet">The score is ${KINDS[data["kind"]] ?? data["kind"]} in ${data["unit"]}; compared with ${count(data["held_out_rows"], "held-out row")}. ${data["note"]}</p>
    ${held && html`<${Histogram} histogram=${held} values=${data["log_prob"]} flagged=${data["flagged"]} label="Held-out rows, and the rows that were given" />`}
    <div class="wide" tabindex="0"><table>
      <thead><tr><th scope="col">row</th><th scope="col">what</th><th scope="col">log-likelihood, ${data["unit"]}</th><th scope="col">below it, of held-out rows</th><th scope="col">p-value</th><th scope="col">flagged</th></tr></thead>
      <tbody>${list.slice(0, 200).map(
        (row, i) => html`<tr><th scope="row">${i}</th><td><${Row} row=${row} spec=${card.spec} label=${`row ${i}`} tile=${48} /></td>
          <td>${number(data["log_prob"][i])}</td><td>${number(100 * data["percentile"][i], 3)} %</td><td>${number(data["p_value"][i], 3)}</td>
          <td>${data["flagged"][i] ? html`<strong>▲ flagged</strong>` : "no"}</td></tr>`,
      )}</tbody>
    </table></div>
    <${CopyAs} asked=${{ op: "score", body }} />`;
}
