// @ts-check
import { html } from "../lib/html.mjs";
import { address } from "../lib/router.mjs";

export default function Missing() {
  return html`<h1 tabindex="-1">There is no such page</h1>
    <p>Begin at the <a href=${address("overview")}>overview</a>.</p>`;
}
