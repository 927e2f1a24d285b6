// @ts-check
/** Samples on their way from noise to data, for families whose samplers take steps. */
import { stream } from "../lib/events.mjs";
import { html, useEffect, useRef, useState } from "../lib/html.mjs";
import { Problem } from "./notice.mjs";
import { flat } from "./row.mjs";
import { Samples } from "./samples.mjs";

const MOST = 64; // rows, as the service permits
const FRAMES = 20;

/** Options that only samplers of steps have. @param {Record<string, any>} fields */
export const hasSteps = (fields) => "steps" in fields;

/** Every how many steps a frame is sent. @param {Record<string, any>} fields @param {Record<string, string>} given */
export function previewEvery(fields, given) {
  const steps = Number(given["steps"] || fields["steps"]?.default) || FRAMES;
  return Math.max(1, Math.ceil(steps / FRAMES));
}

/**
 * @param {{ card: any, reference: string, body: Record<string, any>, every: number, pick: { n: number, seed: number, condition: string } }} props
 */
export function Previews({ card, reference, body, every, pick }) {
  const [shown, setShown] = useState(/** @type {{ rows: any[], told: string } | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const stop = useRef(/** @type {AbortController | null} */ (null));
  const n = Math.min(pick.n, MOST);
  const key = JSON.stringify(body);
  useEffect(() => () => stop.current?.abort(), []);
  useEffect(() => {
    stop.current?.abort();
    setShown(null);
  }, [key]);
  const watch = async () => {
    stop.current?.abort();
    const mine = (stop.current = new AbortController());
    setError(null);
    try {
      for await (const event of stream("/sample", { body: { ...body, n, preview_every: every }, signal: mine.signal })) {
        const data = JSON.parse(event.data);
        if (event.event === "problem") throw new Error(data.detail);
        setShown({ rows: data["samples"], told: event.event === "preview" ? `step ${data["step"]} of ${data["steps"]}` : "data" });
      }
    } catch (problem) {
      if (!mine.signal.aborted) setError(/** @type {Error} */ (problem));
    }
  };
  return html`<p class="row"><button type="button" onClick=${watch}>Watch it being drawn</button>${shown && html`<span>${`${n} rows: ${shown.told}`}</span>`}</p>
    <${Problem} error=${error} />
    ${shown && html`<div data-previews><${Samples} card=${card} reference=${reference} rows=${shown.rows} numbers=${flat(shown.rows)} pick=${{ ...pick, n }} /></div>`}`;
}
