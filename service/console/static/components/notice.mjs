// @ts-check
/** What went wrong, and what to do. */
import { ApiError } from "../lib/api.mjs";
import { html } from "../lib/html.mjs";

/**
 * An error, with a link to each field that it names where the page has that field.
 * @param {{ error: Error | null, fieldId?: (field: string) => string | null }} props
 */
export function Problem({ error, fieldId = () => null }) {
  if (!error) return null;
  const errors = error instanceof ApiError ? error.errors : [];
  const retry = error instanceof ApiError && error.retryAfterS ? ` Try again in ${error.retryAfterS} s.` : "";
  return html`<div class="problem" role="alert">
    <strong>${error instanceof ApiError && error.title ? error.title : "Something went wrong"}.</strong>
    ${errors.length === 0 && html` <span>${error.message}${retry}</span>`}
    ${errors.length > 0 &&
    html`<ul>
      ${errors.map(({ field, message }) => {
        const id = fieldId(field);
        return html`<li>${id ? html`<a href=${`#${id}`}>${field}</a>` : html`<code>${field}</code>`} ${message}</li>`;
      })}
    </ul>`}
  </div>`;
}

/** While there is nothing to show yet. @param {{ what?: string }} props */
export function Loading({ what = "Loading" }) {
  return html`<p class="quiet" aria-busy="true">${what} …</p>`;
}

/** @param {{ children?: unknown }} props */
export function Empty({ children }) {
  return html`<p class="quiet">${children}</p>`;
}
