// @ts-check
/** Rows to ask about: pasted, or dropped as a file. */
import { rowsOfFile, parseRows } from "../lib/rows.mjs";
import { html, useState } from "../lib/html.mjs";

/**
 * @param {{ spec: any, label: string, action: string, busy: boolean, example: string, onRows: (rows: import("../lib/rows.mjs").Rows) => void }} props
 */
export function RowsInput({ spec, label, action, busy, example, onRows }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const [over, setOver] = useState(false);
  /** @param {() => Promise<import("../lib/rows.mjs").Rows> | import("../lib/rows.mjs").Rows} read */
  const give = async (read) => {
    try {
      const rows = await read();
      setWrong("");
      onRows(rows);
    } catch (error) {
      setWrong(/** @type {Error} */ (error).message);
    }
  };
  /** @param {DragEvent} event */
  const dropped = (event) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer?.files[0];
    if (file) give(() => rowsOfFile(file, spec));
  };
  /** @param {Event} event */
  const chosen = (event) => {
    const file = /** @type {HTMLInputElement} */ (event.target).files?.[0];
    if (file) give(() => rowsOfFile(file, spec));
  };
  const kinds = spec.table ? ".csv,.json" : spec.shape.length === 3 ? ".npy,.csv,.json,.png,.jpg" : ".npy,.csv,.json";
  return html`<div class=${`drop ${over ? "over" : ""}`} onDragOver=${(/** @type {DragEvent} */ event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${dropped}>
    <div class="field">
      <label for="rows-text">${label}</label>
      <textarea id="rows-text" rows="4" value=${text} placeholder=${example} aria-invalid=${wrong ? "true" : undefined} aria-describedby="rows-help" onInput=${(/** @type {any} */ event) => setText(event.target.value)}></textarea>
      <small id="rows-help">JSON or csv; or drop a file here (${kinds.replaceAll(",", ", ")}).${wrong && html` <span class="wrong" role="alert">${wrong}</span>`}</small>
    </div>
    <p class="row">
      <button type="button" class="primary" disabled=${busy} onClick=${() => give(() => parseRows(text || example, spec))}>${action}</button>
      <label>or a file <input type="file" accept=${kinds} onChange=${chosen} /></label>
    </p>
  </div>`;
}
