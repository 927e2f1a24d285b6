// @ts-check
/** The latent codes of rows as a map; a code under the pointer, or moved to by arrows, is decoded. */
import { useCondition } from "../../components/condition.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { WithRows, listOf, sampledRows } from "../../components/picked.mjs";
import { Legend, Plane } from "../../components/plane.mjs";
import { Row, flat } from "../../components/row.mjs";
import { CopyAs } from "../../components/copy.mjs";
import { post } from "../../lib/api.mjs";
import { html, useEffect, useMemo, useRef, useState } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";
import { labelInTurn } from "../../lib/picks.mjs";
import { bounds, principal } from "../../lib/plane.mjs";
import { nested } from "../../lib/rows.mjs";
import { changeQuery, useQuery } from "../../lib/router.mjs";

const N = 300;
const WAIT_MS = 120; // of a pointer at rest
const MOVE = 0.05; // of the map, by an arrow

/** A code at a place of the map. @param {number[]} at @param {{ mean: number[], axes: number[][] } | null} projection */
export function codeAt([x = 0, y = 0], projection) {
  if (!projection) return [x, y];
  const [first = [], second = []] = projection.axes;
  return projection.mean.map((value, i) => value + x * (first[i] ?? 0) + y * (second[i] ?? 0));
}

/** @param {{ card: any, reference: string }} props */
export default function Codes({ card, reference }) {
  const seed = Number(useQuery().get("seed") ?? 0);
  const canSample = card.capabilities.includes("sample");
  const { text, given: condition } = useCondition(card.spec);
  const labels = card.spec.condition?.kind === "labels" ? Array.from({ length: N }, (_, row) => labelInTurn(row, card.spec)) : null;
  const drawn = useLoaded((signal) => (canSample ? sampledRows(reference, card.spec, { n: N, seed, condition: labels ? "" : text }, signal) : Promise.resolve(null)), [reference, seed, text]);
  const sampled = labels ? { condition: labels } : condition;
  return html`<p>The map shows the codes of ${canSample ? `${N} samples of the model, seed ${seed}` : "the rows that you give"}; marked are those of rows that you give. Move over it, or use the arrow keys on it: the code there is decoded.</p>
    <p class="row"><button type="button" data-shortcut="n" onClick=${() => changeQuery({ seed: seed + 1 })}>Other samples</button></p>
    <${Problem} error=${drawn.error} />
    ${drawn.data && html`<${CodeMap} card=${card} reference=${reference} rows=${drawn.data} condition=${sampled} labels=${labels} given=${null} decodeFor=${condition} />`}
    <${WithRows} card=${card} reference=${reference} label="Rows to find among the codes" action="Encode" busy=${false}>${(/** @type {import("../../lib/rows.mjs").Rows} */ rows) => html`<${CodeMap} card=${card} reference=${reference} rows=${drawn.data ?? rows} condition=${drawn.data ? sampled : condition} labels=${drawn.data ? labels : null} given=${rows} decodeFor=${condition} />`}<//>`;
}

/** @param {string} reference @param {import("../../lib/rows.mjs").Rows} rows @param {object} condition @param {AbortSignal} signal @returns {Promise<number[][]>} */
async function encoded(reference, rows, condition, signal) {
  const answer = await post("/encode", { model: reference, ...rows, ...condition }, { signal });
  return answer["z"].map(flat);
}

