// @ts-check
/** The options of a capability, from the JSON Schema of the family: flat fields, sent only where they were given. */
import { get } from "../lib/api.mjs";
import { html } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";

/** @type {Promise<any> | null} */
let families = null;

/** The schema of the options. @param {string} family @param {string} op */
export function useOptions(family, op) {
  const { data } = useLoaded(() => (families ??= get("/families").catch((error) => ((families = null), Promise.reject(error)))), [family, op]);
  const card = data?.families.find((/** @type {any} */ each) => each.family === family);
  return card?.options?.[op]?.properties ?? {};
}

/** A field's kind: its type, its choices, and whether it may be left empty. @param {any} field */
export function kindOf(field) {
  const parts = [field, ...(field.anyOf ?? []), ...(field.oneOf ?? [])];
  const choices = parts.flatMap((part) => part.enum ?? (part.const !== undefined ? [part.const] : []));
  const type = parts.map((part) => part.type).find((each) => each && each !== "null" && each !== "object") ?? "json";
  return { type: choices.length > 0 ? "choice" : type, choices };
}

/** Texts of fields as the values of a request; what is empty is left out. @param {Record<string, string>} given @param {Record<string, any>} fields */
export function optionValues(given, fields) {
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const [name, text] of Object.entries(given)) {
    if (text === "" || !(name in fields)) continue;
    const { type, choices } = kindOf(fields[name]);
    if (type === "integer" || type === "number") values[name] = Number.isNaN(Number(text)) ? text : Number(text);
    else if (type === "boolean") values[name] = text === "true";
    else if (type === "choice") values[name] = choices.find((choice) => String(choice) === text) ?? text;
    else values[name] = jsonOr(text);
  }
  return values;
}

/** @param {string} text */
function jsonOr(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * @param {{ fields: Record<string, any>, given: Record<string, string>, errors: Record<string, string>, onChange: (name: string, text: string) => void }} props
 */
export function Options({ fields, given, errors, onChange }) {
  const names = Object.keys(fields);
  if (names.length === 0) return null;
  return html`<details open=${names.some((name) => given[name] || errors[name])}>
    <summary>Options of the sampler</summary>
    <div class="fields">
      ${names.map((name) => {
        const field = fields[name];
        const { type, choices } = kindOf(field);
        const wrong = errors[name];
        const common = { id: `option-${name}`, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": `option-${name}-help` };
        const change = (/** @type {any} */ event) => onChange(name, event.target.value);
        const fallback = field.default === null || field.default === undefined ? "default" : `default: ${typeof field.default === "object" ? JSON.stringify(field.default) : field.default}`;
        return html`<div class="field">
          <label for=${`option-${name}`}>${name}</label>
          ${type === "choice" || type === "boolean"
            ? html`<select ...${common} value=${given[name] ?? ""} onChange=${change}><option value="">${fallback}</option>${(type === "boolean" ? ["true", "false"] : choices).map((choice) => html`<option value=${String(choice)}>${String(choice)}</option>`)}</select>`
            : html`<input ...${common} inputmode=${type === "integer" || type === "number" ? "decimal" : undefined} placeholder=${fallback} value=${given[name] ?? ""} onChange=${change} />`}
          <small id=${`option-${name}-help`}>${field.description ?? ""}${wrong && html` <span class="wrong">${wrong}</span>`}</small>
        </div>`;
      })}
    </div>
  </details>`;
}
