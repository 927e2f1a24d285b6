// @ts-check
/** Versions of a model side by side: their metrics, and their samples of the same seed. */
import { CopyRead } from "../../components/copy.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { Picture } from "../../components/picture.mjs";
import { get } from "../../lib/api.mjs";
import { age, number, words } from "../../lib/format.mjs";
import { html } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";
import { address } from "../../lib/router.mjs";
import { isDrawable, thumbnailBody } from "../../lib/thumbnails.mjs";

const MOST = 6; // side by side, the newest

/** @param {{ card: any, reference: string }} props */
export default function Versions({ card, reference }) {
  const { data, error } = useLoaded((signal) => get(`/models?model=${card.model}`, { signal }), [card.model]);
  if (!data) return error ? html`<${Problem} error=${error} />` : html`<${Loading} />`;
  /** @type {any[]} */
  const versions = [...data["models"]].reverse().slice(0, MOST);
  const metrics = [...new Set(versions.flatMap((each) => Object.keys(each.metrics)))];
  return html`<div class="wide" tabindex="0"><table>
    <caption class="quiet">Samples are of seed 0, so that versions differ and not the noise.</caption>
    <thead><tr><th scope="col">what</th>${versions.map((each) => html`<th scope="col"><a href=${address("tab", { reference: `${each.model}@${each.version}`, tab: "versions" })}>${each.model}@${each.version}</a>${`${each.model}@${each.version}` === reference ? " (this)" : ""}</th>`)}</tr></thead>
    <tbody>
      ${isDrawable(card.spec) && html`<tr><th scope="row">samples</th>${versions.map((each) => html`<td>${each.capabilities.includes("sample") && html`<${Picture} op="sample" body=${thumbnailBody(each)} alt=${`Samples of ${each.model}@${each.version}`} width=${160} quiet />`}</td>`)}</tr>`}
      <tr><th scope="row">made</th>${versions.map((each) => html`<td>${age(each.created_at)}</td>`)}</tr>
      <tr><th scope="row">steps</th>${versions.map((each) => html`<td>${number(each.steps)}</td>`)}</tr>
      <tr><th scope="row">parameters</th>${versions.map((each) => html`<td>${number(each.n_parameters)}</td>`)}</tr>
      ${metrics.map((name) => html`<tr><th scope="row">${words(name)}</th>${versions.map((each) => html`<td>${number(each.metrics[name])}</td>`)}</tr>`)}
    </tbody>
  </table></div>
  <${CopyRead} what="this version" read=${{ path: `/models/${reference}`, command: `pushforward models ${reference} --json` }} />`;
}
