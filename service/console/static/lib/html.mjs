// @ts-check
/** Templates without a build: `html` makes elements of Preact, and the hooks that the pages use. */
import htm from "../vendor/htm.mjs";
import { Fragment, createContext, h, render } from "../vendor/preact.mjs";

export { useCallback, useContext, useEffect, useMemo, useRef, useState } from "../vendor/hooks.mjs";
export { Fragment, createContext, render };

export const html = htm.bind(h);
