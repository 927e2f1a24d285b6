// @ts-check
/** A form of a JSON Schema: unions are selects that swap what is below them. */
import { html } from "../lib/html.mjs";
import { asTyped, fieldOf, setAt, typedValue, valueAt } from "../lib/schema.mjs";

/**
 * @typedef {{ root: any, value: any, errors: Record<string, string>, onChange: (value: any) => void }} Shared
 */

/** The identifier of a field's control. @param {string[]} path */
export const idOf = (path) => `field-${path.join("-")}`;

/** @param {Shared & { schema: any, path: string[], omit?: string[] }} props */
export function Fields({ schema, path, omit = [], ...shared }) {
  const names = Object.keys(schema.properties ?? {}).filter((name) => !omit.includes(name));
  const fields = names.map((name) => ({ name, field: fieldOf(shared.root, schema.properties[name]) }));
  const isNested = (/** @type {{ field: any }} */ { field }) => field.kind === "union" || field.kind === "object";
  return html`<div class="fields">${fields.filter((each) => !isNested(each)).map(({ name, field }) => html`<${Control} key=${name} ...${shared} field=${field} path=${[...path, name]} />`)}</div>
    ${fields.filter(isNested).map(({ name, field }) => html`<${Nested} key=${name} ...${shared} field=${field} path=${[...path, name]} />`)}`;
}

/** @param {Shared & { field: any, path: string[], legend?: string }} props */
export function Nested({ field, path, legend, ...shared }) {
  const name = legend ?? path.at(-1);
  if (field.kind === "object") return html`<fieldset><legend>${name}</legend><${Fields} ...${shared} schema=${field.schema} path=${path} /></fieldset>`;
  const now = valueAt(shared.value, [...path, field.tag]) ?? field.schema.default?.[field.tag] ?? "";
  const variant = field.variants[now];
  const choose = (/** @type {any} */ event) => shared.onChange(setAt(shared.value, path, event.target.value ? { [field.tag]: event.target.value } : undefined));
  const id = idOf([...path, field.tag]);
  const wrong = shared.errors[path.join(".")] ?? shared.errors[[...path, field.tag].join(".")];
  return html`<fieldset>
    <legend>${name}</legend>
    <div class="field">
      <label for=${id}>${field.tag}</label>
      <select id=${id} value=${now} aria-invalid=${wrong ? "true" : undefined} aria-describedby=${`${id}-help`} onChange=${choose}>
        ${!now && html`<option value="">default</option>`}
        ${Object.keys(field.variants).map((each) => html`<option value=${each}>${each}</option>`)}
      </select>
      <small id=${`${id}-help`}>${variant?.description ?? field.schema.description ?? ""}${wrong && html` <span class="wrong">${wrong}</span>`}</small>
    </div>
    ${variant && html`<${Fields} ...${shared} schema=${variant} path=${path} omit=${[field.tag]} />`}
  </fieldset>`;
}

/** @param {Shared & { field: any, path: string[] }} props */
function Control({ field, path, value, errors, onChange }) {
  const id = idOf(path);
  const wrong = errors[path.join(".")];
  const now = asTyped(valueAt(value, path));
  const { schema } = field;
  const standard = schema.default === undefined || schema.default === null ? "default" : asTyped(schema.default);
  const change = (/** @type {any} */ event) => onChange(setAt(value, path, typedValue(event.target.value, field)));
  const common = { id, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": `${id}-help`, value: now, onChange: change };
  const choices = field.kind === "boolean" ? [true, false] : field.choices;
  return html`<div class="field">
    <label for=${id}>${path.at(-1)}</label>
    ${field.kind === "choice" || field.kind === "boolean"
      ? html`<select ...${common}><option value="">${standard === "default" ? "default" : `default: ${standard}`}</option>${choices.map((/** @type {unknown} */ each) => html`<option value=${String(each)}>${String(each)}</option>`)}</select>`
      : html`<input ...${common} inputmode=${field.kind === "number" || field.kind === "integer" ? "decimal" : undefined} placeholder=${standard} />`}
    <small id=${`${id}-help`}>${schema.description ?? ""}${limits(schema)}${wrong && html` <span class="wrong">${wrong}</span>`}</small>
  </div>`;
}

/** @param {any} schema */
function limits({ minimum, maximum }) {
  if (minimum === undefined && maximum === undefined) return "";
  return ` From ${minimum ?? "any"} to ${maximum ?? "any"}.`;
}
