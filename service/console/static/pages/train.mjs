// @ts-check
/** Train: a preset in two clicks, or a run that is filled in. */
import { Loading, Problem } from "../components/notice.mjs";
import { RunForm } from "../components/run_form.mjs";
import { get } from "../lib/api.mjs";
import { html } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";
import { groupOf, GROUPS } from "../lib/presets.mjs";
import { address, changeQuery, useQuery } from "../lib/router.mjs";

export default function Train() {
  const query = useQuery();
  const preset = query.get("preset") ?? "";
  const start = query.get("start_from") ?? "";
  const dataset = query.get("data") ?? "";
  const isOwn = query.has("own") || start !== "" || dataset !== "";
  const { data, error } = useLoaded((signal) => get("/presets", { signal }), []);
  const chosen = data?.["presets"].find((/** @type {any} */ each) => each.name === preset);
  return html`<h1 tabindex="-1">Train a model</h1>
    <${Problem} error=${error} />
    ${!data && !error && html`<${Loading} />`}
    ${data && (chosen || isOwn) && html`<p><a href=${address("train")}>All presets</a></p><${RunForm} key=${`${preset} ${start} ${dataset}`} preset=${chosen ?? null} startFrom=${start} dataset=${dataset} />`}
    ${data && preset && !chosen && html`<p class="problem" role="alert">There is no preset ${preset}.</p>`}
    ${data && !chosen && !isOwn && html`<${Presets} presets=${data["presets"]} wanted=${query.get("filter") ?? ""} />`}`;
}

/** @param {{ presets: any[], wanted: string }} props */
function Presets({ presets, wanted }) {
  const words = wanted.toLowerCase().split(/\s+/);
  const shown = presets.filter((each) => words.every((word) => `${each.name} ${each.summary} ${each.run.family.family}`.toLowerCase().includes(word)));
  return html`<form class="row" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label class="field">Name, family or words <input type="search" data-filter value=${wanted} onInput=${(/** @type {any} */ event) => changeQuery({ filter: event.target.value })} /></label>
      <a class="button" href=${address("train", {}, { own: 1 })}>Fill in a run of your own</a>
      <span role="status" class="quiet">${shown.length} of ${presets.length} presets</span>
    </form>
    ${GROUPS.map((group) => {
      const within = shown.filter((each) => groupOf(each.run.data) === group);
      return within.length > 0 && html`<section><h2>${group}</h2><ul class="cards">${within.map((each) => html`<${PresetCard} key=${each.name} preset=${each} />`)}</ul></section>`;
    })}`;
}

/** @param {{ preset: any }} props */
function PresetCard({ preset }) {
  const { name, summary } = preset;
  const hide = (/** @type {any} */ event) => event.target.remove(); // a preset without a picture
  return html`<li class="card">
    <h3><a href=${address("train", {}, { preset: name })}>${name}</a></h3>
    <img src=${`/console/presets/${name}.webp`} alt="" loading="lazy" width="160" height="160" onError=${hide} />
    <span class="quiet">${summary}</span>
  </li>`;
}
