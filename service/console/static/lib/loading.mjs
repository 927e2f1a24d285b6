// @ts-check
/**
 * What a page loads: once, or again and again while it is seen.
 *
 * @template T
 * @typedef {{ data: T | null, error: Error | null, loading: boolean, reload: () => void }} Loaded
 */
import { Unreachable } from "./api.mjs";
import { useCallback, useEffect, useState } from "./html.mjs";

const AGAIN_S = 2; // after the service did not answer

/** Whether this tab is seen. */
export function useVisible() {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const changed = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);
  return visible;
}

/**
 * Load, and load again when `keys` change, every `every_s` seconds, and while the service is away. The last data stay
 * until the next are there.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load @param {unknown[]} keys @param {number | null} [every_s]
 * @returns {Loaded<T>}
 */
export function useLoaded(load, keys, every_s = null) {
  const [{ data, error, loading }, setState] = useState(
    /** @type {{ data: T | null, error: Error | null, loading: boolean }} */ ({ data: null, error: null, loading: true }),
  );
  const [turn, setTurn] = useState(0);
  const visible = useVisible();
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  useEffect(() => {
    const stop = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const run = async () => {
      let again_s = every_s;
      try {
        const loaded = await load(stop.signal);
        if (!stop.signal.aborted) setState({ data: loaded, error: null, loading: false });
      } catch (problem) {
        if (stop.signal.aborted) return;
        const failure = /** @type {Error} */ (problem);
        if (failure instanceof Unreachable) again_s = AGAIN_S;
        setState((state) => ({ data: state.data, error: failure, loading: false }));
      }
      if (again_s !== null && !stop.signal.aborted) timer = setTimeout(run, 1000 * again_s);
    };
    if (visible) run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [...keys, every_s, turn, visible]);
  return { data, error, loading, reload };
}

/**
 * Something that a press of a button does: whether it is at it, what came of it, what went wrong.
 * @template R
 * @template {unknown[]} A
 * @param {(...given: A) => Promise<R>} act
 */
export function useAction(act) {
  const [{ busy, error, result }, setState] = useState(
    /** @type {{ busy: boolean, error: Error | null, result: R | null }} */ ({ busy: false, error: null, result: null }),
  );
  /** @param {A} given */
  const run = async (...given) => {
    setState((state) => ({ ...state, busy: true, error: null }));
    try {
      const result = await act(...given);
      setState({ busy: false, error: null, result });
      return result;
    } catch (problem) {
      setState((state) => ({ ...state, busy: false, error: /** @type {Error} */ (problem) }));
      return null;
    }
  };
  return { busy, error, result, run };
}
