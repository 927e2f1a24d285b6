// @ts-check
/** Presets by what they are trained on. */

export const GROUPS = ["Handwritten digits", "Fashion", "Points of the plane", "Tables", "Series", "Others"];

/** @param {any} data of a run */
export function groupOf({ source, path, dataset }) {
  const file = `${path ?? ""} ${dataset ?? ""}`;
  if (/digits/.test(source)) return "Handwritten digits";
  if (/fashion/.test(`${source} ${file}`)) return "Fashion";
  if (/moons|gaussians|checkerboard/.test(source)) return "Points of the plane";
  if (/table/.test(source)) return "Tables";
  if (/series|process/.test(source)) return "Series";
  return "Others";
}
