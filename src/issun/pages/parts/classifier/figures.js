// What an image looks like, in four figures: those of `issun.datasets.appearance`.

import { boxOf, groundOf } from "./content.js";

const INK = 0.2 * 255; // what differs from the ground by more stands out

/** The four figures of an image, by which it is compared. */
export function figuresOf({ pixels, height, width, channels }) {
  const grey = Float32Array.from({ length: height * width }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < channels; c += 1) sum += pixels[i * channels + c];
    return sum / channels;
  });
  const mean = grey.reduce((a, b) => a + b, 0) / grey.length;
  const ground = Math.fround(groundOf(grey, height, width));
  const box = boxOf((i) => Math.abs(Math.fround(grey[i] - ground)) > INK, height, width);
  if (!box) return [mean, mean - ground, 0, 0];
  const { above, below, left, right } = box;
  const extent = Math.max((below - above + 1) / height, (right - left + 1) / width);
  return [mean, mean - ground, extent, Math.hypot((above + below - (height - 1)) / (2 * height), (left + right - (width - 1)) / (2 * width))];
}
