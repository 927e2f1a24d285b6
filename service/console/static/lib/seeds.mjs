// @ts-check
/** A seed that was not given is drawn here, so that a link is exact. */
export const drawnSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
