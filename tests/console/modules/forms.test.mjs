// @ts-check
/** Schemas as forms, and runs as what differs from a preset. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { difference, fieldOf, setAt, TAGS, typedValue, valueAt } from "../../../service/console/static/lib/schema.mjs";
import { flags, FORMS } from "../../../service/console/static/lib/training_commands.mjs";

const root = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8"));

/** @param {any} node @param {Set<string>} into */
function discriminators(node, into = new Set()) {
  if (typeof node === "object" && node !== null) {
    if (node.discriminator?.propertyName) into.add(node.discriminator.propertyName);
    Object.values(node).forEach((each) => discriminators(each, into));
  }
  return into;
}

test("the tags of unions are the discriminators of the description", () => {
  assert.deepEqual([...TAGS].sort(), [...discriminators(root)].sort());
});

test("each field of a run has a control, whatever the family", () => {
  const { properties } = root.components.schemas.Run;
  const family = fieldOf(root, properties.family);
  assert.equal(family.kind, "union");
  assert.ok(Object.keys(family.variants).length >= 14);
  for (const [name, variant] of Object.entries(family.variants)) {
    for (const [field, schema] of Object.entries(variant.properties)) {
      assert.ok(fieldOf(root, schema).kind, `${name}.${field}`);
    }
  }
  assert.equal(fieldOf(root, properties.budget).kind, "object");
});

test("only what differs is sent, and a whole object where its kind differs", () => {
  const base = { family: { family: "vae", latent: 8, likelihood: { likelihood: "binomial" } }, budget: { steps: 10, epochs: null } };
  assert.equal(difference(base, base), undefined);
  assert.deepEqual(difference(base, setAt(base, ["family", "latent"], 3)), { family: { latent: 3 } });
  const other = setAt(base, ["family"], { family: "flow" });
  assert.deepEqual(difference(base, other), { family: { family: "flow" } });
  const coupled = setAt(base, ["family", "likelihood"], { likelihood: "normal", sigma: 1 });
  assert.deepEqual(difference(base, coupled), { family: { likelihood: { likelihood: "normal", sigma: 1 } } });
});

test("a value that is emptied is taken away, and nothing else is", () => {
  assert.deepEqual(setAt({ a: { b: 1, c: 2 } }, ["a", "b"], undefined), { a: { c: 2 } });
  assert.deepEqual(setAt({}, ["a", "b"], 1), { a: { b: 1 } });
  assert.equal(valueAt({ a: null }, ["a", "b"]), undefined);
});

test("what is typed becomes the value of the field's kind, or is left for the service to refuse", () => {
  const number = fieldOf(root, { type: "number" });
  assert.deepEqual(["", "0.", "1e-4", "many"].map((text) => typedValue(text, number)), [undefined, 0, 1e-4, "many"]);
  assert.deepEqual(typedValue("[1, 2]", fieldOf(root, { type: "array" })), [1, 2]);
  assert.equal(typedValue("true", fieldOf(root, { type: "boolean" })), true);
  assert.equal(typedValue("2", fieldOf(root, { enum: [1, 2] })), 2);
});

test("a training is written for the shell without words that it would split", () => {
  assert.deepEqual(flags({ budget: { steps: 5 }, data: { path: "my file.csv", columns: ["a", "b"] }, devices: null }), [
    "--budget.steps 5",
    "--data.path 'my file.csv'",
    `--data.columns '["a","b"]'`,
  ]);
  const body = { model: "m", preset: "vae-digits", run: { budget: { steps: 5 } }, priority: 3 };
  assert.equal(FORMS["command line"]?.("http://x", body), "pushforward train m --preset vae-digits --budget.steps 5 --priority 3 --follow --url http://x");
  assert.match(FORMS["Python"]?.("http://x", body) ?? "", /client\.train\("m", preset="vae-digits", run=\{"budget": \{"steps": 5\}\}, priority=3\)/);
  assert.match(FORMS["curl"]?.("http://x", { model: "it's" }) ?? "", /'\{"model":"it'\\''s"\}'/);
});
