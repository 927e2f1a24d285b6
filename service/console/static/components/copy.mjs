// @ts-check
/** "Copy as": a request as curl, Python and the command line. */
import * as commands from "../lib/commands.mjs";
import { html, useState } from "../lib/html.mjs";

/** The request of an answer. @param {{ asked: commands.Asked }} props */
export function CopyAs({ asked }) {
  const forms = { curl: commands.curl, Python: commands.python, "command line": commands.shell };
  return html`<${Copies} forms=${forms} asked=${asked} />`;
}

/** What was read, as commands that read it. @param {{ what: string, read: commands.Read }} props */
export function CopyRead({ what, read }) {
  const { "command line": shell, ...others } = commands.READS;
  return html`<${Copies} what=${what} forms=${read.command ? commands.READS : others} asked=${read} />`;
}

/** @param {{ forms: Record<string, (url: string, asked: any) => string>, asked: any, what?: string }} props */
export function Copies({ forms, asked, what = "this request" }) {
  const [told, setTold] = useState("");
  const [shown, setShown] = useState("");
  const copy = async (/** @type {string} */ name) => {
    const text = forms[name]?.(location.origin, asked) ?? "";
    setShown(text);
    try {
      await navigator.clipboard.writeText(text);
      setTold(`Copied as ${name}.`);
    } catch {
      setTold("This browser does not let a page copy here: take it from below.");
    }
  };
  return html`<div class="copy" role="group" aria-label=${`Copy ${what}`}>
    <span class="quiet">Copy ${what === "this request" ? "" : `${what} `}as</span>
    ${Object.keys(forms).map((name) => html`<button type="button" class="small" onClick=${() => copy(name)}>${name}</button>`)}
    <span role="status" class="quiet">${told}</span>
    ${shown && html`<pre tabindex="0" aria-label="The copied command">${shown}</pre>`}
  </div>`;
}
