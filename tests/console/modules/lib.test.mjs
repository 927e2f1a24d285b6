// @ts-check
/** The modules of the console that need no browser. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { columns, range, summary, unit } from "../../../service/console/static/components/chart.mjs";
import { curl, literal, python, shell } from "../../../service/console/static/lib/commands.mjs";
import { followed, parse } from "../../../service/console/static/lib/events.mjs";
import { bytes, duration, number } from "../../../service/console/static/lib/format.mjs";
import { actions, after } from "../../../service/console/static/lib/job.mjs";
import { read, write } from "../../../service/console/static/lib/npy.mjs";
import { address, placeOf } from "../../../service/console/static/lib/router.mjs";

test("an address leads back to its page, whatever is in it", () => {
  const to = new URL(address("tab", { reference: "digits@3", tab: "draw" }, { seed: 0, n: "", condition: "a b&c" }), "http://x");
  const place = placeOf(to);
  assert.deepEqual([place.page, place.params], ["tab", { reference: "digits@3", tab: "draw" }]);
  assert.deepEqual([...place.query], [["seed", "0"], ["condition", "a b&c"]]);
  assert.equal(placeOf({ pathname: "/console/models/%E0%A4%A", search: "" }).page, "model");
  assert.equal(placeOf({ pathname: "/console/no/such/page/", search: "" }).page, "missing");
});

test("events are read however the stream is cut", () => {
  const text = "id: 1\nevent: progress\ndata: {\"a\":\ndata: 1}\n\n: beat\n\nid: 2\r\ndata: x\r\n\r\n";
  for (let cut = 0; cut <= text.length; cut += 1) {
    const first = parse(text.slice(0, cut));
    const second = parse(first.rest + text.slice(cut));
    const events = [...first.events, ...second.events];
    assert.deepEqual(events, [{ id: "1", event: "progress", data: '{"a":\n1}' }, { id: "2", event: "message", data: "x" }], `cut at ${cut}`);
  }
});

test("a broken stream goes on after its last event", async () => {
  const asked = [];
  const parts = ["id: 1\nevent: progress\ndata: {}\n\n", 'id: 2\nevent: state\ndata: {"state":"succeeded"}\n\n'];
  globalThis.fetch = async (_, init) => {
    asked.push(init.headers["Last-Event-ID"] ?? null);
    return new Response(parts[asked.length - 1]);
  };
  const ids = [];
  for await (const event of followed("/x", new AbortController().signal, async () => {})) ids.push(event.id);
  assert.deepEqual([ids, asked], [["1", "2"], [null, "1"]]);
});

test("npy files are what NumPy writes and reads", () => {
  const file = write([2, 3], [0, 1.5, -2, 3, 1e30, 5]);
  assert.deepEqual(read(file), { shape: [2, 3], values: new Float32Array([0, 1.5, -2, 3, 1e30, 5]) });
  assert.equal((file.byteLength - 24) % 64, 0);
  assert.throws(() => read(new TextEncoder().encode("<html>").buffer), /no npy file/);
});

test("numbers and durations are short", () => {
  assert.deepEqual([number(0), number(1234567), number(0.000123456), number(1e-9), number(-1.23456), number("Infinity"), number(null)],
    ["0", "1,234,567", "0.0001235", "1.00e-9", "-1.235", "Infinity", "–"]);
  assert.deepEqual([duration(0.25), duration(9.94), duration(61), duration(7300)], ["250 ms", "9.9 s", "1 min 1 s", "2 h 1 min"]);
  assert.deepEqual([bytes(12), bytes(1500), bytes(2.5e9)], ["12 B", "1.50 kB", "2.50 GB"]);
});

test("curves share their steps, with gaps", () => {
  const curves = [{ name: "a_nats", steps: [1, 3], values: [5, 4] }, { name: "b", steps: [2, 3], values: [7, "Infinity"] }];
  assert.deepEqual(columns(curves), [[1, 2, 3], [5, null, 4], [null, 7, null]]);
  assert.equal(summary(curves[0]), "a nats 4 at step 3, falling");
  assert.deepEqual([unit("nll_nats_exact"), unit("1f3a r1_penalty"), unit("loss")], ["nats", "penalty", "loss"]);
});

test("a chart leaves out the large values of the beginning unless it shall not", () => {
  const data = [[0, 5, 10, 50, 100], [900, 80, 20, 10, 12], [1, null, 2, 3, 4]];
  assert.deepEqual(range(data, [0], false), [9.5, 20.5]);
  assert.deepEqual(range(data, [0, 1], true), [1 - 44.95, 900 + 44.95]);
  assert.deepEqual(range([[7], [3]], [0], false), [2.85, 3.15]);
  assert.deepEqual(range([[], []], [0], false), [0, 1]);
});

test("a job is what its events told last", () => {
  const job = { state: "running", kind: "train", progress: { step: 0, total_steps: 9 }, losses: {} };
  let told = { job, latest: null, pictures: {}, log: [], error: null };
  told = after(told, "progress", { step: 4, total_steps: 9, losses: { a: 1 }, steps_per_s: 2 });
  told = after(told, "picture", { what: "samples", step: 4, png: "" });
  told = after(told, "log", { level: "info", message: "m" });
  assert.deepEqual(told.job.progress, { step: 4, total_steps: 9 });
  assert.deepEqual([told.latest.steps_per_s, told.pictures.samples.step, told.log.length], [2, 4, 1]);
  assert.deepEqual([actions(told.job), actions({ ...job, state: "paused" }), actions({ ...job, state: "failed" })], [["pause", "cancel"], ["resume", "cancel"], []]);
});

test("a request as commands is the same request", () => {
  const asked = { op: "sample", body: { model: "o'neill", n: 2, options: { sampler: "heun" }, condition: null, flag: true }, png: true };
  const words = execFileSync("bash", ["-c", `curl() { printf '%s\\n' "$@"; }; ${curl("http://h", asked)}`]).toString().split("\n");
  assert.deepEqual(JSON.parse(words[words.indexOf("-d") + 1]), asked.body);
  assert.equal(literal({ a: [null, true, "x"] }), '{"a": [None, True, "x"]}');
  assert.match(python("http://h", asked), /client\.ask\("sample", .*accept="image\/png"\)/);
  assert.equal(shell("http://h", { op: "score", body: { model: "m@1", x: [[1]], false_alarm_rate: 0.1 } }),
    "echo '[[1]]' | pushforward score m@1 - --false-alarm-rate 0.1 --url http://h");
  assert.equal(shell("http://h", { op: "interpolate", body: { model: "m", start: [1], end: [2], steps: 3 } }),
    "echo '[[1],[2]]' | pushforward interpolate m --ends - --steps 3 --url http://h");
});
