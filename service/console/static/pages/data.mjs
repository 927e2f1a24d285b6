// @ts-check
/** Uploaded data: what there is, what is in it, and more of it. */
import { Empty, Loading, Problem } from "../components/notice.mjs";
import { Outline, Preview } from "../components/outline.mjs";
import { Upload } from "../components/upload.mjs";
import { get, remove } from "../lib/api.mjs";
import { age, bytes } from "../lib/format.mjs";
import { html, useRef, useState } from "../lib/html.mjs";
import { useAction, useLoaded } from "../lib/loading.mjs";
import { address, navigate } from "../lib/router.mjs";

/** @param {{ name?: string }} props */
export default function Data({ name }) {
  return name === undefined ? html`<${List} />` : html`<${Dataset} name=${name} />`;
}

function List() {
  const { data, error, reload } = useLoaded((signal) => get("/datasets", { signal }), []);
  /** @type {any[]} */
  const datasets = data?.["datasets"] ?? [];
  return html`<h1 tabindex="-1">Data</h1>
    <${Upload} known=${datasets} onDone=${reload} />
    <${Problem} error=${error} />
    ${!data ? !error && html`<${Loading} />` : datasets.length === 0 ? html`<${Empty}>No data were uploaded yet. A run can also read files below the service's data root, and the sets that come with it.<//>` : html`<div class="wide"><table>
      <thead><tr><th scope="col">name</th><th scope="col">format</th><th scope="col">size</th><th scope="col">uploaded</th></tr></thead>
      <tbody>${datasets.map((each) => html`<tr key=${each.name}><th scope="row"><a href=${address("dataset", { name: each.name })}>${each.name}</a></th><td>${each.media_type}</td><td>${bytes(each.bytes)}</td><td>${age(each.created_at)}</td></tr>`)}</tbody>
    </table></div>`}`;
}

/** @param {{ name: string }} props */
function Dataset({ name }) {
  const { data, error } = useLoaded((signal) => get(`/datasets/${encodeURIComponent(name)}`, { signal }), [name]);
  if (!data) return html`<h1 tabindex="-1">Data ${name}</h1>${error ? html`<${Problem} error=${error} />` : html`<${Loading} />`}`;
  return html`<h1 tabindex="-1">Data ${name}</h1>
    <dl class="pairs">
      <div><dt>Format</dt><dd>${data["media_type"]}</dd></div>
      <div><dt>Size</dt><dd>${bytes(data["bytes"])}</dd></div>
      <div><dt>Uploaded</dt><dd>${age(data["created_at"])}</dd></div>
      <div><dt>sha256</dt><dd><code>${data["sha256"]}</code></dd></div>
    </dl>
    <p class="row">
      <a class="button primary" href=${address("train", {}, { data: name })}>Train on it</a>
      <a class="button" href=${`/datasets/${encodeURIComponent(name)}/content`} download>Download</a>
      <${Delete} name=${name} />
    </p>
    <${Outline} name=${name} />
    <${Preview} name=${name} mediaType=${data["media_type"]} />`;
}

/** @param {{ name: string }} props */
function Delete({ name }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [typed, setTyped] = useState("");
  const act = useAction(async () => {
    await remove(`/datasets/${encodeURIComponent(name)}`);
    dialog.current?.close();
    navigate(address("data"));
  });
  return html`<button type="button" class="danger" onClick=${() => dialog.current?.showModal()}>Delete …</button>
    <dialog ref=${dialog} aria-labelledby="delete-title">
      <h2 id="delete-title">Delete ${name}?</h2>
      <p>Models that were trained on it stay. Type its name to delete it.</p>
      <label class="field">Name <input value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} /></label>
      <${Problem} error=${act.error} />
      <p class="row">
        <button type="button" class="danger" disabled=${typed !== name || act.busy} onClick=${() => act.run()}>Delete ${name}</button>
        <button type="button" onClick=${() => dialog.current?.close()}>Keep it</button>
      </p>
    </dialog>`;
}
