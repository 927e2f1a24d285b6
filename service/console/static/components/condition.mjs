// @ts-check
/** What to draw rows for: a label, a text, or columns. */
import { html } from "../lib/html.mjs";

/** @param {{ spec: any, value: string, wrong?: string | undefined, onChange: (value: string) => void }} props */
export function ConditionField({ spec, value, wrong, onChange }) {
  const condition = spec.condition;
  if (!condition) return null;
  const n = condition.n_classes ?? (condition.kind === "labels" ? spec.n_classes : null);
  const change = (/** @type {any} */ event) => onChange(event.target.value.trim());
  const names = condition.names ?? condition.classes ?? null;
  return html`<div class="field">
    <label for="condition">Condition</label>
    ${n
      ? html`<select id="condition" value=${value} onChange=${change}><option value="">none</option>${Array.from({ length: n }, (_, i) => html`<option value=${String(i)}>${names?.[i] ?? i}</option>`)}</select>`
      : html`<input id="condition" value=${value} onChange=${change} aria-invalid=${wrong ? "true" : undefined} aria-describedby="condition-help" />`}
    <small id="condition-help">${help(condition)}${wrong && html` <span class="wrong">${wrong}</span>`}</small>
  </div>`;
}

/** @param {any} condition */
function help(condition) {
  if (condition.kind === "text") return "A text, as in the captions of the training.";
  if (condition.kind === "columns") return 'Columns as JSON, such as {"species": "Adelie"}.';
  if (condition.kind === "vector") return "A vector as JSON, such as [0.1, 0.2].";
  return "A label.";
}
