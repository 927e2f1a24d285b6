/** What the console uses of Preact's hooks. */
import type { Context } from "./preact.mjs";
export function useState<S>(initial: S | (() => S)): [S, (next: S | ((now: S) => S)) => void];
export function useEffect(effect: () => unknown, keys?: unknown[]): void;
export function useRef<T>(initial: T): { current: T };
export function useMemo<T>(make: () => T, keys: unknown[]): T;
export function useCallback<F extends (...given: any[]) => unknown>(callback: F, keys: unknown[]): F;
export function useContext<T>(context: Context<T>): T;
