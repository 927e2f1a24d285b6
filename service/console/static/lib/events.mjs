// @ts-check
/**
 * Server-Sent Events read by `fetch`, for an EventSource can send no key.
 *
 * @typedef {{ id: string | null, event: string, data: string }} ServerEvent
 */
import { request } from "./api.mjs";

/** The complete events at the beginning of a text, and what is left of it. @param {string} text @returns {{ events: ServerEvent[], rest: string }} */
export function parse(text) {
  const half = text.endsWith("\r") ? "\r" : ""; // of a line's end
  const blocks = text.slice(0, text.length - half.length).replace(/\r\n?/g, "\n").split("\n\n");
  const rest = (blocks.pop() ?? "") + half;
  return { events: blocks.map(parsed).filter((event) => event.data !== ""), rest };
}

/** @param {string} block @returns {ServerEvent} */
function parsed(block) {
  const event = { id: /** @type {string | null} */ (null), event: "message", data: "" };
  const data = [];
  for (const line of block.split("\n")) {
    const [, name, value] = line.match(/^([a-z]*):? ?(.*)$/) ?? [];
    if (name === "id") event.id = value ?? null;
    else if (name === "event") event.event = value ?? "";
    else if (name === "data") data.push(value);
  }
  return { ...event, data: data.join("\n") };
}

/**
 * The events of a stream, until it ends. Raises ApiError, Unreachable.
 * @param {string} path @param {{ after?: string | null, body?: unknown, signal: AbortSignal }} options
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* stream(path, { after, body, signal }) {
  const headers = after ? { "Last-Event-ID": after } : {};
  const options = { accept: "text/event-stream", headers, signal, ...(body !== undefined && { body }) };
  const response = await request(body === undefined ? "GET" : "POST", path, options);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const { events, rest } = parse(text + decoder.decode(value, { stream: true }));
      text = rest;
      yield* events;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * The events of a job, over again from the last one where the connection breaks. Ends after the job's last event.
 * @param {string} path @param {AbortSignal} signal @param {(waiting_s: number) => Promise<void>} [wait]
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* followed(path, signal, wait = (s) => new Promise((done) => setTimeout(done, 1000 * s))) {
  let after = /** @type {string | null} */ (null);
  let waiting_s = 1;
  while (!signal.aborted) {
    try {
      for await (const event of stream(path, { after, signal })) {
        after = event.id ?? after;
        waiting_s = 1;
        yield event;
        if (isLast(event)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      const status = /** @type {{ status?: number }} */ (error).status;
      if (status !== undefined && status < 500 && status !== 429) throw error;
    }
    if (signal.aborted) return;
    await wait(waiting_s);
    waiting_s = Math.min(2 * waiting_s, 10);
  }
}

export const ENDED = ["succeeded", "failed", "cancelled"];

/** @param {ServerEvent} event */
function isLast(event) {
  return event.event === "state" && ENDED.includes(JSON.parse(event.data).state);
}
