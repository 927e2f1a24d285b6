// @ts-check
/**
 * Rows that were picked among samples, named in addresses by how they were drawn: `seed:n:row`, `seed:n:row:condition`.
 *
 * @typedef {{ seed: number, n: number, row: number, condition: string }} Pick
 */
import { request } from "./api.mjs";
import { nested, condition as conditionOf } from "./rows.mjs";
import { read } from "./npy.mjs";

/** @param {string} text @returns {Pick | null} */
export function pickOf(text) {
  const [, seed, n, row, condition] = text.match(/^(\d+):(\d+):(\d+)(?::(.*))?$/s) ?? [];
  if (seed === undefined || Number(row) >= Number(n)) return null;
  return { seed: Number(seed), n: Number(n), row: Number(row), condition: condition ?? "" };
}

/** @param {Pick} pick */
export const pickName = ({ seed, n, row, condition }) => [seed, n, row, ...(condition ? [condition] : [])].join(":");

/** In place of a label: none. */
export const NO_CONDITION = "none";

/** The label of a row where each has its turn. @param {number} row @param {any} spec */
export const labelInTurn = (row, spec) => row % spec.condition.n_classes;

/** The condition of n rows; where none is chosen, each label has its turn. @param {string} text @param {any} spec @param {number} n */
function conditions(text, spec, n) {
  if (text === NO_CONDITION) return undefined;
  if (text === "" && spec.condition?.kind === "labels") return Array.from({ length: n }, (_, row) => labelInTurn(row, spec));
  return conditionOf(text, spec);
}

/** The request for samples. @param {string} reference @param {any} spec @param {{ n: number, seed: number, condition: string, options?: Record<string, unknown> }} asked */
export function sampleBody(reference, spec, { n, seed, condition, options = {} }) {
  const given = conditions(condition, spec, n);
  return { model: reference, n, seed, ...(given !== undefined && { condition: given }), ...(Object.keys(options).length > 0 && { options }) };
}

/** Samples as numbers. @param {Record<string, any>} body @param {AbortSignal} [signal] */
export async function samples(body, signal) {
  const response = await request("POST", "/sample", { body, accept: "application/x-npy", ...(signal && { signal }) });
  return read(await response.arrayBuffer());
}

/** The row that was picked, as nested lists. @param {string} reference @param {any} spec @param {Pick} pick @param {AbortSignal} [signal] */
export async function pickedRow(reference, spec, pick, signal) {
  const { shape, values } = await samples(sampleBody(reference, spec, pick), signal);
  return nested(values, shape)[pick.row];
}
