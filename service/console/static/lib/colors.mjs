// @ts-check
/** Shades of images, and the color scale viridis (Smith & van der Walt, 2015). */

const ANCHORS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/** A color of the scale, for a share from 0 to 1. @param {number} share @returns {[number, number, number]} */
export function viridis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (ANCHORS.length - 1);
  const i = Math.min(Math.floor(at), ANCHORS.length - 2);
  const [from, to] = [ANCHORS[i] ?? [], ANCHORS[i + 1] ?? []];
  const [r = 0, g = 0, b = 0] = from.map((channel, c) => Math.round(channel + (at - i) * ((to[c] ?? 0) - channel)));
  return [r, g, b];
}

/**
 * Pixels, RGBA, of an image row (C, H, W) flattened: by the data's range, or by its own where that is unbounded.
 * @param {ArrayLike<number>} values @param {{ shape: number[], low: number | null, high: number | null }} spec
 */
export function pixels(values, { shape, low, high }) {
  const [channels = 1, height = 1, width = 1] = shape;
  const finite = Array.from(values).filter(Number.isFinite);
  const from = low ?? Math.min(...finite);
  const span = (high ?? Math.max(...finite)) - from || 1;
  const size = height * width;
  const made = new Uint8ClampedArray(4 * size);
  for (let i = 0; i < size; i += 1) {
    for (let c = 0; c < 3; c += 1) {
      const value = Number(values[(channels >= 3 ? c : 0) * size + i]);
      made[4 * i + c] = Number.isFinite(value) ? Math.round((255 * (value - from)) / span) : 0;
    }
    made[4 * i + 3] = channels === 4 ? Math.round((255 * (Number(values[3 * size + i]) - from)) / span) : 255;
  }
  return made;
}
