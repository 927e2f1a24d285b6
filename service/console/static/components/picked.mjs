// @ts-check
/** The rows that a tab asks about: those that were pasted or dropped, a sample that its address names, or samples. */
import { html, useState } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";
import { pickOf, pickedRow, sampleBody, samples } from "../lib/picks.mjs";
import { useQuery } from "../lib/router.mjs";
import { nested } from "../lib/rows.mjs";
import { post } from "../lib/api.mjs";
import { ConditionField, useCondition } from "./condition.mjs";
import { Problem } from "./notice.mjs";
import { RowsInput } from "./rows_input.mjs";

/** @typedef {import("../lib/rows.mjs").Rows} Rows */

/** Samples as rows to ask about. @param {string} reference @param {any} spec @param {{ n: number, seed: number, condition: string }} asked @param {AbortSignal} [signal] @returns {Promise<Rows>} */
export async function sampledRows(reference, spec, asked, signal) {
  const body = sampleBody(reference, spec, asked);
  if (spec.table) return { records: (await post("/sample", body, signal ? { signal } : {}))["records"] };
  const { shape, values } = await samples(body, signal);
  return { x: nested(values, shape) };
}

/** @param {Rows} rows @returns {any[]} */
export const listOf = (rows) => ("x" in rows ? rows.x : rows.records);

/** The row that the address names: `row=SEED:N:ROW`. @param {string} reference @param {any} spec @param {string} [field] */
export function usePicked(reference, spec, field = "row") {
  const text = useQuery().get(field) ?? "";
  const { data, error } = useLoaded(
    async (signal) => {
      const pick = pickOf(text);
      return pick ? await pickedRow(reference, spec, pick, signal) : null;
    },
    [reference, text],
  );
  return { row: data, error, name: text };
}

/**
 * Pasted or dropped rows, with an example in their form; `rows` are those of the address until others are given.
 * @param {{ card: any, reference: string, label: string, action: string, busy: boolean, n?: number, children: (rows: Rows) => unknown }} props
 */
export function WithRows({ card, reference, label, action, busy, n = 3, children }) {
  const { spec } = card;
  const picked = usePicked(reference, spec);
  const { text: condition } = useCondition(spec);
  const [given, setGiven] = useState(/** @type {Rows | null} */ (null));
  const example = useLoaded((signal) => (card.capabilities.includes("sample") ? sampledRows(reference, spec, { n, seed: 0, condition }, signal) : Promise.resolve(null)), [reference, condition]);
  const rows = given ?? (picked.row ? { x: [picked.row] } : null);
  return html`<${ConditionField} spec=${spec} value=${condition} />
    <${RowsInput} spec=${spec} label=${label} action=${action} busy=${busy} example=${example.data ? shortJson(listOf(example.data)) : ""} onRows=${setGiven} />
    <${Problem} error=${picked.error} />
    ${rows && children(rows)}`;
}

/** @param {any[]} list */
const shortJson = (list) => JSON.stringify(list, (_, value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value));
