// @ts-check
/** A job as its events tell it. One stream a tab: it is closed while the tab is hidden. */
import { Unreachable, get } from "./api.mjs";
import { ENDED, followed } from "./events.mjs";
import { useEffect, useState } from "./html.mjs";
import { useVisible } from "./loading.mjs";

/**
 * @typedef {{ what: string, step: number, png: string }} TrainingPicture
 * @typedef {{ job: any, latest: any, pictures: Record<string, TrainingPicture>, log: { level: string, message: string }[], error: Error | null }} Told
 */

const SHOW_MS = 250; // events come faster than they can be looked at
const MOST_LINES = 200;
const AGAIN_MS = 2000;

/** What its user may ask of a job in its state. @param {any} job @returns {string[]} */
export function actions(job) {
  if (job.state === "paused") return ["resume", "cancel"];
  if (job.state === "running") return job.kind === "train" ? ["pause", "cancel"] : ["cancel"];
  return job.state === "queued" ? ["pause", "cancel"] : [];
}

/** What is known after an event. @param {Told} told @param {string} kind @param {any} data @returns {Told} */
export function after(told, kind, data) {
  if (kind === "state") return { ...told, job: data };
  if (kind === "picture") return { ...told, pictures: { ...told.pictures, [data.what]: data } };
  if (kind === "log") return { ...told, log: [...told.log, data].slice(-MOST_LINES) };
  if (kind === "queue") return { ...told, job: { ...told.job, ...data } };
  if (kind !== "progress") return told;
  const progress = { step: data.step, total_steps: data.total_steps };
  return { ...told, latest: data, job: { ...told.job, progress, losses: data.losses } };
}

/** The answer, once the service can be reached. @template T @param {() => Promise<T>} ask @param {AbortSignal} signal @returns {Promise<T>} */
async function persistent(ask, signal) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !(error instanceof Unreachable)) throw error;
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

/** @type {Told} */
const NOTHING = { job: null, latest: null, pictures: {}, log: [], error: null };

/** @param {string} id */
export function useJob(id) {
  const [told, setTold] = useState(NOTHING);
  const visible = useVisible();
  useEffect(() => {
    if (!visible) return;
    const stop = new AbortController();
    let now = NOTHING;
    /** @type {ReturnType<typeof setTimeout> | null} */
    let timer = null;
    const show = () => {
      timer = null;
      if (!stop.signal.aborted) setTold(now);
    };
    const run = async () => {
      const path = `/jobs/${encodeURIComponent(id)}`;
      try {
        const job = await persistent(() => get(path, { signal: stop.signal }), stop.signal);
        now = { ...NOTHING, job };
        show();
        for await (const event of followed(`${path}/events`, stop.signal)) {
          const next = after(now, event.event, JSON.parse(event.data));
          // An ended job's events are told again from the beginning: its record stays what it is.
          now = ENDED.includes(job.state) ? { ...next, job } : next;
          timer ??= setTimeout(show, SHOW_MS);
        }
        show();
      } catch (error) {
        if (stop.signal.aborted) return;
        now = { ...now, error: /** @type {Error} */ (error) };
        show();
      }
    };
    run();
    return () => {
      stop.abort();
      if (timer !== null) clearTimeout(timer);
    };
  }, [id, visible]);
  return told;
}
