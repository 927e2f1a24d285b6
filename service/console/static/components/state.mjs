// @ts-check
/** The state of a job: a word and a mark, for color alone says nothing. */
import { html } from "../lib/html.mjs";

/** @type {Record<string, string>} */
const MARKS = { queued: "◌", running: "▶", paused: "⏸", succeeded: "✓", failed: "✕", cancelled: "⦸" };

/** @param {{ state: string }} props */
export function State({ state }) {
  return html`<span class=${`state ${state}`}><span aria-hidden="true">${MARKS[state] ?? "·"}</span> ${state}</span>`;
}

/** @param {{ step: number, total: number, label: string }} props */
export function Progress({ step, total, label }) {
  if (!total) return html`<span class="quiet">not begun</span>`;
  const percent = Math.floor((100 * step) / total);
  return html`<span class="progress"
    ><progress max=${total} value=${step} aria-label=${`progress of ${label}`}></progress> <span>${percent} %</span></span
  >`;
}
