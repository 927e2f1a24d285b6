// @ts-check
/** What runs, what was made, and the first three steps where there is nothing yet. */
import { Loading, Problem } from "../components/notice.mjs";
import { Picture } from "../components/picture.mjs";
import { Progress, State } from "../components/state.mjs";
import { get, post } from "../lib/api.mjs";
import { age, duration, number } from "../lib/format.mjs";
import { html } from "../lib/html.mjs";
import { useAction, useLoaded } from "../lib/loading.mjs";
import { address, navigate } from "../lib/router.mjs";
import { isDrawable, thumbnailBody } from "../lib/thumbnails.mjs";

const EVERY_S = 2;
const NEWEST = 8;
const FIRST_PRESET = "vae-digits";

export default function Overview() {
  const jobs = useLoaded((signal) => get("/jobs?limit=20", { signal }), [], EVERY_S);
  const models = useLoaded((signal) => get("/models", { signal }), [], 3 * EVERY_S);
  const active = (jobs.data?.jobs ?? []).filter((/** @type {any} */ job) => ["running", "queued", "paused"].includes(job.state));
  const newest = [...(models.data?.models ?? [])].sort((a, b) => b.created_at - a.created_at).slice(0, NEWEST);
  const isEmpty = models.data && newest.length === 0;
  return html`<h1 tabindex="-1">Overview</h1>
    <${Problem} error=${models.error ?? jobs.error} />
    ${isEmpty && html`<${FirstSteps} isTraining=${active.length > 0} />`}
    <section aria-labelledby="workers-title">
      <h2 id="workers-title">Workers</h2>
      <${Workers} />
    </section>
    <section aria-labelledby="running-title">
      <h2 id="running-title">Running and waiting</h2>
      ${!jobs.data ? html`<${Loading} />` : active.length === 0 ? html`<p class="quiet">Nothing runs. <a href=${address("train")}>Train a model</a></p>` : html`<${Active} jobs=${active} />`}
    </section>
    ${newest.length > 0 &&
    html`<section aria-labelledby="newest-title">
      <h2 id="newest-title">Newest models</h2>
      <ul class="cards">${newest.map((card) => html`<${ModelCard} key=${card.model} card=${card} />`)}</ul>
      <p><a href=${address("models")}>All models</a></p>
    </section>`}`;
}

/** @param {{ isTraining: boolean }} props */
function FirstSteps({ isTraining }) {
  const start = useAction(async () => {
    const job = await post("/train", { model: "digits", preset: FIRST_PRESET });
    navigate(address("job", { id: job.id }));
  });
  return html`<section aria-labelledby="first-title" class="note">
    <h2 id="first-title">First steps</h2>
    <ol class="steps">
      <li>Train a model: <button type="button" class="primary" disabled=${start.busy || isTraining} onClick=${() => start.run()}>Train on handwritten digits</button>
        <span class="quiet"> with the preset <code>${FIRST_PRESET}</code>, under a minute; or <a href=${address("train")}>choose another preset</a>.</span>
        <${Problem} error=${start.error} /></li>
      <li>Watch its curve and its samples while it trains.</li>
      <li>Draw samples, score rows and walk between them, on the page of the model; or <a href=${address("data")}>upload your own data</a>.</li>
    </ol>
  </section>`;
}

function Workers() {
  const { data, error } = useLoaded((signal) => get("/readyz", { signal }), [], 2 * EVERY_S);
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Loading} />`;
  return html`<div class="wide" tabindex="0"><table>
    <thead><tr><th scope="col">worker</th><th scope="col">device</th><th scope="col">holds in memory</th><th scope="col">runs</th><th scope="col">last heartbeat</th></tr></thead>
    <tbody>
      ${data.workers.map(
        (/** @type {any} */ worker) => html`<tr key=${worker.id}>
          <th scope="row">${worker.id}</th>
          <td>${worker.device}</td>
          <td>${worker.models.length === 0 ? "no model" : worker.models.map((/** @type {string} */ reference, /** @type {number} */ i) => html`${i > 0 && ", "}<a href=${address("model", { reference })}>${reference}</a>`)}</td>
          <td>${worker.training.length === 0 ? "no job" : worker.training.map((/** @type {string} */ id, /** @type {number} */ i) => html`${i > 0 && ", "}<a href=${address("job", { id })}>${id}</a>`)}</td>
          <td>${duration(worker.silent_s)} ago${worker.trouble && html`<br /><span class="problem">${worker.trouble}</span>`}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

/** @param {{ jobs: any[] }} props */
function Active({ jobs }) {
  return html`<div class="wide" tabindex="0"><table>
    <thead><tr><th scope="col">job</th><th scope="col">model</th><th scope="col">state</th><th scope="col">progress</th><th scope="col">last loss</th><th scope="col">left</th></tr></thead>
    <tbody>
      ${jobs.map(
        (job) => html`<tr key=${job.id}>
          <th scope="row"><a href=${address("job", { id: job.id })}>${job.id}</a></th>
          <td>${job.model}</td>
          <td><${State} state=${job.state} /></td>
          <td><${Progress} step=${job.progress.step} total=${job.progress.total_steps} label=${job.model} /></td>
          <td>${Object.entries(job.losses).map(([name, value]) => html`<div>${name} ${number(/** @type {number} */ (value))}</div>`)}</td>
          <td>${duration(job.seconds_left)}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

/** @param {{ card: any, level?: string }} props */
export function ModelCard({ card, level = "h3" }) {
  const reference = `${card.model}@${card.version}`;
  const canDraw = card.capabilities.includes("sample") && isDrawable(card.spec);
  return html`<li class="card">
    <${level}><a href=${address("model", { reference })}>${reference}</a><//>
    ${canDraw
      ? html`<${Picture} op="sample" body=${thumbnailBody(card)} alt=${`Samples of ${reference}`} quiet />`
      : html`<span class="picture quiet">${card.spec.table ? `${card.spec.table.columns.length} columns` : `rows of shape ${card.spec.shape.join(" × ")}`}</span>`}
    <span class="quiet">${card.family} · ${age(card.created_at)}</span>
  </li>`;
}
