// @ts-check
/** What to draw or ask rows for: a label, a text, a vector, or columns. It stands in the address. */
import { html } from "../lib/html.mjs";
import { NO_CONDITION } from "../lib/picks.mjs";
import { changeQuery, useQuery } from "../lib/router.mjs";
import { condition as conditionOf } from "../lib/rows.mjs";

/**
 * @param {{ spec: any, value: string, wrong?: string | undefined, inTurn?: boolean }} props
 */
export function ConditionField({ spec, value, wrong, inTurn = false }) {
  const condition = spec.condition;
  if (!condition) return null;
  const change = (/** @type {any} */ event) => changeQuery({ condition: event.target.value.trim() });
  const isLabels = condition.kind === "labels";
  return html`<div class="field">
    <label for="condition">Condition</label>
    ${isLabels
      ? html`<select id="condition" value=${value} onChange=${change}>
          ${inTurn && html`<option value="">each label in turn</option>`}
          ${Array.from({ length: condition.n_classes }, (_, i) => html`<option value=${String(i)}>${condition.names?.[i] ?? i}</option>`)}
          <option value=${NO_CONDITION}>none</option>
        </select>`
      : html`<input id="condition" value=${value} onChange=${change} aria-invalid=${wrong ? "true" : undefined} aria-describedby="condition-help" />`}
    <small id="condition-help">${help(condition)}${wrong && html` <span class="wrong">${wrong}</span>`}</small>
  </div>`;
}

/** The condition of rows that are given: that of the address, else the first label. @param {any} spec */
export function useCondition(spec) {
  const text = useQuery().get("condition") || (spec.condition?.kind === "labels" ? "0" : "");
  const value = text === NO_CONDITION || !spec.condition ? undefined : conditionOf(text, spec);
  return { text, given: value === undefined ? {} : { condition: value } };
}

/** @param {any} condition */
function help(condition) {
  if (condition.kind === "text") return "A text, as in the captions of the training.";
  if (condition.kind === "columns") return 'Columns as JSON, such as {"species": "Adelie"}.';
  if (condition.kind === "vector") return "A vector as JSON, such as [0.1, 0.2].";
  return "A label; none, where the model was also trained without.";
}
