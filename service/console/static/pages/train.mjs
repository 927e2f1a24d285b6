// @ts-check
import { html } from "../lib/html.mjs";

export default function Page() {
  return html`<h1 tabindex="-1">Train</h1>`;
}
