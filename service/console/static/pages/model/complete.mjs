// @ts-check
/** Whole rows of those of which a part is known: empty cells of a table, or pixels that are hidden. */
import { useCondition } from "../../components/condition.mjs";
import { CopyAs } from "../../components/copy.mjs";
import { Loading, Problem } from "../../components/notice.mjs";
import { WithRows, listOf } from "../../components/picked.mjs";
import { RecordsTable } from "../../components/records.mjs";
import { Row } from "../../components/row.mjs";
import { post } from "../../lib/api.mjs";
import { html } from "../../lib/html.mjs";
import { useLoaded } from "../../lib/loading.mjs";
import { changeQuery, useQuery } from "../../lib/router.mjs";

/** Which pixels are known, by the half that is hidden. @type {Record<string, (x: number, y: number, width: number, height: number) => boolean>} */
const KNOWN = {
  right: (x, _, width) => x < width / 2,
  left: (x, _, width) => x >= width / 2,
  bottom: (_, y, __, height) => y < height / 2,
  top: (_, y, __, height) => y >= height / 2,
};

/** The mask of a row, 1 where it is known, of its shape. @param {number[]} shape @param {string} hidden @returns {any} */
export function maskOf(shape, hidden) {
  const known = KNOWN[hidden] ?? (() => true);
  const [channels = 1, height = 1, width = 1] = shape;
  return Array.from({ length: channels }, () => Array.from({ length: height }, (_, y) => Array.from({ length: width }, (__, x) => (known(x, y, width, height) ? 1 : 0))));
}

/** The row with 0 where the mask is. @param {any} row @param {any} mask @returns {any} */
export const masked = (row, mask) => (Array.isArray(row) ? row.map((each, i) => masked(each, mask[i])) : row * mask);

/** @param {{ card: any, reference: string }} props */
export default function Complete({ card, reference }) {
  const { spec } = card;
  const query = useQuery();
  const hidden = query.get("hidden") ?? "bottom";
  const seed = Number(query.get("seed") ?? 0);
  return html`<form class="row" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      ${!spec.table && html`<div class="field"><label for="hidden">Hide the half at the</label><select id="hidden" value=${hidden} onChange=${(/** @type {any} */ event) => changeQuery({ hidden: event.target.value })}>${Object.keys(KNOWN).map((each) => html`<option>${each}</option>`)}</select></div>`}
      <div class="field"><label for="seed">Seed</label><input id="seed" type="number" min="0" value=${seed} onChange=${(/** @type {any} */ event) => changeQuery({ seed: event.target.value })} /></div>
      <button type="button" data-shortcut="n" onClick=${() => changeQuery({ seed: seed + 1 })}>Another</button>
    </form>
    <${WithRows} card=${card} reference=${reference} label=${spec.table ? "Rows with empty cells" : "Rows to complete"} action="Complete" busy=${false}>${(/** @type {import("../../lib/rows.mjs").Rows} */ rows) => html`<${Completed} card=${card} reference=${reference} rows=${rows} hidden=${hidden} seed=${seed} />`}<//>`;
}

/** @param {{ card: any, reference: string, rows: import("../../lib/rows.mjs").Rows, hidden: string, seed: number }} props */
function Completed({ card, reference, rows, hidden, seed }) {
  const { spec } = card;
  const mask = "x" in rows && !spec.table ? maskOf(spec.shape, hidden) : null;
  const shown = listOf(rows).map((row) => (mask ? masked(row, mask) : row));
  const asked = mask ? { x: shown, mask: shown.map(() => mask) } : rows;
  const { given } = useCondition(card.spec);
  const body = { model: reference, ...given, ...asked, seed };
  const { data, error } = useLoaded((signal) => post("/complete", body, { signal }), [JSON.stringify(body)]);
  if (error) return html`<${Problem} error=${error} fieldId=${(/** @type {string} */ field) => (/^(x|records|mask)/.test(field) ? "rows-text" : field === "condition" ? "condition" : null)} />`;
  if (!data) return html`<${Loading} what="Completing" />`;
  const made = data["x"] ?? data["records"] ?? [];
  return html`${spec.table
      ? html`<${RecordsTable} rows=${made} name=${`${reference}-completed`} label="Completed rows" />`
      : html`<div class="wide" tabindex="0"><table><thead><tr><th scope="col">row</th><th scope="col">what is known</th><th scope="col">completed</th></tr></thead>
          <tbody>${shown.map((row, i) => html`<tr><th scope="row">${i}</th><td><${Row} row=${row} spec=${spec} label=${`what is known of row ${i}`} tile=${96} /></td><td><${Row} row=${made[i]} spec=${spec} label=${`row ${i}, completed`} tile=${96} /></td></tr>`)}</tbody></table></div>`}
    <${CopyAs} asked=${{ op: "complete", body }} />`;
}
