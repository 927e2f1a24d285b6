// @ts-check
/** Data by drop or by a file chooser. */
import { html, useState } from "../lib/html.mjs";
import { useAction } from "../lib/loading.mjs";
import { address, navigate } from "../lib/router.mjs";
import { MEDIA_TYPES, datasetName, mediaType, upload } from "../lib/uploads.mjs";
import { fieldErrors } from "./run_form.mjs";
import { Problem } from "./notice.mjs";

const KINDS = `${Object.keys(MEDIA_TYPES).map((kind) => `.${kind}`).join(",")},.gz`;

/** @param {{ known: any[], onDone: () => void }} props */
export function Upload({ known, onDone }) {
  const [file, setFile] = useState(/** @type {File | null} */ (null));
  const [name, setName] = useState("");
  const [type, setType] = useState("");
  const [share, setShare] = useState(0);
  const [over, setOver] = useState(false);
  const old = known.find((each) => each.name === name);
  const act = useAction(async () => {
    if (!file) return;
    setShare(0);
    await upload(name, file, type, old?.sha256 ?? null, setShare);
    onDone();
    navigate(address("dataset", { name }));
  });
  const errors = fieldErrors(act.error);
  const take = (/** @type {File | null | undefined} */ given) => {
    if (!given) return;
    setFile(given);
    setName(datasetName(given.name));
    setType(mediaType(given.name) ?? "");
  };
  const dropped = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer?.files[0]);
  };
  return html`<form class=${`drop ${over ? "over" : ""}`} aria-label="Upload data" onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), act.run())}
    onDragOver=${(/** @type {DragEvent} */ event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${dropped}>
    <div class="field"><label for="file">Drop a file here, or choose one</label>
      <input id="file" type="file" accept=${KINDS} aria-describedby="file-help" onChange=${(/** @type {any} */ event) => take(event.target.files[0])} />
      <small id="file-help">csv, Parquet, Arrow, npy, npz, IDX, or a zip of pictures.</small></div>
    ${file &&
    html`<div class="row">
        <div class="field"><label for="name">Name</label><input id="name" required value=${name} aria-invalid=${errors["name"] ? "true" : undefined} aria-describedby="name-help" onInput=${(/** @type {any} */ event) => setName(event.target.value)} /><small id="name-help">${old ? html`<strong>It replaces the data of this name.</strong>` : ""}${errors["name"] && html`<span class="wrong">${errors["name"]}</span>`}</small></div>
        <div class="field"><label for="type">Format</label><select id="type" required value=${type} onChange=${(/** @type {any} */ event) => setType(event.target.value)}><option value="">choose</option>${[...new Set(Object.values(MEDIA_TYPES))].map((each) => html`<option>${each}</option>`)}</select></div>
        <button class="primary" disabled=${act.busy}>${old ? "Replace" : "Upload"}</button>
      </div>
      ${act.busy && html`<p role="status"><progress max="1" value=${share} aria-label="progress of the upload"></progress> ${share < 1 ? "sending" : "checking"}</p>`}`}
    <${Problem} error=${act.error} fieldId=${(/** @type {string} */ field) => (field === "name" ? "name" : null)} />
  </form>`;
}
