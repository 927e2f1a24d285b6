// @ts-check
/** A run: what of it differs from a preset, what it would take, and its start. */
import { ApiError, get, post } from "../lib/api.mjs";
import { bytes, count, duration, number } from "../lib/format.mjs";
import { html, useEffect, useMemo, useState } from "../lib/html.mjs";
import { useAction, useLoaded } from "../lib/loading.mjs";
import { address, navigate } from "../lib/router.mjs";
import { difference, fieldOf } from "../lib/schema.mjs";
import { FORMS } from "../lib/training_commands.mjs";
import { Copies } from "./copy.mjs";
import { Fields, Nested, idOf } from "./form.mjs";
import { Loading, Problem } from "./notice.mjs";

const FIRST_FAMILY = "flow";
const FIRST_SOURCE = "two_moons";
const FIRST_STEPS = 1000;

/** The request that starts the training. @param {{ model: string, preset: any, startFrom: string, run: any, priority: string }} given */
export function trainBody({ model, preset, startFrom, run, priority }) {
  const changes = difference(preset?.run ?? {}, run);
  return {
    model,
    ...(preset && { preset: preset.name }),
    ...(startFrom && { start_from: startFrom }),
    ...(changes && { run: changes }),
    ...(priority !== "" && { priority: Number(priority) }),
  };
}

/** The errors of fields by their place in the run, as the form names them. @param {Error | null} error */
export function fieldErrors(error) {
  const errors = error instanceof ApiError ? error.errors : [];
  return Object.fromEntries(errors.map(({ field, message }) => [field.replace(/^run\./, ""), message]));
}

/** A name for the model. @param {string} text */
const nameOf = (text) => text.toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 63);

/** @param {{ preset: any, startFrom: string, dataset: string }} props */
export function RunForm({ preset, startFrom, dataset }) {
  const [model, setModel] = useState(nameOf(preset?.name ?? (startFrom ? startFrom.replace(/@.*/, "") : dataset || "my-model")));
  const [priority, setPriority] = useState("");
  const [run, setRun] = useState(preset ? preset.run : startFrom ? { budget: { steps: FIRST_STEPS } } : { family: { family: FIRST_FAMILY }, data: { source: FIRST_SOURCE }, budget: { steps: FIRST_STEPS } });
  const key = useMemo(() => crypto.randomUUID(), []);
  const outline = useLoaded((signal) => (dataset ? post(`/datasets/${encodeURIComponent(dataset)}/outline`, { data: {} }, { signal }) : Promise.resolve(null)), [dataset]);
  useEffect(() => {
    if (outline.data) setRun((/** @type {any} */ now) => ({ ...now, data: outline.data?.["data"] }));
  }, [outline.data]);
  const body = trainBody({ model, preset, startFrom, run, priority });
  const start = useAction(async () => {
    const job = await post("/train", body, { headers: { "Idempotency-Key": key } });
    navigate(address("job", { id: job["id"] }));
  });
  const plan = useAction(() => post("/train?dry_run=true", body));
  const error = start.error ?? plan.error;
  const errors = fieldErrors(error);
  const fieldId = (/** @type {string} */ field) => (field === "model" ? "model" : document.getElementById(idOf(field.replace(/^run\./, "").split("."))) ? idOf(field.replace(/^run\./, "").split(".")) : null);
  const title = preset ? `With the preset ${preset.name}` : startFrom ? `Going on from ${startFrom}` : dataset ? `On ${dataset}` : "A run of your own";
  return html`<h2>${title}</h2>
    ${preset && html`<p class="quiet">${preset.summary}</p>`}
    <form onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), start.run())}>
      <div class="row">
        <div class="field"><label for="model">Name of the model</label><input id="model" required value=${model} aria-invalid=${errors["model"] ? "true" : undefined} aria-describedby="model-help" onInput=${(/** @type {any} */ event) => setModel(event.target.value)} />
          <small id="model-help">${errors["model"] ? html`<span class="wrong">${errors["model"]}</span>` : "A training makes its next version."}</small></div>
        <button class="primary" disabled=${start.busy}>Train</button>
        <button type="button" disabled=${plan.busy} onClick=${() => plan.run()}>${plan.busy ? "Measuring …" : "What would it take?"}</button>
      </div>
      <${Problem} error=${error ?? outline.error} fieldId=${fieldId} />
      ${plan.result && html`<${Plan} plan=${plan.result} />`}
      <details open=${!preset}>
        <summary>The run, field by field</summary>
        <${RunFields} run=${run} setRun=${setRun} errors=${errors} hasStart=${startFrom !== ""} />
        <div class="field"><label for="priority">Priority</label><input id="priority" inputmode="numeric" placeholder="0" value=${priority} onChange=${(/** @type {any} */ event) => setPriority(event.target.value)} /><small>From -100 to 100; the highest starts first.</small></div>
      </details>
    </form>
    <${Copies} forms=${FORMS} asked=${body} />
    <details><summary>What is sent, as JSON</summary><pre tabindex="0" aria-label="The request">${JSON.stringify(body, null, 1)}</pre></details>`;
}

/** @type {Promise<any> | null} */
let description = null;

/** @param {{ run: any, setRun: (run: any) => void, errors: Record<string, string>, hasStart: boolean }} props */
function RunFields({ run, setRun, errors, hasStart }) {
  const { data: root, error } = useLoaded(() => (description ??= get("/openapi.json").catch((problem) => ((description = null), Promise.reject(problem)))), []);
  if (!root) return error ? html`<${Problem} error=${error} />` : html`<${Loading} />`;
  const schema = root["components"].schemas.Run;
  const shared = { root, value: run, errors, onChange: setRun };
  const part = (/** @type {string} */ name) => html`<${Nested} ...${shared} field=${fieldOf(root, schema.properties[name])} path=${[name]} />`;
  return html`${(!hasStart || run.family) && part("family")}${(!hasStart || run.data) && part("data")}${part("budget")}${part("optimizer")}
    <${Fields} ...${shared} schema=${schema} path=${[]} omit=${["family", "data", "budget", "optimizer", "start_from"]} />`;
}

/** @param {{ plan: any }} props */
function Plan({ plan }) {
  const { forecast } = plan;
  return html`<section class="note" aria-label="What it would take">
    <p>${plan.form}</p>
    ${plan.notes.map((/** @type {string} */ note) => html`<p>${note}</p>`)}
    <dl class="pairs">
      <div><dt>Rows</dt><dd>${plan.data.rows === null ? "drawn afresh at every step" : count(plan.data.rows, "row")} of ${plan.data.spec.table ? count(plan.data.spec.table.columns.length, "column") : plan.data.spec.shape.join(" × ")}</dd></div>
      ${forecast &&
      html`<div><dt>Parameters</dt><dd>${number(forecast.n_parameters)}</dd></div>
        <div><dt>Time</dt><dd>${duration(forecast.seconds)} on an idle machine: ${count(forecast.total_steps, "step")} of ${number(forecast.step_ms, 3)} ms</dd></div>
        <div><dt>Memory</dt><dd>${bytes(forecast.memory_bytes)} of ${bytes(forecast.free_bytes)} on ${forecast.device}</dd></div>`}
      ${plan.trials && html`<div><dt>Trials</dt><dd>${number(plan.trials)}</dd></div>`}
      <div><dt>Then it can</dt><dd><ul class="badges">${plan.capabilities.map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ul></dd></div>
    </dl>
    ${plan.no_forecast && html`<p class="quiet">No forecast: ${plan.no_forecast}</p>`}
  </section>`;
}
