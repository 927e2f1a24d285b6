// @ts-check
/**
 * Addresses of the console. All that a page shows is in its address, so that a link reproduces it.
 *
 * @typedef {keyof typeof PAGES} PageName
 * @typedef {{ pathname: string, search: string }} Address
 * @typedef {{ page: string, params: Record<string, string>, query: URLSearchParams }} Place
 */
import { createContext, useContext, useEffect, useState } from "./html.mjs";

export const ROOT = "/console/";

/** Pages by the pattern of their address below the root; `:name` is one part of it. */
export const PAGES = /** @type {const} */ ({
  overview: "",
  train: "train",
  jobs: "jobs",
  job: "jobs/:id",
  models: "models",
  model: "models/:reference",
  tab: "models/:reference/:tab",
  data: "data",
  dataset: "data/:name",
});

/** The page at an address; "missing" where there is none. @param {Address} address @returns {Place} */
export function placeOf({ pathname, search }) {
  const query = new URLSearchParams(search);
  const parts = pathname.slice(ROOT.length).replace(/\/+$/, "").split("/");
  for (const [page, pattern] of Object.entries(PAGES)) {
    const params = matched(pattern.split("/"), parts);
    if (params) return { page, params, query };
  }
  return { page: "missing", params: {}, query };
}

/** @param {string[]} pattern @param {string[]} parts @returns {Record<string, string> | null} */
function matched(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  /** @type {Record<string, string>} */
  const params = {};
  for (const [i, wanted] of pattern.entries()) {
    const given = parts[i] ?? "";
    if (wanted.startsWith(":")) params[wanted.slice(1)] = decoded(given);
    else if (wanted !== given) return null;
  }
  return params;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * An address in the console: `address("model", { reference: "digits@3" }, { tab: "draw" })`.
 * What is empty, null or undefined is left out of the query.
 * @param {PageName} page @param {Record<string, string>} [params] @param {Record<string, unknown>} [query]
 */
export function address(page, params = {}, query = {}) {
  const path = PAGES[page].replace(/:(\w+)/g, (_, name) => encodeURIComponent(params[name] ?? "").replace(/%40/g, "@"));
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return ROOT + path + (search && `?${search}`);
}

/** @type {Set<() => void>} */
const listeners = new Set();

/** Go to an address of the console. @param {string} to @param {{ replace?: boolean }} [how] */
export function navigate(to, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  for (const listener of listeners) listener();
}

/** Change the query of this page, and stay on it. @param {Record<string, unknown>} changes */
export function changeQuery(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) query.delete(name);
    else query.set(name, String(value));
  }
  const search = query.toString();
  navigate(location.pathname + (search && `?${search}`), { replace: true });
}

/** Follow links within the console without loading the page again. @param {MouseEvent} event */
function onClick(event) {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || !link.pathname.startsWith(ROOT) || link.hash) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}

/** The place of the address bar. @returns {Place} */
export function usePlace() {
  const [place, setPlace] = useState(() => placeOf(location));
  useEffect(() => {
    const changed = () => setPlace(placeOf(location));
    listeners.add(changed);
    addEventListener("popstate", changed);
    document.addEventListener("click", onClick);
    return () => {
      listeners.delete(changed);
      removeEventListener("popstate", changed);
      document.removeEventListener("click", onClick);
    };
  }, []);
  return place;
}

const Here = createContext(/** @type {Place} */ ({ page: "missing", params: {}, query: new URLSearchParams() }));
export const PlaceProvider = Here.Provider;

/** The query of this page. */
export const useQuery = () => useContext(Here).query;
