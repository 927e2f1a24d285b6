// @ts-check
/** Keyboard shortcuts: `g` and a letter opens a page, `/` goes to the filter, `?` lists them. They can be switched off. */
import { html, useEffect, useRef, useState } from "../lib/html.mjs";
import { address, navigate } from "../lib/router.mjs";

const WAIT_MS = 1500; // between g and the letter
const OFF = "pushforward.shortcuts.off";

/** @type {Record<string, import("../lib/router.mjs").PageName>} */
const PAGES = { o: "overview", t: "train", j: "jobs", m: "models", d: "data" };
const LISTED = [
  ["g o", "Overview"],
  ["g t", "Train"],
  ["g j", "Jobs"],
  ["g m", "Models"],
  ["g d", "Data"],
  ["/", "Go to the filter of this page"],
  ["r", "Draw again, on the page of a model"],
  ["n", "Draw with the next seed"],
  ["?", "This list"],
];

/** @param {EventTarget | null} target */
const isTyped = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));

export function Shortcuts() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [off, setOff] = useState(() => localStorage.getItem(OFF) === "yes");
  useEffect(() => {
    let went = 0;
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (off || isTyped(event.target) || event.ctrlKey || event.metaKey || event.altKey || dialog.current?.open) return;
      const page = PAGES[event.key];
      if (Date.now() - went < WAIT_MS && page) {
        navigate(address(page));
        went = 0;
      } else if (event.key === "g") went = Date.now();
      else if (event.key === "?") dialog.current?.showModal();
      else if (event.key === "/" && filter()) filter()?.focus();
      else if (event.key === "r" || event.key === "n") document.querySelector(`[data-shortcut="${event.key}"]`)?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [off]);
  /** @param {Event} event */
  const toggled = (event) => {
    const now = !(/** @type {HTMLInputElement} */ (event.target).checked);
    localStorage.setItem(OFF, now ? "yes" : "no");
    setOff(now);
  };
  return html`<button type="button" class="small keys" onClick=${() => dialog.current?.showModal()}>Keyboard</button>
    <dialog ref=${dialog} aria-labelledby="shortcuts-title">
      <h2 id="shortcuts-title">Keyboard shortcuts</h2>
      <dl class="pairs">${LISTED.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
      <label><input type="checkbox" checked=${!off} onChange=${toggled} /> Single letters are shortcuts</label>
      <button type="button" onClick=${() => dialog.current?.close()}>Close</button>
    </dialog>`;
}

/** @returns {HTMLElement | null} */
const filter = () => document.querySelector("[data-filter]");
