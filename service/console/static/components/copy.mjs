// @ts-check
/** "Copy as": the request of an answer as curl, Python and the command line. */
import * as commands from "../lib/commands.mjs";
import { html, useState } from "../lib/html.mjs";

/** @type {[string, (url: string, asked: commands.Asked) => string][]} */
const FORMS = [
  ["curl", commands.curl],
  ["Python", commands.python],
  ["command line", commands.shell],
];

/** @param {{ asked: commands.Asked }} props */
export function CopyAs({ asked }) {
  const [told, setTold] = useState("");
  const [shown, setShown] = useState("");
  /** @param {string} name @param {string} text */
  const copy = async (name, text) => {
    setShown(text);
    try {
      await navigator.clipboard.writeText(text);
      setTold(`Copied as ${name}.`);
    } catch {
      setTold("This browser does not let a page copy here: take it from below.");
    }
  };
  return html`<div class="copy" role="group" aria-label="Copy this request">
    <span class="quiet">Copy as</span>
    ${FORMS.map(([name, form]) => html`<button type="button" class="small" onClick=${() => copy(name, form(location.origin, asked))}>${name}</button>`)}
    <span role="status" class="quiet">${told}</span>
    ${shown && html`<pre tabindex="0" aria-label="The copied command">${shown}</pre>`}
  </div>`;
}
