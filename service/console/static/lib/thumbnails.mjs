// @ts-check
/** Small pictures of models, by their samples. */

/** Whether the service makes pictures of such rows. @param {any} spec */
export function isDrawable(spec) {
  return !spec.table && (spec.shape.length === 3 || spec.shape.length === 2 || (spec.shape.length === 1 && spec.shape[0] === 2));
}

/** The request for a card's picture. @param {any} card */
export function thumbnailBody(card) {
  return { model: `${card.model}@${card.version}`, n: card.spec.shape.length === 1 ? 1000 : 16, seed: 0 };
}
