// @ts-check
/** Rows as people give them, planes, colors and histograms. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { shownRange } from "../../../service/console/static/components/histogram.mjs";
import { pixels, viridis } from "../../../service/console/static/lib/colors.mjs";
import { pickName, pickOf, sampleBody } from "../../../service/console/static/lib/picks.mjs";
import { bounds, cells, principal, ticks } from "../../../service/console/static/lib/plane.mjs";
import { cellValue, channelsOf, condition, csv, depth, nested, parseRows } from "../../../service/console/static/lib/rows.mjs";
import { datasetName, mediaType } from "../../../service/console/static/lib/uploads.mjs";
import { masked, maskOf } from "../../../service/console/static/pages/model/complete.mjs";

const plane = { shape: [2], table: null, condition: null };

test("csv is read as RFC 4180 has it", () => {
  assert.deepEqual(csv('a,"b, ""c""\nd",e\r\n1,,3\n\n'), [["a", 'b, "c"\nd', "e"], ["1", "", "3"]]);
  assert.deepEqual(["", " 1.5e3 ", "true", "0x10", "1,5", "-.5"].map(cellValue), [null, 1500, true, "0x10", "1,5", -0.5]);
});

test("rows are read as JSON or csv, one alone too, and what is wrong is told", () => {
  assert.deepEqual(parseRows("0,1\n2,3", plane), { x: [[0, 1], [2, 3]] });
  assert.deepEqual(parseRows("[0, 1]", plane), { x: [[0, 1]] });
  assert.deepEqual(parseRows("[[0, 1], [2, 3]]", plane), { x: [[0, 1], [2, 3]] });
  const table = { ...plane, table: { columns: [] } };
  assert.deepEqual(parseRows("name,size\noak,\nash,2", table), { records: [{ name: "oak", size: null }, { name: "ash", size: 2 }] });
  assert.deepEqual(parseRows('{"name": "oak"}', table), { records: [{ name: "oak" }] });
  assert.throws(() => parseRows(" ", plane), /at least one row/);
  assert.throws(() => parseRows("a,b", plane), /not numbers/);
  assert.throws(() => parseRows("[1", plane), /not JSON/);
  assert.throws(() => parseRows("name", table), /names of the columns/);
});

test("flat numbers are nested by a shape", () => {
  assert.deepEqual(nested(new Float32Array([1, 2, 3, 4]), [2, 1, 2]), [[[1, 2]], [[3, 4]]]);
  assert.deepEqual([depth([[1]]), depth(3)], [2, 0]);
});

test("a picture's pixels become values of the data's levels", () => {
  const gray = channelsOf([255, 255, 255, 255, 0, 0, 0, 255], { shape: [1, 1, 2], low: 0, high: 16, levels: 17 });
  assert.deepEqual(gray, [[[16, 0]]]);
  const color = channelsOf([255, 0, 0, 255], { shape: [3, 1, 1], low: -1, high: 1, levels: null });
  assert.deepEqual(color, [[[1]], [[-1]], [[-1]]]);
});

test("conditions are labels, vectors or texts", () => {
  assert.deepEqual(["", "3", "[1, 2]", "oak"].map((text) => condition(text, plane)), [undefined, 3, [1, 2], "oak"]);
  assert.deepEqual(condition("a thin seven", { condition: { kind: "text" } }), { text: "a thin seven" });
});

test("a pick is named by how it was drawn", () => {
  const pick = { seed: 3, n: 25, row: 4, condition: "a:b" };
  assert.deepEqual(pickOf(pickName(pick)), pick);
  assert.deepEqual(["", "3:4", "1:2:2", "x:1:0"].map(pickOf), [null, null, null, null]);
  assert.deepEqual(sampleBody("m@1", plane, { n: 2, seed: 0, condition: "" }), { model: "m@1", n: 2, seed: 0 });
});

test("a plane is square, keeps a margin, and leaves out what is not finite", () => {
  const { x, y } = bounds([0, 0, 2, 1, NaN, 5, Infinity, 0]);
  assert.ok(Math.abs(x[1] - x[0] - (y[1] - y[0])) < 1e-12);
  assert.ok(x[0] < 0 && x[1] > 2 && y[0] < 0 && y[1] > 1 && y[1] < 5);
  assert.deepEqual([...cells({ x: [0, 2], y: [0, 2] }, 2)], [0.5, 1.5, 1.5, 1.5, 0.5, 0.5, 1.5, 0.5]);
  assert.deepEqual(bounds([]), bounds([NaN, NaN]));
});

test("ticks are round and within the range", () => {
  assert.deepEqual(ticks([-1.1, 2.3]), [-1, 0, 1, 2]);
  assert.deepEqual(ticks([0, 0.05]), [0, 0.01, 0.02, 0.03, 0.04, 0.05]);
});

test("principal components are the directions of most variance, and orthogonal", () => {
  const rows = Array.from({ length: 200 }, (_, i) => {
    const [a, b] = [Math.sin(i * 1.3) * 5, Math.cos(i * 2.7)];
    return [a * 0.6 - b * 0.8 + 1, a * 0.8 + b * 0.6 - 2, 0.001 * Math.sin(i)];
  });
  const { axes, mean, points } = principal(rows);
  const [first = [], second = []] = axes;
  assert.ok(Math.abs(Math.abs(Number(first[0]) * 0.6 + Number(first[1]) * 0.8) - 1) < 1e-2);
  assert.ok(Math.abs(first.reduce((sum, value, i) => sum + value * Number(second[i]), 0)) < 1e-9);
  assert.equal(points.length, 200);
  assert.ok(Math.abs(Number(mean[0]) - 1) < 0.2);
});

test("shades are those of the data's range, and the color scale rises", () => {
  assert.deepEqual([...pixels([0, 8, 16, NaN], { shape: [1, 2, 2], low: 0, high: 16 })].filter((_, i) => i % 4 === 0), [0, 128, 255, 0]);
  assert.deepEqual([viridis(-1), viridis(2)], [[68, 1, 84], [253, 231, 37]]);
});

test("a histogram shows its bars and the rows beside them, and no infinity", () => {
  assert.deepEqual(shownRange([0, 1, 2], [-1, 3, Infinity, NaN]), [-1, 3]);
  assert.deepEqual(shownRange([0, 1, 2], [-50]), [-2, 2]); // one far out stands at the rim
});

test("what is hidden of a row is zero, and the mask says what", () => {
  assert.deepEqual(maskOf([1, 2, 2], "bottom"), [[[1, 1], [0, 0]]]);
  assert.deepEqual(maskOf([1, 2, 2], "left"), [[[0, 1], [0, 1]]]);
  assert.deepEqual(masked([[1, 2]], [[1, 0]]), [[1, 0]]);
});

test("a file's name tells its media type and a name for the data", () => {
  assert.deepEqual(["a.CSV", "b.parquet", "train-images-idx3-ubyte.gz", "c.txt"].map(mediaType), ["text/csv", "application/vnd.apache.parquet", "application/x-idx", null]);
  assert.deepEqual(["My Penguins.csv", "__x.tar.gz", "ok-1.npy"].map(datasetName), ["my-penguins", "x", "ok-1"]);
});
