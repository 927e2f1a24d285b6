/** What the console uses of Preact. */
export type Child = unknown;
export type VNode = { type: unknown; props: Record<string, unknown> };
export const h: (type: unknown, props: Record<string, unknown> | null, ...children: Child[]) => VNode;
export const Fragment: (props: { children?: Child }) => VNode;
export function render(node: VNode, parent: Element): void;
export type Context<T> = { Provider: (props: { value: T; children?: Child }) => VNode; of: T };
export function createContext<T>(initial: T): Context<T>;
