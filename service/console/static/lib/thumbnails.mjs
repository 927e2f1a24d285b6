// @ts-check
/** Small pictures of models, by their samples. */
import { sampleBody } from "./picks.mjs";

/** Whether the service makes pictures of such rows without being told for what. @param {any} spec */
export function isDrawable(spec) {
  const isFree = !spec.condition || spec.condition.kind === "labels";
  return isFree && !spec.table && (spec.shape.length === 3 || spec.shape.length === 2 || (spec.shape.length === 1 && spec.shape[0] === 2));
}

/** The request for a card's picture. @param {any} card */
export function thumbnailBody(card) {
  return sampleBody(`${card.model}@${card.version}`, card.spec, { n: card.spec.shape.length === 1 ? 1000 : 16, seed: 0, condition: "" });
}
