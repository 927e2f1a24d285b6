// @ts-check
/** New rows: images, series, points beside their density, or a table. Its address reproduces them. */
import { ConditionField } from "../../components/condition.mjs";
import { CopyAs } from "../../components/copy.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { Options, optionValues, useOptions } from "../../components/options.mjs";
import { hasSteps, previewEvery, Previews } from "../../components/previews.mjs";
import { Samples } from "../../components/samples.mjs";
import { ApiError, post } from "../../lib/api.mjs";
import { html, useEffect } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";
import { sampleBody, samples } from "../../lib/picks.mjs";
import { changeQuery, useQuery } from "../../lib/router.mjs";
import { nested } from "../../lib/rows.mjs";
import { drawnSeed } from "../../lib/seeds.mjs";

/** How many are drawn at first. @param {any} spec */
const first = (spec) => (spec.table ? 20 : spec.shape.length === 1 ? 1000 : 25);

/** @param {{ card: any, reference: string }} props */
export default function Draw({ card, reference }) {
  const { spec } = card;
  const query = useQuery();
  const seed = query.get("seed");
  const n = Math.max(1, Number(query.get("n") ?? first(spec)) || 1);
  const condition = query.get("condition") ?? "";
  const fields = useOptions(card.family, "sample");
  const given = Object.fromEntries([...query].flatMap(([name, text]) => (name.startsWith("option.") ? [[name.slice(7), text]] : [])));
  useEffect(() => {
    if (seed === null) changeQuery({ seed: drawnSeed() });
  }, [seed]);
  const body = sampleBody(reference, spec, { n, seed: Number(seed ?? 0), condition, options: optionValues(given, fields) });
  const key = JSON.stringify(body);
  const { data, error, loading, reload } = useLoaded(async (signal) => (seed === null ? null : { key, ...(await drawn(body, spec, signal)) }), [key, seed]);
  const errors = Object.fromEntries((error instanceof ApiError ? error.errors : []).map(({ field, message }) => [field.replace(/^options\./, ""), message]));
  const isFresh = data?.key === key;
  return html`<form class="row" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <div class="field"><label for="n">Rows</label><input id="n" type="number" min="1" max="10000" value=${n} aria-invalid=${errors["n"] ? "true" : undefined} onChange=${(/** @type {any} */ event) => changeQuery({ n: event.target.value })} /></div>
      <div class="field"><label for="seed">Seed</label><input id="seed" type="number" min="0" value=${seed ?? ""} onChange=${(/** @type {any} */ event) => changeQuery({ seed: event.target.value })} /></div>
      <${ConditionField} spec=${spec} value=${condition} wrong=${errors["condition"]} inTurn />
      <button type="button" class="primary" data-shortcut="n" onClick=${() => changeQuery({ seed: Number(seed ?? 0) + 1 })}>Another</button>
      <button type="button" data-shortcut="r" onClick=${reload}>Draw again</button>
    </form>
    <${Options} fields=${fields} given=${given} errors=${errors} onChange=${(/** @type {string} */ name, /** @type {string} */ text) => changeQuery({ [`option.${name}`]: text })} />
    <${Problem} error=${error} fieldId=${fieldId} />
    ${(loading || !isFresh) && !error && html`<${Loading} what="Drawing" />`}
    ${data && data.rows && html`<${Samples} card=${card} reference=${reference} rows=${data.rows} numbers=${data.numbers} pick=${{ n, seed: Number(seed ?? 0), condition }} />`}
    ${hasSteps(fields) && !spec.table && seed !== null && html`<${Previews} card=${card} reference=${reference} body=${body} every=${previewEvery(fields, given)} pick=${{ n, seed: Number(seed), condition }} />`}
    <${CopyAs} asked=${{ op: "sample", body, png: !spec.table && (spec.shape.length > 1 || spec.shape[0] === 2) }} />`;
}

/** @param {string} field */
function fieldId(field) {
  if (field === "n" || field === "seed" || field === "condition") return field;
  return field.startsWith("options.") ? `option-${field.slice(8)}` : null;
}

/** @param {Record<string, any>} body @param {any} spec @param {AbortSignal} signal */
async function drawn(body, spec, signal) {
  if (spec.table) return { rows: (await post("/sample", body, { signal }))["records"], numbers: null };
  const { shape, values } = await samples(body, signal);
  return { rows: spec.shape.length === 1 && spec.shape[0] === 2 ? [] : nested(values, shape), numbers: values };
}
