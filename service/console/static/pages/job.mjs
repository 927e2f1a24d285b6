// @ts-check
/** One job: its state, its curves and its pictures as they come, and what came of it. */
import { Chart } from "../components/chart.mjs";
import { CopyRead } from "../components/copy.mjs";
import { Loading, Problem } from "../components/notice.mjs";
import { useBlobAddress } from "../components/picture.mjs";
import { Progress, State } from "../components/state.mjs";
import { get, post } from "../lib/api.mjs";
import { bytes, duration, number, words } from "../lib/format.mjs";
import { html, useMemo } from "../lib/html.mjs";
import { actions, useJob } from "../lib/job.mjs";
import { useAction, useLoaded } from "../lib/loading.mjs";
import { address } from "../lib/router.mjs";

/** @param {{ id: string }} props */
export default function JobPage({ id }) {
  const { job, latest, pictures, log, error } = useJob(id);
  if (!job) return html`<h1 tabindex="-1">Job ${id}</h1>${error ? html`<${Problem} error=${error} />` : html`<${Loading} />`}`;
  return html`<h1 tabindex="-1">Job ${id}</h1>
    <${Problem} error=${error} />
    <${Head} job=${job} latest=${latest} />
    <${Acts} job=${job} />
    ${job.error && html`<div class="problem" role="alert"><strong>${words(job.error.type)}.</strong> ${job.error.detail}</div>`}
    ${job.kind === "train" && html`<${Curves} id=${id} step=${job.progress.step} state=${job.state} />`}
    ${Object.keys(pictures).length > 0 &&
    html`<section aria-labelledby="pictures-title">
      <h2 id="pictures-title">Pictures of the training</h2>
      <div class="columns">${Object.values(pictures).map((each) => html`<${Shown} key=${each.what} picture=${each} />`)}</div>
    </section>`}
    ${job.sweep && html`<${Trials} sweep=${job.sweep} />`}
    ${Object.keys(job.metrics).length > 0 && html`<${Metrics} metrics=${job.metrics} />`}
    ${log.length > 0 &&
    html`<section aria-labelledby="log-title"><h2 id="log-title">Log</h2>
      <ul>${log.map((line) => html`<li class=${line.level === "warning" ? "note" : ""}>${line.level !== "info" && html`<strong>${line.level}: </strong>`}${line.message}</li>`)}</ul></section>`}
    ${job.run && html`<details><summary>The run, as JSON</summary><pre tabindex="0" aria-label="The run">${JSON.stringify(job.run, null, 1)}</pre></details>`}
    <${CopyRead} what="the job" read=${{ path: `/jobs/${job.id}`, command: `pushforward jobs ${job.id} --json` }} />`;
}

/** @param {{ job: any, latest: any }} props */
function Head({ job, latest }) {
  const isActive = job.state === "running";
  return html`<dl class="pairs">
    <div><dt>State</dt><dd><${State} state=${job.state} />${job.waiting_for && html` <span class="quiet">waiting: ${job.waiting_for}</span>`}</dd></div>
    <div><dt>Model</dt><dd>${job.version ? html`<a href=${address("model", { reference: `${job.model}@${job.version}` })}>${job.model}@${job.version}</a>` : job.model}</dd></div>
    ${job.preset && html`<div><dt>Preset</dt><dd>${job.preset}</dd></div>`}
    ${job.queue_position > 0 && html`<div><dt>Place in the queue</dt><dd>${number(job.queue_position)}${job.starts_at ? `, begins in about ${duration(Math.max(0, job.starts_at - Date.now() / 1000))}` : ""}</dd></div>`}
    <div><dt>Progress</dt><dd><${Progress} step=${job.progress.step} total=${job.progress.total_steps} label=${job.model} /> <span class="quiet">step ${number(job.progress.step)} of ${number(job.progress.total_steps)}</span></dd></div>
    ${isActive && latest && html`<div><dt>Pace</dt><dd>${number(latest.steps_per_s, 3)} steps/s, ${number(latest.rows_per_s, 3)} rows/s; ${duration(latest.seconds_left)} left; ${bytes(latest.memory_bytes)} of memory</dd></div>`}
    ${job.started_at && job.finished_at && html`<div><dt>Took</dt><dd>${duration(job.finished_at - job.started_at)}</dd></div>`}
  </dl>`;
}

