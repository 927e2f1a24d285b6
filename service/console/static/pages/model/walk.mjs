// @ts-check
/** From one row to another, by way of the codes. */
import { ConditionField, useCondition } from "../../components/condition.mjs";
import { CopyAs } from "../../components/copy.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { Plane } from "../../components/plane.mjs";
import { usePicked } from "../../components/picked.mjs";
import { Row } from "../../components/row.mjs";
import { post } from "../../lib/api.mjs";
import { html, useMemo, useState } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";
import { bounds } from "../../lib/plane.mjs";
import { changeQuery, useQuery } from "../../lib/router.mjs";

const STEPS = 9;

/** The request: two rows, or the samples of two seeds. @param {string} reference @param {{ start: any, end: any, seeds: [number, number], steps: number, path: string, given: object }} ends */
export function walkBody(reference, { start, end, seeds, steps, path, given }) {
  const rows = start && end ? { start, end } : { start_seed: seeds[0], end_seed: seeds[1] };
  return { model: reference, ...rows, ...given, steps, ...(path && { path }) };
}

/** @param {{ card: any, reference: string }} props */
export default function Walk({ card, reference }) {
  const { spec } = card;
  const condition = useCondition(spec);
  const query = useQuery();
  const start = usePicked(reference, spec, "start");
  const end = usePicked(reference, spec, "end");
  const seeds = /** @type {[number, number]} */ ([Number(query.get("start_seed") ?? 1), Number(query.get("end_seed") ?? 2)]);
  const steps = Math.max(2, Number(query.get("steps") ?? STEPS) || STEPS);
  const path = query.get("path") ?? "";
  const half = Boolean(start.name) !== Boolean(end.name);
  const waits = (start.name && !start.row) || (end.name && !end.row) || half;
  const body = walkBody(reference, { start: start.row, end: end.row, seeds, steps, path, given: condition.given });
  const { data, error } = useLoaded((signal) => (waits ? Promise.resolve(null) : post("/interpolate", body, { signal })), [JSON.stringify(body), waits]);
  const [at, setAt] = useState(0);
  const rows = data?.["x"] ?? [];
  const now = Math.min(at, Math.max(0, rows.length - 1));
  const isPlane = spec.shape.length === 1 && spec.shape[0] === 2;
  const change = (/** @type {string} */ name) => (/** @type {any} */ event) => changeQuery({ [name]: event.target.value });
  return html`<form class="row" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      ${start.name || end.name
        ? html`<p>${end.name ? "" : "Choose the other end: "}${half && html`<a href=${`./draw`}>pick another sample on Draw</a>, or `}<button type="button" onClick=${() => changeQuery({ end: start.name.replace(/^(\d+):(\d+):(\d+)/, (_, s, n, i) => `${s}:${n}:${(Number(i) + 1) % Number(n)}`), start: start.name })}>${end.name ? "another end" : "take the next sample"}</button> <button type="button" onClick=${() => changeQuery({ start: "", end: "" })}>between two seeds</button></p>`
        : html`<div class="field"><label for="start_seed">From the sample of seed</label><input id="start_seed" type="number" min="0" value=${seeds[0]} onChange=${change("start_seed")} /></div>
            <div class="field"><label for="end_seed">to that of seed</label><input id="end_seed" type="number" min="0" value=${seeds[1]} onChange=${change("end_seed")} /></div>
            <button type="button" class="primary" data-shortcut="n" onClick=${() => changeQuery({ start_seed: seeds[1], end_seed: seeds[1] + 1 })}>Walk on</button>`}
      <${ConditionField} spec=${spec} value=${condition.text} />
      <div class="field"><label for="steps">Steps</label><input id="steps" type="number" min="2" max="64" value=${steps} onChange=${change("steps")} /></div>
      <div class="field"><label for="path">Path</label><select id="path" value=${path} onChange=${change("path")}><option value="">as suits the codes</option><option value="slerp">slerp: great circle</option><option value="linear">linear</option></select></div>
    </form>
    <${Problem} error=${error ?? start.error ?? end.error} fieldId=${(/** @type {string} */ field) => (["steps", "path", "start_seed", "end_seed", "condition"].includes(field) ? field : null)} />
    ${rows.length === 0 && !error && !half && html`<${Loading} what="Walking" />`}
    ${rows.length > 0 && isPlane && html`<${Path} rows=${rows} now=${now} />`}
    ${rows.length > 0 && !isPlane && html`<ol class="film">${rows.map((/** @type {any} */ row, /** @type {number} */ i) => html`<li class=${i === now ? "now" : ""}><${Row} row=${row} spec=${spec} label=${`step ${i}`} />${i}</li>`)}</ol>`}
    ${rows.length > 0 &&
    html`<div class="field"><label for="at">Step ${now} of ${rows.length - 1}</label><input id="at" type="range" min="0" max=${rows.length - 1} value=${now} onInput=${(/** @type {any} */ event) => setAt(Number(event.target.value))} /></div>
      <${Row} row=${rows[now]} spec=${spec} label=${`step ${now}, enlarged`} tile=${192} />
      <${CopyAs} asked=${{ op: "interpolate", body, png: !spec.table }} />`}`;
}

/** @param {{ rows: number[][], now: number }} props */
function Path({ rows, now }) {
  const points = useMemo(() => rows.flat(), [rows]);
  const within = useMemo(() => bounds(points), [points]);
  return html`<${Plane} label=${`path of ${rows.length} points`} within=${within} points=${points} marks=${rows[now] ?? []} />`;
}
