// @ts-check
/** A histogram of held-out scores, and where given rows stand on it: as marks below, flagged ones as triangles. */
import { html } from "../lib/html.mjs";
import { number } from "../lib/format.mjs";
import { ticks } from "../lib/plane.mjs";

const WIDTH = 640;
const HEIGHT = 220;
const BELOW = 44;

/** The range that shows the histogram and the values; values far out are moved to the rim. @param {number[]} edges @param {number[]} values @returns {[number, number]} */
export function shownRange(edges, values) {
  const [low, high] = [Number(edges[0]), Number(edges.at(-1))];
  const span = high - low || 1;
  const finite = values.filter(Number.isFinite);
  return [Math.max(Math.min(low, ...finite), low - span), Math.min(Math.max(high, ...finite), high + span)];
}

/** @param {{ histogram: any, values: number[], flagged: boolean[], label: string }} props */
export function Histogram({ histogram, values, flagged, label }) {
  const { edges, counts, unit } = histogram;
  const [low, high] = shownRange(edges, values.map(Number));
  const at = (/** @type {number} */ value) => ((Math.min(Math.max(value, low), high) - low) / (high - low || 1)) * (WIDTH - 20) + 10;
  const top = Math.max(...counts, 1);
  const told = values.length > 0 ? `; ${values.length} rows between ${number(Math.min(...values))} and ${number(Math.max(...values))}` : "";
  return html`<figure class="histogram"><figcaption>${label}</figcaption>
    <svg role="img" aria-label=${`${label}: log-likelihoods between ${number(edges[0])} and ${number(edges.at(-1))} ${unit}${told}`} viewBox=${`0 0 ${WIDTH} ${HEIGHT + BELOW}`}>
      ${counts.map((/** @type {number} */ n, /** @type {number} */ i) => html`<rect x=${at(edges[i])} width=${Math.max(1, at(edges[i + 1]) - at(edges[i]) - 0.5)} y=${HEIGHT - (HEIGHT - 10) * (n / top)} height=${(HEIGHT - 10) * (n / top)} />`)}
      ${values.map((value, i) => (flagged[i] ? html`<path class="flagged" d=${`M${at(Number(value)) - 6} ${HEIGHT + 14}l6 -12l6 12z`} />` : html`<line class="mark" x1=${at(Number(value))} x2=${at(Number(value))} y1=${HEIGHT + 2} y2=${HEIGHT + 14} />`))}
      ${ticks([low, high], 7).map((tick) => html`<text x=${at(tick)} y=${HEIGHT + 30}>${tick}</text>`)}
    </svg>
    <p class="quiet">${unit}${values.length > 0 ? "; lines are rows that were given, triangles those that are flagged" : ""}</p>
  </figure>`;
}
