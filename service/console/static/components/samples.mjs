// @ts-check
/** Samples as what they are: a grid of images or series, points of the plane, or a table. */
import { html, useRef, useState } from "../lib/html.mjs";
import { labelInTurn, pickName } from "../lib/picks.mjs";
import { address, navigate } from "../lib/router.mjs";
import { DensityPlane } from "./density.mjs";
import { RecordsTable } from "./records.mjs";
import { Row } from "./row.mjs";

/**
 * @param {{ card: any, reference: string, rows: any[], numbers: ArrayLike<number> | null, pick: { n: number, seed: number, condition: string } }} props
 */
export function Samples({ card, reference, rows, numbers, pick }) {
  const { spec } = card;
  if (spec.table) return html`<${RecordsTable} rows=${rows} name=${`${reference}-seed-${pick.seed}`} />`;
  if (spec.shape.length === 1 && spec.shape[0] === 2) return html`<${DensityPlane} card=${card} reference=${reference} points=${numbers} condition=${pick.condition} label=${`${pick.n} samples, seed ${pick.seed}`} />`;
  if (spec.shape.length === 1) return html`<${RecordsTable} rows=${rows.map((row) => Object.fromEntries(row.map((/** @type {number} */ value, /** @type {number} */ i) => [`x${i + 1}`, value])))} name=${`${reference}-seed-${pick.seed}`} />`;
  return html`<${Grid} card=${card} reference=${reference} rows=${rows} pick=${pick} />`;
}

/** What can be done with a row, by the capability that it needs. @type {[string, string, string, string][]} */
const ACTIONS = [
  ["likelihood", "score", "Score it", "row"],
  ["interpolate", "walk", "Walk from here", "start"],
  ["reconstruct", "rebuild", "Rebuild it", "row"],
  ["encode", "codes", "Find it among the codes", "row"],
  ["translate", "translate", "Translate it", "row"],
];

/** @param {{ card: any, reference: string, rows: any[], pick: { n: number, seed: number, condition: string } }} props */
function Grid({ card, reference, rows, pick }) {
  const [at, setAt] = useState(0);
  const [opened, setOpened] = useState(0);
  const grid = useRef(/** @type {HTMLElement | null} */ (null));
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const columns = Math.ceil(Math.sqrt(rows.length));
  const name = (/** @type {number} */ i) => `sample ${i}, seed ${pick.seed}`;
  const open = (/** @type {number} */ i) => {
    setAt(i);
    setOpened(i);
    dialog.current?.showModal();
  };
  const choose = (/** @type {string} */ tab, /** @type {string} */ field, /** @type {number} */ i) => navigate(address("tab", { reference, tab }, { [field]: pickName({ ...pick, row: i }), condition: pick.condition || (card.spec.condition?.kind === "labels" ? labelInTurn(i, card.spec) : "") }));
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const moves = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns });
    const move = moves[event.key];
    if (move === undefined) {
      if (event.key === "s" && card.capabilities.includes("likelihood")) choose("score", "row", at);
      else if (event.key === "w" && card.capabilities.includes("interpolate")) choose("walk", "start", at);
      return;
    }
    event.preventDefault();
    const next = Math.min(Math.max(at + move, 0), rows.length - 1);
    setAt(next);
    /** @type {HTMLElement | null | undefined} */ (grid.current?.querySelector(`[data-cell="${next}"]`))?.focus();
  };
  const lines = Array.from({ length: Math.ceil(rows.length / columns) }, (_, r) => rows.slice(r * columns, (r + 1) * columns));
  return html`<div role="grid" aria-label=${`${rows.length} samples, seed ${pick.seed}`} class="samples" ref=${grid} onKeyDown=${pressed}>
      ${lines.map(
        (line, r) => html`<div role="row">${line.map((row, c) => {
          const i = r * columns + c;
          return html`<div role="gridcell"><button type="button" class="cell" data-cell=${i} tabindex=${i === at ? 0 : -1} aria-label=${name(i)} onFocus=${() => setAt(i)} onClick=${() => open(i)}><${Row} row=${row} spec=${card.spec} label="" /></button></div>`;
        })}</div>`,
      )}
    </div>
    <p class="quiet">Arrows move, Enter opens a sample${card.capabilities.includes("likelihood") ? ", s scores it" : ""}${card.capabilities.includes("interpolate") ? ", w walks from it" : ""}.</p>
    <dialog ref=${dialog} aria-labelledby="sample-title">
      <h2 id="sample-title">${name(opened)}</h2>
      ${rows[opened] !== undefined && html`<${Row} row=${rows[opened]} spec=${card.spec} label=${name(opened)} tile=${256} />`}
      <p class="row">
        ${ACTIONS.filter(([needs]) => card.capabilities.includes(needs)).map(([, tab, title, field]) => html`<button type="button" onClick=${() => choose(tab, field, opened)}>${title}</button>`)}
        <button type="button" onClick=${() => dialog.current?.close()}>Close</button>
      </p>
    </dialog>`;
}
