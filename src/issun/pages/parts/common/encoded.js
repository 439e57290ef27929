// Reads what Python wrote as base64: bytes and numbers.

/** The bytes that a base64 text stands for. */
export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Numbers of float32, little-endian, whatever the machine's own order. */
export function floatsOf(text) {
  const view = new DataView(bytesOf(text).buffer);
  return Float32Array.from({ length: view.byteLength >> 2 }, (_, i) => view.getFloat32(4 * i, true));
}
