// @ts-check
/**
 * JSON Schemas as forms: what a field is, what a union's variants are, and what differs from a preset.
 *
 * @typedef {Record<string, any>} Schema
 * @typedef {"number" | "integer" | "boolean" | "choice" | "text" | "union" | "object" | "json"} Kind
 * @typedef {{ kind: Kind, schema: Schema, nullable: boolean, choices: unknown[], tag: string, variants: Record<string, Schema> }} Field
 */

/** The schema that a reference means. @param {Schema} root @param {Schema} schema @returns {Schema} */
export function resolved(root, schema) {
  if (!schema["$ref"]) return schema;
  const target = schema["$ref"].slice(2).split("/").reduce((/** @type {any} */ at, /** @type {string} */ part) => at?.[part], root);
  const { $ref: _, ...beside } = schema;
  return { ...resolved(root, target ?? {}), ...beside };
}

/** What a field is. @param {Schema} root @param {Schema} given @returns {Field} */
export function fieldOf(root, given) {
  const schema = resolved(root, given);
  const options = schema["anyOf"] ?? (schema["discriminator"] ? null : schema["oneOf"]);
  if (options) {
    const parts = options.map((/** @type {Schema} */ each) => resolved(root, each));
    const some = parts.filter((/** @type {Schema} */ each) => each["type"] !== "null");
    const nullable = some.length < parts.length;
    const { anyOf: _, oneOf: __, ...beside } = schema;
    if (some.length === 1) return { ...fieldOf(root, { ...some[0], ...beside }), nullable };
    const choices = some.flatMap((/** @type {Schema} */ each) => (each["const"] !== undefined ? [each["const"]] : each["enum"] ?? []));
    if (choices.length > 0 && some.every((/** @type {Schema} */ each) => each["const"] !== undefined || each["enum"])) return plain("choice", schema, nullable, choices);
    return plain("json", schema, nullable);
  }
  if (schema["discriminator"]) {
    const tag = schema["discriminator"].propertyName;
    const variants = Object.fromEntries(Object.entries(schema["discriminator"].mapping).map(([name, ref]) => [name, resolved(root, { $ref: ref })]));
    return { ...plain("union", schema), tag, variants };
  }
  if (schema["enum"]) return plain("choice", schema, false, schema["enum"]);
  if (schema["const"] !== undefined) return plain("choice", schema, false, [schema["const"]]);
  if (schema["type"] === "object" && schema["properties"]) return plain("object", schema);
  const kinds = /** @type {Record<string, Kind>} */ ({ number: "number", integer: "integer", boolean: "boolean", string: "text" });
  return plain(kinds[schema["type"]] ?? "json", schema);
}

/** @param {Kind} kind @param {Schema} schema @param {boolean} [nullable] @param {unknown[]} [choices] @returns {Field} */
const plain = (kind, schema, nullable = false, choices = []) => ({ kind, schema, nullable, choices, tag: "", variants: {} });

/** The value at a path. @param {any} value @param {string[]} path @returns {any} */
export const valueAt = (value, path) => path.reduce((at, name) => (at === null || at === undefined ? undefined : at[name]), value);

/** The value with another at a path; undefined takes it away. @param {any} value @param {string[]} path @param {unknown} next @returns {any} */
export function setAt(value, [name, ...rest], next) {
  if (name === undefined) return next;
  const inner = setAt(value?.[name], rest, next);
  const { [name]: _, ...others } = value ?? {};
  return inner === undefined ? others : { ...others, [name]: inner };
}

/** Names by which unions are told apart. */
const TAGS = new Set(["family", "source", "likelihood", "posterior", "prior", "objective", "network", "game", "transform", "dequantization", "density", "schedule", "path", "regularizer"]);

/**
 * What of a value differs from a base. Where the tag of a union differs, all of it does. Undefined: nothing.
 * @param {any} base @param {any} value @returns {any}
 */
export function difference(base, value) {
  if (value === undefined || same(base, value)) return undefined;
  if (!isObject(base) || !isObject(value)) return value;
  const isOther = Object.keys(value).some((name) => TAGS.has(name) && !isObject(value[name]) && !same(base[name], value[name]));
  if (isOther) return value;
  const entries = Object.entries(value).map(([name, each]) => [name, difference(base[name], each)]);
  const differing = entries.filter(([, each]) => each !== undefined);
  return differing.length === 0 ? undefined : Object.fromEntries(differing);
}

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The value of what was typed; undefined where it is empty. @param {string} text @param {Field} field */
export function typedValue(text, { kind, choices }) {
  if (text === "") return undefined;
  if (kind === "number" || kind === "integer") return Number.isNaN(Number(text)) ? text : Number(text);
  if (kind === "boolean") return text === "true";
  if (kind === "choice") return choices.find((choice) => String(choice) === text) ?? text;
  if (kind === "text") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A value as it is typed. @param {unknown} value */
export const asTyped = (value) => (value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