/** @param {{ job: any }} props */
function Acts({ job }) {
  const act = useAction((/** @type {string} */ what) => post(`/jobs/${job.id}/${what}`));
  const asked = job.cancel_requested ? "It is asked to stop." : job.pause_requested ? "It is asked to pause." : "";
  return html`<p class="row">
      ${actions(job).map((what) => html`<button type="button" class=${what === "cancel" ? "danger" : ""} disabled=${act.busy} onClick=${() => act.run(what)}>${what}</button>`)}
      ${job.state === "succeeded" && job.kind === "sample" && html`<a class="button" href=${`/jobs/${job.id}/file`} download>download the file</a>`}
      <span role="status" class="quiet">${job.state === "running" ? asked : ""}</span>
    </p>
    <${Problem} error=${act.error} />`;
}

/** @param {{ id: string, step: number, state: string }} props */
function Curves({ id, step, state }) {
  const every_s = state === "running" ? 2 : null;
  const { data, error } = useLoaded((signal) => get(`/jobs/${encodeURIComponent(id)}/losses?points=500`, { signal }), [id, state], every_s);
  if (error) return html`<${Problem} error=${error} />`;
  const curves = (data?.curves ?? []).filter((/** @type {any} */ curve) => curve.steps.length > 0);
  if (curves.length === 0) return html`<p class="quiet">${step ? "No losses are kept of it." : "No losses yet."}</p>`;
  return html`<${Chart} curves=${curves} label="Losses by step" />
    <${CopyRead} what="the losses" read=${{ path: `/jobs/${id}/losses`, command: `pushforward jobs ${id} --losses --json` }} />`;
}

/** @param {{ picture: { what: string, step: number, png: string } }} props */
function Shown({ picture }) {
  const blob = useMemo(() => new Blob([Uint8Array.from(atob(picture.png), (letter) => letter.charCodeAt(0))], { type: "image/png" }), [picture]);
  const shown = useBlobAddress(blob);
  return html`<figure><figcaption>${words(picture.what)}, step ${number(picture.step)}</figcaption>
    ${shown && html`<img src=${shown} alt=${`${words(picture.what)} at step ${picture.step}`} />`}</figure>`;
}

/** @param {{ metrics: Record<string, number> }} props */
function Metrics({ metrics }) {
  return html`<section aria-labelledby="metrics-title"><h2 id="metrics-title">Metrics on held-out rows</h2>
    <dl class="pairs">${Object.entries(metrics).map(([name, value]) => html`<div><dt>${words(name)}</dt><dd>${number(value)}</dd></div>`)}</dl></section>`;
}

/** @param {{ sweep: any }} props */
function Trials({ sweep }) {
  const fields = [...new Set(sweep.trials.flatMap((/** @type {any} */ trial) => Object.keys(trial.values)))];
  return html`<section aria-labelledby="trials-title"><h2 id="trials-title">Trials</h2>
    <div class="wide"><table>
      <thead><tr><th scope="col">job</th>${fields.map((field) => html`<th scope="col">${field}</th>`)}<th scope="col">state</th><th scope="col">${words(sweep.score_name ?? "score")}</th></tr></thead>
      <tbody>${sweep.trials.map(
        (/** @type {any} */ trial) => html`<tr key=${trial.job}><th scope="row"><a href=${address("job", { id: trial.job })}>${trial.job}</a>${trial.job === sweep.best ? " (best)" : ""}</th>
          ${fields.map((field) => html`<td>${JSON.stringify(trial.values[/** @type {string} */ (field)])}</td>`)}<td><${State} state=${trial.state} /></td><td>${number(trial.score)}</td></tr>`,
      )}</tbody>
    </table></div></section>`;
}
