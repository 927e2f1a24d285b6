// @ts-check
/** How samples compare with rows that the model was not trained on. */
import { CopyRead } from "../../components/copy.mjs";
import { Problem } from "../../components/notice.mjs";
import { post } from "../../lib/api.mjs";
import { age, number, words } from "../../lib/format.mjs";
import { html } from "../../lib/html.mjs";
import { useAction } from "../../lib/loading.mjs";
import { address, navigate } from "../../lib/router.mjs";

/** @param {any} value */
const shown = (value) => (value ? `${number(value.value)}${value.std_error !== null && value.std_error !== undefined ? ` ± ${number(value.std_error, 2)}` : ""}` : "–");

/** @param {{ card: any, reference: string }} props */
export default function Report({ card, reference }) {
  const report = card.evaluation;
  const start = useAction(async () => {
    const job = await post("/evaluate", { model: reference });
    navigate(address("job", { id: job["id"] }));
  });
  return html`<p class="row"><button type="button" class=${report ? "" : "primary"} disabled=${start.busy} onClick=${() => start.run()}>${report ? "Evaluate again" : "Evaluate"}</button>
      <span class="quiet">Draws samples and compares them with held-out rows; the report is kept with the version.</span></p>
    <${Problem} error=${start.error} />
    ${!report && html`<p class="quiet">This version was never evaluated.</p>`}
    ${report && html`<div class="wide" tabindex="0"><table>
      <caption class="quiet">${number(report.n)} samples against ${number(report.n_reference)} rows, seed ${report.seed}, ${age(report.created_at)}. The floor are as many training rows: what the data themselves reach.</caption>
      <thead><tr><th scope="col">metric</th><th scope="col">this model</th><th scope="col">floor</th><th scope="col">a Gaussian</th><th scope="col">better is</th></tr></thead>
      <tbody>${report.metrics.map((/** @type {any} */ metric) => html`<tr><th scope="row">${words(metric.name)}</th><td>${shown(metric.model)}</td><td>${shown(metric.floor)}</td><td>${shown(metric.gaussian)}</td><td>${metric.better === "nearer" ? `nearer to ${number(metric.ideal)}` : metric.better}</td></tr>`)}</tbody>
    </table></div>
    <${CopyRead} what="the report" read=${{ path: `/models/${reference}`, command: `pushforward models ${reference} --json` }} />`}`;
}
