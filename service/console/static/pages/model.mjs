// @ts-check
/** A version of a model: what it is, and a tab for each thing it can be asked. */
import { Loading, Problem } from "../components/notice.mjs";
import { get, remove } from "../lib/api.mjs";
import { age, bytes, number, words } from "../lib/format.mjs";
import { html, useEffect, useRef, useState } from "../lib/html.mjs";
import { useAction, useLoaded } from "../lib/loading.mjs";
import { address, navigate } from "../lib/router.mjs";

/** Tabs by the capability that they need; null needs none. @type {[string, string, string | null, () => Promise<{ default: Function }>][]} */
const TABS = [
  ["draw", "Draw", "sample", () => import("./model/draw.mjs")],
  ["score", "Score", "likelihood", () => import("./model/score.mjs")],
  ["codes", "Codes", "encode", () => import("./model/codes.mjs")],
  ["walk", "Walk", "interpolate", () => import("./model/walk.mjs")],
  ["rebuild", "Rebuild", "reconstruct", () => import("./model/rebuild.mjs")],
  ["translate", "Translate", "translate", () => import("./model/translate.mjs")],
  ["complete", "Complete", "complete", () => import("./model/complete.mjs")],
  ["versions", "Versions", null, () => import("./model/versions.mjs")],
  ["report", "Report", null, () => import("./model/report.mjs")],
];
const KEY_METRICS = ["validation_log_prob_nats_exact", "validation_log_prob_nats_lower_bound", "validation_log_prob_nats_estimate", "nats_above_gaussian", "validation_rmse", "sliced_wasserstein_standardized"];

/** @param {{ reference: string, tab?: string }} props */
export default function Model({ reference, tab }) {
  const { data: card, error } = useLoaded((signal) => get(`/models/${encodeURIComponent(reference)}`, { signal }), [reference]);
  const [Tab, setTab] = useState(/** @type {{ of: string, component: Function } | null} */ (null));
  const tabs = card ? TABS.filter(([, , needs]) => needs === null || card.capabilities.includes(needs)) : [];
  const open = tabs.find(([name]) => name === tab) ?? tabs[0];
  useEffect(() => {
    let stale = false;
    open?.[3]().then((module) => stale || setTab({ of: open[0], component: module.default }));
    return () => {
      stale = true;
    };
  }, [open?.[0]]);
  if (!card) return html`<h1 tabindex="-1">Model ${reference}</h1>${error ? html`<${Problem} error=${error} />` : html`<${Loading} />`}`;
  const full = `${card.model}@${card.version}`;
  return html`<h1 tabindex="-1">Model ${full}</h1>
    ${card.notes.map((/** @type {string} */ note) => html`<p class="note">${note}</p>`)}
    <${Head} card=${card} />
    <nav class="tabs" aria-label="What to do with the model">
      ${tabs.map(([name, title]) => html`<a href=${address("tab", { reference: full, tab: name })} aria-current=${open?.[0] === name ? "page" : undefined}>${title}</a>`)}
    </nav>
    <section aria-label=${open?.[1]}>
      ${open && Tab?.of === open[0] ? html`<${Tab.component} key=${`${full} ${open[0]}`} card=${card} reference=${full} />` : html`<${Loading} />`}
    </section>`;
}

/** @param {{ card: any }} props */
function Head({ card }) {
  const { spec } = card;
  const shape = spec.table ? `${spec.table.columns.length} columns` : spec.shape.join(" × ");
  const metrics = KEY_METRICS.filter((name) => name in card.metrics).slice(0, 3);
  return html`<dl class="pairs">
      <div><dt>Family</dt><dd>${card.family}</dd></div>
      <div><dt>Rows</dt><dd>${shape}</dd></div>
      <div><dt>Can be asked to</dt><dd><ul class="badges">${card.capabilities.map((/** @type {string} */ each) => html`<li>${each}</li>`)}</ul></dd></div>
      ${metrics.map((name) => html`<div><dt>${words(name)}</dt><dd>${number(card.metrics[name])}</dd></div>`)}
      <div><dt>Size</dt><dd>${number(card.n_parameters)} parameters, ${bytes(card.weights_bytes)}</dd></div>
      <div><dt>Trained</dt><dd>${number(card.steps)} steps, ${age(card.created_at)}, by job <a href=${address("job", { id: card.job })}>${card.job}</a>${card.start_from && html`, from ${card.start_from}`}</dd></div>
    </dl>
    <p class="row">
      <a class="button" href=${address("train", {}, { start_from: `${card.model}@${card.version}` })}>Train further</a>
      <${Delete} card=${card} />
    </p>`;
}

/** @param {{ card: any }} props */
function Delete({ card }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [typed, setTyped] = useState("");
  const reference = `${card.model}@${card.version}`;
  const act = useAction(async () => {
    await remove(`/models/${encodeURIComponent(reference)}`);
    dialog.current?.close();
    navigate(address("models"));
  });
  return html`<button type="button" class="danger" onClick=${() => dialog.current?.showModal()}>Delete …</button>
    <dialog ref=${dialog} aria-labelledby="delete-title">
      <h2 id="delete-title">Delete ${reference}?</h2>
      <p>Its weights are gone then. Type its name to delete it.</p>
      <label class="field">Name <input value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} /></label>
      <${Problem} error=${act.error} />
      <p class="row">
        <button type="button" class="danger" disabled=${typed !== reference || act.busy} onClick=${() => act.run()}>Delete ${reference}</button>
        <button type="button" onClick=${() => dialog.current?.close()}>Keep it</button>
      </p>
    </dialog>`;
}
