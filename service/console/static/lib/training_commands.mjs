// @ts-check
/** A training as curl, Python and the command line. */
import { literal } from "./commands.mjs";

/** @param {string} text */
const quoted = (text) => (/^[\w.@:,+-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);

/** The fields of a run as flags: `--family.latent 4`. @param {any} run @param {string} [before] @returns {string[]} */
export function flags(run, before = "") {
  return Object.entries(run).flatMap(([name, value]) => {
    if (value === null || value === undefined) return [];
    if (typeof value === "object" && !Array.isArray(value)) return flags(value, `${before}${name}.`);
    return [`--${before}${name} ${quoted(typeof value === "object" ? JSON.stringify(value) : String(value))}`];
  });
}

/** @type {Record<string, (url: string, body: any) => string>} */
export const FORMS = {
  curl: (url, body) => `curl -s ${url}/train -H 'Content-Type: application/json' -d '${JSON.stringify(body).replace(/'/g, "'\\''")}'`,
  Python: (url, { model, ...rest }) =>
    [
      "from pushforward.service.client import Client",
      "",
      `with Client("${url}") as client:`,
      `    job = client.train(${[literal(model), ...Object.entries(rest).map(([name, value]) => `${name}=${literal(value)}`)].join(", ")})`,
      "    print(job)",
    ].join("\n"),
  "command line": (url, { model, preset, start_from: from, run = {}, priority }) =>
    ["pushforward train", model, ...(preset ? [`--preset ${preset}`] : []), ...(from ? [`--start-from ${from}`] : []), ...flags(run), ...(priority === undefined ? [] : [`--priority ${priority}`]), `--follow --url ${url}`].join(" "),
};
