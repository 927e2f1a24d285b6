// @ts-check
/**
 * Arrays of numbers as npy files (NumPy Enhancement Proposal 1), little-endian, in C order.
 *
 * @typedef {{ shape: number[], values: Float32Array | Float64Array | Uint8Array | Int32Array }} NumberArray
 */

const MAGIC = "\x93NUMPY";
/** @type {Record<string, { new (buffer: ArrayBuffer): NumberArray["values"], BYTES_PER_ELEMENT: number }>} */
const KINDS = { "<f4": Float32Array, "<f8": Float64Array, "|u1": Uint8Array, "<i4": Int32Array };

/** The array of a file. Raises Error where it is of another kind. @param {ArrayBuffer} file @returns {NumberArray} */
export function read(file) {
  const bytes = new Uint8Array(file);
  if (String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) throw new Error("this is no npy file");
  const view = new DataView(file);
  const isFirst = bytes[6] === 1;
  const start = isFirst ? 10 : 12;
  const length = isFirst ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const descr = header.match(/'descr': *'([^']+)'/)?.[1] ?? "";
  const Kind = KINDS[descr];
  if (!Kind) throw new Error(`the numbers are ${descr || "structured"}; save them as float32`);
  if (/'fortran_order': *True/.test(header)) throw new Error("the array is in Fortran order; save it in C order");
  const shape = (header.match(/'shape': *\(([^)]*)\)/)?.[1] ?? "").split(",").filter((part) => part.trim()).map(Number);
  return { shape, values: new Kind(file.slice(start + length)) };
}

/** A file of float32. @param {number[]} shape @param {ArrayLike<number>} values @returns {ArrayBuffer} */
export function write(shape, values) {
  const written = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const length = 64 * Math.ceil((10 + written.length + 1) / 64) - 10;
  const file = new ArrayBuffer(10 + length + 4 * values.length);
  const head = MAGIC + "\x01\x00" + String.fromCharCode(length & 255, length >> 8) + written.padEnd(length - 1) + "\n";
  const bytes = new Uint8Array(file);
  for (let i = 0; i < head.length; i += 1) bytes[i] = head.charCodeAt(i);
  const view = new DataView(file, 10 + length);
  for (let i = 0; i < values.length; i += 1) view.setFloat32(4 * i, Number(values[i]), true);
  return file;
}
