// @ts-check
/** A picture of an answer: fetched, for an `<img>` can send no key, and let go when it is replaced. */
import { picture } from "../lib/api.mjs";
import { html, useEffect, useRef, useState } from "../lib/html.mjs";
import { Loading, Problem } from "./notice.mjs";

/** An address for a blob, as long as it is shown. @param {Blob | null} blob */
export function useBlobAddress(blob) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    if (!blob) return setAddress("");
    const made = URL.createObjectURL(blob);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return address;
}

/** Pictures that are wanted now; few are asked for at a time. @type {(() => void)[]} */
const waiting = [];
let running = 0;
const MOST = 2;

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
async function inTurn(work) {
  if (running >= MOST) await new Promise((go) => waiting.push(() => go(null)));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/**
 * The picture of a request, asked for once it comes into view.
 * @param {{ op: string, body: Record<string, any>, alt: string, width?: number, height?: number, quiet?: boolean }} props
 */
export function Picture({ op, body, alt, width, height, quiet = false }) {
  const [seen, setSeen] = useState(false);
  const [blob, setBlob] = useState(/** @type {Blob | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const address = useBlobAddress(blob);
  useEffect(() => {
    if (seen || !frame.current) return;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: "200px" });
    watch.observe(frame.current);
    return () => watch.disconnect();
  }, [seen]);
  useEffect(() => {
    if (!seen) return;
    const stop = new AbortController();
    inTurn(() => (stop.signal.aborted ? Promise.reject(new Error("gone")) : picture(`/${op}`, body, stop.signal))).then(
      (made) => {
        setError(null);
        setBlob(made);
      },
      (problem) => stop.signal.aborted || setError(problem),
    );
    return () => stop.abort();
  }, [seen, op, JSON.stringify(body)]);
  const failed = quiet ? html`<span class="quiet">no picture</span>` : html`<${Problem} error=${error} />`;
  return html`<span class="picture" ref=${frame}>
    ${error ? failed : address ? html`<img src=${address} alt=${alt} width=${width} height=${height} />` : seen && !quiet ? html`<${Loading} what="Drawing" />` : null}
  </span>`;
}