/** @param {{ card: any, reference: string, rows: import("../../lib/rows.mjs").Rows, condition: object, labels: number[] | null, given: import("../../lib/rows.mjs").Rows | null, decodeFor: object }} props */
function CodeMap({ card, reference, rows, condition, labels, given, decodeFor }) {
  const { data: codes, error } = useLoaded((signal) => encoded(reference, rows, condition, signal), [reference, rows, JSON.stringify(condition)]);
  const marked = useLoaded((signal) => (given ? encoded(reference, given, decodeFor, signal) : Promise.resolve([])), [reference, given, JSON.stringify(decodeFor)]);
  const projection = useMemo(() => (codes && (codes[0]?.length ?? 0) > 2 ? principal(codes) : null), [codes]);
  const points = useMemo(() => (codes ? (projection ? projection.points : codes.map((code) => [code[0] ?? 0, code[1] ?? 0])).flat() : []), [codes, projection]);
  const within = useMemo(() => bounds(points), [points]);
  const [at, setAt] = useState(/** @type {number[] | null} */ (null));
  const marks = (marked.data ?? []).flatMap((code) => (projection ? project(code, projection) : [code[0] ?? 0, code[1] ?? 0]));
  const decoded = useDecoded(card, reference, decodeFor, at && codeAt(at, projection));
  if (error) return html`<${Problem} error=${error} fieldId=${() => "rows-text"} />`;
  if (!codes) return html`<${Loading} what="Encoding" />`;
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const moves = /** @type {Record<string, [number, number]>} */ ({ ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] });
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [x = 0, y = 0] = at ?? [(within.x[0] + within.x[1]) / 2, (within.y[0] + within.y[1]) / 2];
    const span = within.x[1] - within.x[0];
    setAt([x + move[0] * MOVE * span, y + move[1] * MOVE * span]);
  };
  return html`<div class="columns">
    <figure><figcaption>${projection ? `First two principal components of ${codes[0]?.length} dimensions` : "Codes"}</figcaption>
      <div tabindex="0" role="application" aria-label="Map of codes; arrow keys move over it" onKeyDown=${pressed}>
        <${Plane} label=${`codes of ${listOf(rows).length} rows`} within=${within} points=${points} labels=${labels} marks=${[...marks, ...(at ?? [])]} onPoint=${(/** @type {number} */ x, /** @type {number} */ y) => setAt([x, y])} />
      </div>${labels && html`<${Legend} n=${card.spec.condition.n_classes} names=${card.spec.condition.names} />`}</figure>
    <figure><figcaption>${at ? `Decoded at ${at.map((value) => value.toFixed(2)).join(", ")}` : "Decoded"}</figcaption>
      <${Problem} error=${decoded.error} />
      ${decoded.row ? html`<${Row} row=${decoded.row} spec=${card.spec} label="the decoded row" tile=${192} />` : html`<p class="quiet">${card.capabilities.includes("decode") ? "Move over the map." : "This model does not decode."}</p>`}
      ${decoded.body && html`<${CopyAs} asked=${{ op: "decode", body: decoded.body }} />`}</figure>
  </div>`;
}

/** @param {number[]} code @param {{ mean: number[], axes: number[][] }} projection */
function project(code, { mean, axes }) {
  return axes.map((axis) => code.reduce((sum, value, i) => sum + (value - (mean[i] ?? 0)) * (axis[i] ?? 0), 0));
}

/** The row of a code, once the pointer rests. @param {any} card @param {string} reference @param {object} condition @param {number[] | null} code */
function useDecoded(card, reference, condition, code) {
  const [shown, setShown] = useState(/** @type {{ row: any, body: any, error: Error | null }} */ ({ row: null, body: null, error: null }));
  const turn = useRef(0);
  const key = code?.join() ?? "";
  useEffect(() => {
    if (!code || !card.capabilities.includes("decode")) return;
    const stop = new AbortController();
    const mine = (turn.current += 1);
    const body = { model: reference, z: [nested(code, card.latent_shape)], ...condition };
    const timer = setTimeout(async () => {
      try {
        const answer = await post("/decode", body, { signal: stop.signal });
        if (mine === turn.current) setShown({ row: (answer["x"] ?? answer["records"])[0], body, error: null });
      } catch (error) {
        if (!stop.signal.aborted) setShown({ row: null, body: null, error: /** @type {Error} */ (error) });
      }
    }, WAIT_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, JSON.stringify(condition)]);
  return shown;
}
