// @ts-check
/** Files that become datasets: their media types and names, and their upload with progress. */
import { ApiError, Unreachable } from "./api.mjs";

/** @type {Record<string, string>} */
export const MEDIA_TYPES = {
  csv: "text/csv",
  parquet: "application/vnd.apache.parquet",
  arrow: "application/vnd.apache.arrow.file",
  feather: "application/vnd.apache.arrow.file",
  arrows: "application/vnd.apache.arrow.stream",
  npy: "application/x-npy",
  npz: "application/x-npz",
  zip: "application/zip",
  idx: "application/x-idx",
};

/** The media type of a file, by its name; null where that says nothing. @param {string} file */
export function mediaType(file) {
  const bare = file.toLowerCase().replace(/\.gz$/, "");
  if (/-idx\d-ubyte$/.test(bare)) return MEDIA_TYPES["idx"] ?? null;
  return MEDIA_TYPES[bare.split(".").pop() ?? ""] ?? null;
}

/** A dataset's name, from that of its file. @param {string} file */
export function datasetName(file) {
  const bare = file.toLowerCase().replace(/\.gz$/, "").replace(/\.[a-z0-9]+$/, "");
  return bare.replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+|-+$/g, "").slice(0, 63);
}

/**
 * Upload a file. Raises ApiError, Unreachable. `fetch` tells no progress of what it sends.
 * @param {string} name @param {Blob} file @param {string} type @param {string | null} replaces @param {(share: number) => void} onProgress
 * @returns {Promise<any>}
 */
export function upload(name, file, type, replaces, onProgress) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/datasets/${encodeURIComponent(name)}`);
    request.setRequestHeader("Content-Type", type);
    if (replaces) request.setRequestHeader("If-Match", `"${replaces}"`);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener("error", () => fail(new Unreachable()));
    request.addEventListener("load", () => {
      const answer = json(request.responseText);
      if (request.status < 300) done(answer);
      else fail(new ApiError(request.status, answer, request.getResponseHeader("Retry-After")));
    });
    request.send(file);
  });
}

/** @param {string} text */
function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
