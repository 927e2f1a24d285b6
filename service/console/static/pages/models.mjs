// @ts-check
/** The gallery: the newest version of each model. */
import { Empty, Loading, Problem } from "../components/notice.mjs";
import { get } from "../lib/api.mjs";
import { html } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";
import { address, changeQuery, useQuery } from "../lib/router.mjs";
import { ModelCard } from "./overview.mjs";

const EVERY_S = 10;

export default function Models() {
  const query = useQuery();
  const wanted = query.get("filter") ?? "";
  const { data, error } = useLoaded((signal) => get("/models", { signal }), [], EVERY_S);
  /** @type {any[]} */
  const cards = data?.models ?? [];
  const shown = cards.filter((card) => `${card.model} ${card.family}`.includes(wanted)).sort((a, b) => b.created_at - a.created_at);
  return html`<h1 tabindex="-1">Models</h1>
    <form class="row" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label class="field">Name or family <input type="search" data-filter value=${wanted} onInput=${(/** @type {any} */ event) => changeQuery({ filter: event.target.value.trim() })} /></label>
      <a class="button primary" href=${address("train")}>Train a model</a>
      ${data && html`<span role="status" class="quiet">${shown.length} of ${cards.length} models</span>`}
    </form>
    <${Problem} error=${error} />
    ${!data ? !error && html`<${Loading} />` : shown.length === 0 && html`<${Empty}>${cards.length === 0 ? "There is no model yet." : "No model is like this."}<//>`}
    <ul class="cards">${shown.map((card) => html`<${ModelCard} key=${card.model} card=${card} level="h2" />`)}</ul>`;
}
