// @ts-check
/**
 * Requests to the service, and its errors.
 *
 * @typedef {{ field: string, message: string }} FieldError
 * @typedef {Record<string, any>} Json
 * @typedef {{ body?: unknown, type?: string, accept?: string, headers?: Record<string, string>, signal?: AbortSignal }} Options
 */

/** What the service refuses: a problem document (RFC 9457). */
export class ApiError extends Error {
  /** @param {number} status @param {Json} problem @param {string | null} retryAfter */
  constructor(status, problem, retryAfter = null) {
    super(problem.detail ?? problem.title ?? `the service answered ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.type = String(problem.type ?? "");
    this.title = String(problem.title ?? "");
    /** @type {FieldError[]} */
    this.errors = problem.errors ?? [];
    this.retryAfterS = retryAfter === null ? null : Number(retryAfter);
  }
}

/** The service cannot be reached. */
export class Unreachable extends Error {
  constructor() {
    super("The service does not answer. This page tries again by itself.");
    this.name = "Unreachable";
  }
}

/** @type {Set<(reachable: boolean) => void>} */
const watchers = new Set();
let reachable = true;

/** @param {boolean} now */
function told(now) {
  if (now === reachable) return;
  reachable = now;
  for (const watcher of watchers) watcher(now);
}

/** Be told when the service stops or begins to answer. @param {(reachable: boolean) => void} watcher @returns {() => void} */
export function watchReach(watcher) {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

/**
 * The response of a request. Raises ApiError, Unreachable, or what `signal` aborts with.
 * @param {string} method @param {string} path @param {Options} [options] @returns {Promise<Response>}
 */
export async function request(method, path, { body, type, accept, headers, signal } = {}) {
  /** @type {Record<string, string>} */
  const sent = { Accept: accept ?? "application/json", ...headers };
  const isJson = body !== undefined && type === undefined;
  if (body !== undefined) sent["Content-Type"] = type ?? "application/json";
  const content = isJson ? JSON.stringify(body) : /** @type {BodyInit | undefined} */ (body);
  let response;
  try {
    response = await fetch(path, { method, headers: sent, body: content ?? null, signal: signal ?? null, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    told(false);
    throw new Unreachable();
  }
  told(true);
  if (response.ok) return response;
  throw new ApiError(response.status, await problem(response), response.headers.get("Retry-After"));
}

/** @param {Response} response @returns {Promise<Json>} */
async function problem(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

/** @param {string} path @param {Options} [options] @returns {Promise<Json>} */
export const get = async (path, options) => (await request("GET", path, options)).json();

/** @param {string} path @param {unknown} [body] @param {Options} [options] @returns {Promise<Json>} */
export const post = async (path, body, options) => (await request("POST", path, { body, ...options })).json();

/** @param {string} path @param {Options} [options] @returns {Promise<Json>} */
export const remove = async (path, options) => (await request("DELETE", path, options)).json();

/** A picture of an answer, to be shown by an address of this page. @param {string} path @param {unknown} body @param {AbortSignal} [signal] @returns {Promise<Blob>} */
export async function picture(path, body, signal) {
  return (await request("POST", path, { body, accept: "image/png", ...(signal && { signal }) })).blob();
}
