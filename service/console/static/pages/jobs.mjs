// @ts-check
/** The table of jobs, and the curves of those that are chosen. */
import { Chart } from "../components/chart.mjs";
import { Empty, Loading, Problem } from "../components/notice.mjs";
import { Progress, State } from "../components/state.mjs";
import { get } from "../lib/api.mjs";
import { age, number } from "../lib/format.mjs";
import { html, useEffect, useState } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";
import { address, changeQuery, useQuery } from "../lib/router.mjs";

const STATES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];
const EVERY_S = 3;
const MOST = 6; // compared
const PAGE = 50;

export default function Jobs() {
  const query = useQuery();
  const state = query.get("state") ?? "";
  const model = query.get("model") ?? "";
  const chosen = (query.get("compare") ?? "").split(",").filter(Boolean);
  const [older, setOlder] = useState(/** @type {any[]} */ ([]));
  const [next, setNext] = useState(/** @type {string | null | undefined} */ (undefined));
  const search = new URLSearchParams({ limit: String(PAGE), ...(state && { state }), ...(model && { model }) }).toString();
  const { data, error } = useLoaded((signal) => get(`/jobs?${search}`, { signal }), [search], EVERY_S);
  useEffect(() => (setOlder([]), setNext(undefined)), [search]);
  const cursor = next === undefined ? data?.next : next;
  const more = async () => {
    const page = await get(`/jobs?${search}&after=${cursor}`);
    setOlder([...older, ...page.jobs]);
    setNext(page.next ?? null);
  };
  const listed = data ? [...data.jobs, ...older.filter((job) => !data.jobs.some((/** @type {any} */ each) => each.id === job.id))] : [];
  /** @param {string} id @param {boolean} on */
  const choose = (id, on) => changeQuery({ compare: (on ? [...chosen, id].slice(-MOST) : chosen.filter((each) => each !== id)).join(",") });
  return html`<h1 tabindex="-1">Jobs</h1>
    <form class="row" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label class="field">Model <input type="search" data-filter value=${model} onChange=${(/** @type {any} */ event) => changeQuery({ model: event.target.value.trim() })} /></label>
      <label class="field">State
        <select value=${state} onChange=${(/** @type {any} */ event) => changeQuery({ state: event.target.value })}>
          <option value="">any</option>
          ${STATES.map((each) => html`<option value=${each}>${each}</option>`)}
        </select>
      </label>
      <a class="button primary" href=${address("train")}>Train a model</a>
    </form>
    <${Problem} error=${error} />
    ${chosen.length > 0 && html`<${Compared} ids=${chosen} />`}
    ${!data ? !error && html`<${Loading} />` : listed.length === 0 ? html`<${Empty}>No job is like this.<//>` : html`<${Table} jobs=${listed} chosen=${chosen} choose=${choose} />`}
    ${cursor && html`<p><button type="button" onClick=${more}>Show older jobs</button></p>`}`;
}

/** @param {{ jobs: any[], chosen: string[], choose: (id: string, on: boolean) => void }} props */
function Table({ jobs, chosen, choose }) {
  return html`<div class="wide"><table>
    <caption class="quiet">Choose up to ${MOST} jobs to compare their curves.</caption>
    <thead><tr>
      <th scope="col">compare</th><th scope="col">job</th><th scope="col">what</th><th scope="col">model</th><th scope="col">family</th>
      <th scope="col">state</th><th scope="col">progress</th><th scope="col">last loss</th><th scope="col">made</th>
    </tr></thead>
    <tbody>
      ${jobs.map(
        (job) => html`<tr key=${job.id}>
          <td><input type="checkbox" aria-label=${`compare ${job.id}`} checked=${chosen.includes(job.id)} disabled=${job.kind !== "train"} onChange=${(/** @type {any} */ event) => choose(job.id, event.target.checked)} /></td>
          <th scope="row"><a href=${address("job", { id: job.id })}>${job.id}</a></th>
          <td>${job.kind}</td>
          <td>${job.version ? html`<a href=${address("model", { reference: `${job.model}@${job.version}` })}>${job.model}@${job.version}</a>` : job.model}</td>
          <td>${job.run?.family?.family ?? "–"}</td>
          <td><${State} state=${job.state} /></td>
          <td><${Progress} step=${job.progress.step} total=${job.progress.total_steps} label=${job.model} /></td>
          <td>${Object.entries(job.losses).slice(0, 1).map(([name, value]) => html`<div>${name} ${number(/** @type {number} */ (value))}</div>`)}</td>
          <td>${age(job.created_at)}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

/** @param {{ ids: string[] }} props */
function Compared({ ids }) {
  const { data, error } = useLoaded((signal) => Promise.all(ids.map((id) => get(`/jobs/${encodeURIComponent(id)}/losses?points=300`, { signal }))), [ids.join()], 2 * EVERY_S);
  const curves = (data ?? []).flatMap((losses) => losses.curves.map((/** @type {any} */ curve) => ({ ...curve, name: `${losses.job.slice(0, 6)} ${curve.name}` })));
  return html`<section aria-labelledby="compare-title">
    <h2 id="compare-title">Curves side by side</h2>
    <${Problem} error=${error} />
    ${data && (curves.length === 0 ? html`<${Empty}>These jobs have no losses yet.<//>` : html`<${Chart} curves=${curves} label="Losses by step" />`)}
    <button type="button" class="small" onClick=${() => changeQuery({ compare: "" })}>Choose none</button>
  </section>`;
}
