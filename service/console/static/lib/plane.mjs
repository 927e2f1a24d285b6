// @ts-check
/** The plane: bounds, grids of points, principal components. */

const MARGIN = 0.08;
const ITERATIONS = 100;

/** @typedef {{ x: [number, number], y: [number, number] }} Bounds */

/** Bounds of points, (n, 2) flattened, with a margin, square. @param {ArrayLike<number>} points @returns {Bounds} */
export function bounds(points) {
  /** @type {[number[], number[]]} */
  const axes = [[], []];
  for (let i = 0; i + 1 < points.length; i += 2) {
    if (!Number.isFinite(points[i]) || !Number.isFinite(points[i + 1])) continue;
    axes[0].push(Number(points[i]));
    axes[1].push(Number(points[i + 1]));
  }
  const [x, y] = axes.map((values) => (values.length === 0 ? [-1, 1] : [Math.min(...values), Math.max(...values)]));
  const span = Math.max(Number(x?.[1]) - Number(x?.[0]), Number(y?.[1]) - Number(y?.[0])) * (1 + 2 * MARGIN) || 1;
  /** @param {number[] | undefined} range @returns {[number, number]} */
  const around = (range) => {
    const middle = (Number(range?.[0]) + Number(range?.[1])) / 2;
    return [middle - span / 2, middle + span / 2];
  };
  return { x: around(x), y: around(y) };
}

/** The middles of side x side cells, row by row from the top, (side * side, 2) flattened. @param {Bounds} within @param {number} side */
export function cells({ x, y }, side) {
  const points = new Float32Array(2 * side * side);
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const i = 2 * (row * side + column);
      points[i] = x[0] + ((column + 0.5) / side) * (x[1] - x[0]);
      points[i + 1] = y[1] - ((row + 0.5) / side) * (y[1] - y[0]);
    }
  }
  return points;
}

/** Round numbers within a range (Heckbert, Nice numbers for graph labels, 1990). @param {[number, number]} range @param {number} [about] */
export function ticks([low, high], about = 5) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * The first two principal components of rows (n, d): by power iteration on the covariance, deflated once.
 * @param {number[][]} rows @returns {{ points: number[][], mean: number[], axes: number[][] }}
 */
export function principal(rows) {
  const d = rows[0]?.length ?? 0;
  const mean = Array.from({ length: d }, (_, j) => rows.reduce((sum, row) => sum + Number(row[j]), 0) / (rows.length || 1));
  const centered = rows.map((row) => row.map((value, j) => value - Number(mean[j])));
  /** @type {number[][]} */
  const axes = [];
  for (let k = 0; k < Math.min(2, d); k += 1) axes.push(direction(centered, axes, d));
  return { points: centered.map((row) => [dot(row, axes[0]), dot(row, axes[1])]), mean, axes };
}

/** @param {number[]} a @param {number[] | undefined} b */
const dot = (a, b) => (b ? a.reduce((sum, value, i) => sum + value * Number(b[i]), 0) : 0);

/** @param {number[][]} centered @param {number[][]} before @param {number} d */
function direction(centered, before, d) {
  let axis = Array.from({ length: d }, (_, j) => 1 / (1 + j) + (before.length ? j % 2 : 0));
  for (let turn = 0; turn < ITERATIONS; turn += 1) {
    const next = new Array(d).fill(0);
    for (const row of centered) {
      const along = dot(row, axis);
      for (let j = 0; j < d; j += 1) next[j] += along * Number(row[j]);
    }
    for (const other of before) {
      const along = dot(next, other);
      for (let j = 0; j < d; j += 1) next[j] -= along * Number(other[j]);
    }
    const length = Math.sqrt(dot(next, next));
    if (length === 0) break;
    axis = next.map((value) => value / length);
  }
  return axis;
}
