/** What the console uses of uPlot. */
export default class UPlot {
  constructor(options: Record<string, unknown>, data: (number | null)[][], place: HTMLElement);
  setData(data: (number | null)[][]): void;
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
}
