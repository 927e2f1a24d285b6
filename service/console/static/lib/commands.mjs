// @ts-check
/**
 * A request as commands that give the same answer: curl, Python, the command line.
 *
 * @typedef {{ op: string, body: Record<string, any>, png?: boolean }} Asked
 * @typedef {{ path: string, command?: string }} Read what is read at a path, and by a command where there is one
 */

/** @param {string} text */
const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`;

/** @param {string} url @param {Asked} asked */
export function curl(url, { op, body, png }) {
  const accept = png ? " -H 'Accept: image/png' -o picture.png" : "";
  return `curl -s ${url}/${op} -H 'Content-Type: application/json'${accept} -d ${quoted(JSON.stringify(body))}`;
}

/** @param {string} url @param {Asked} asked */
export function python(url, { op, body, png }) {
  const written = literal(body);
  const lines = ["from pathlib import Path", "", "from pushforward.service.client import Client", "", `with Client("${url}") as client:`];
  if (png) lines.push(`    answer = client.ask("${op}", ${written}, accept="image/png")`, '    Path("picture.png").write_bytes(answer.content)');
  else lines.push(`    print(client.ask("${op}", ${written}).json())`);
  return lines.slice(png ? 0 : 2).join("\n");
}

/** What is read, in each form. @type {Record<string, (url: string, read: Read) => string>} */
export const READS = {
  curl: (url, { path }) => `curl -s ${url}${path}`,
  Python: (url, { path }) => ["from pushforward.service.client import Client", "", `with Client("${url}") as client:`, `    print(client.get("${path}"))`].join("\n"),
  "command line": (url, { command }) => `${command} --url ${url}`,
};

/** A value as Python writes it. @param {unknown} value @returns {string} */
export function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(/** @type {object} */ (value)).map(([name, each]) => `"${name}": ${literal(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** Flags of fields whose name is not their flag. @type {Record<string, string>} */
const FLAGS = { n: "-n", ends: "--ends" };
/** Fields of rows, which come on standard input. */
const ROWS = ["x", "z", "patches", "ends", "records"];

/** @param {string} url @param {Asked} asked */
export function shell(url, { op, body, png }) {
  const { model, options = {}, ...rest } = /** @type {Record<string, any>} */ (body);
  const parts = [`pushforward ${op} ${model}`];
  let piped = "";
  const fields = op === "interpolate" && "start" in rest ? ends(rest) : rest;
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue;
    if (ROWS.includes(name)) {
      piped = `echo ${quoted(JSON.stringify(value))} | `;
      parts.push(op === "score" ? "-" : `--${name === "records" ? "x" : name} -`);
    } else {
      const flag = FLAGS[name] ?? `--${name.replace(/_/g, "-")}`;
      parts.push(`${flag} ${typeof value === "object" ? quoted(JSON.stringify(value)) : word(value)}`);
    }
  }
  for (const [name, value] of Object.entries(options)) parts.push(`-o ${name}=${typeof value === "object" ? quoted(JSON.stringify(value)) : word(value)}`);
  if (png) parts.push("--png picture.png");
  parts.push(`--url ${url}`);
  return piped + parts.join(" ");
}

/** @param {Record<string, any>} fields */
function ends({ start, end, ...rest }) {
  return { ends: [start, end], ...rest };
}

/** @param {unknown} value */
function word(value) {
  const text = String(value);
  return /^[\w.@:,+-]+$/.test(text) ? text : quoted(text);
}
