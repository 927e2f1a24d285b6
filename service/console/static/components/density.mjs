// @ts-check
/** Samples of the plane beside the density of the model, where it has a likelihood. */
import { request } from "../lib/api.mjs";
import { html, useMemo } from "../lib/html.mjs";
import { useLoaded } from "../lib/loading.mjs";
import { read, write } from "../lib/npy.mjs";
import { bounds, cells } from "../lib/plane.mjs";
import { NO_CONDITION } from "../lib/picks.mjs";
import { condition as conditionOf } from "../lib/rows.mjs";
import { curl, python } from "../lib/commands.mjs";
import { Copies } from "./copy.mjs";
import { Loading, Problem } from "./notice.mjs";
import { Plane, Scale } from "./plane.mjs";

const SIDE = 96; // cells of the map

/** @param {{ card: any, reference: string, points: ArrayLike<number>, condition: string, label: string }} props */
export function DensityPlane({ card, reference, points, condition, label }) {
  const within = useMemo(() => bounds(points), [points]);
  const canScore = card.capabilities.includes("likelihood");
  const isMixed = condition === "" && card.spec.condition?.kind === "labels";
  const { data, error } = useLoaded((signal) => (canScore && !isMixed ? density(reference, card.spec, within, condition, signal) : Promise.resolve(null)), [reference, condition, JSON.stringify(within)]);
  const values = data?.values;
  return html`<div class="columns">
    <figure><figcaption>Samples</figcaption><${Plane} label=${label} within=${within} points=${points} /></figure>
    ${isMixed && canScore && html`<p class="quiet">Choose a condition to see its density.</p>`}
    ${canScore && !isMixed &&
    html`<figure><figcaption>Density${data ? `, by its likelihood` : ""}</figcaption>
      <${Problem} error=${error} />
      ${values ? html`<${Plane} label="density map of the model" within=${within} density=${{ side: SIDE, values }} /><${Scale} top=${Math.max(...values)} /><${Copies} what="the density" forms=${{ curl, Python: python }} asked=${{ op: "likelihood", body: gridBody(reference, card.spec, within, condition), png: true }} />` : !error && html`<${Loading} what="Computing the density" />`}</figure>`}
  </div>`;
}

/** The request for the same map from the service. @param {string} reference @param {any} spec @param {import("../lib/plane.mjs").Bounds} within @param {string} condition */
function gridBody(reference, spec, { x, y }, condition) {
  const given = condition === NO_CONDITION ? undefined : conditionOf(condition, spec);
  return { model: reference, grid: SIDE, within: [x, y], ...(given !== undefined && { condition: given }) };
}

/**
 * The density in the middle of each cell: the exponential of log p.
 * @param {string} reference @param {any} spec @param {import("../lib/plane.mjs").Bounds} within @param {string} condition @param {AbortSignal} signal
 */
async function density(reference, spec, within, condition, signal) {
  const search = new URLSearchParams({ model: reference });
  const given = condition === NO_CONDITION ? undefined : conditionOf(condition, spec);
  if (given !== undefined) search.set("condition", JSON.stringify(given));
  const body = write([SIDE * SIDE, 2], cells(within, SIDE));
  const response = await request("POST", `/likelihood?${search}`, { body, type: "application/x-npy", accept: "application/x-npy", signal });
  return { values: Array.from(read(await response.arrayBuffer()).values, (value) => Math.exp(value)) };
}
