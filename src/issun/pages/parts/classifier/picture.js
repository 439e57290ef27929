// Makes what the network receives of a picture of any size, by the rules of `issun predict`: `issun.datasets.decode` and `pictures` there.

import { fittedContent } from "./content.js";
import { resized } from "./resize.js";

/** Pixels that a canvas gives (red, green, blue, opacity, nothing transparent) as grey or as RGB. */
export function coloured(rgba, channels) {
  const count = rgba.length / 4;
  const out = new Uint8Array(count * channels);
  for (let i = 0; i < count; i += 1) {
    const [red, green, blue] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]];
    if (channels === 1) out[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16; // ITU-R 601-2, as Pillow rounds it
    else [out[3 * i], out[3 * i + 1], out[3 * i + 2]] = [red, green, blue];
  }
  return out;
}

/* Python's rounding: halves to the even number. */
function rounded(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 ? below + 1 : below;
}

/** Which box of a picture (left, above, right, below) becomes how many rows and columns, and where they lie in what is wanted: as
    `issun.datasets.resizing` has it for "crop", "pad" and "stretch". */
export function framing(picture, height, width, resize = "crop") {
  const whole = { box: [0, 0, picture.width, picture.height], high: height, wide: width, top: 0, left: 0 };
  if (resize === "stretch") return whole;
  if (resize === "pad") {
    const scale = Math.max(picture.width / width, picture.height / height);
    const [high, wide] = [Math.min(height, Math.max(1, rounded(picture.height / scale))), Math.min(width, Math.max(1, rounded(picture.width / scale)))];
    return { ...whole, high, wide, top: Math.floor((height - high) / 2), left: Math.floor((width - wide) / 2) };
  }
  const scale = Math.min(picture.width / width, picture.height / height);
  const [left, above] = [(picture.width - scale * width) / 2, (picture.height - scale * height) / 2];
  const [right, below] = [left + scale * width, above + scale * height];
  return { ...whole, box: [Math.max(0, left), Math.max(0, above), Math.min(picture.width, right), Math.min(picture.height, below)] };
}

/* A picture in the size that is wanted; where it does not fill it, the rest is black. */
function sized(picture, height, width, resize) {
  if (picture.height === height && picture.width === width) return picture.data;
  const { box, high, wide, top, left } = framing(picture, height, width, resize);
  const { data, channels } = resized(picture, high, wide, box);
  if (high === height && wide === width) return data;
  const out = new Uint8Array(height * width * channels);
  for (let row = 0; row < high; row += 1) {
    out.set(data.subarray(row * wide * channels, (row + 1) * wide * channels), ((top + row) * width + left) * channels);
  }
  return out;
}

/** The pixels that the network receives of a picture of its own channels. `fit` is how content lies in its training images, or null;
    `resize` what was done with these where they had another shape. `bare`: nothing stood out that could be fitted. */
export function inputOf(picture, [height, width, channels], { invert = false, fit = null, resize = "crop" } = {}) {
  const content = fit && fittedContent(picture, fit, height, width);
  if (content) return { pixels: content, height, width, channels, bare: false };
  const data = sized(picture, height, width, resize);
  return { pixels: invert ? data.map((value) => 255 - value) : data, height, width, channels, bare: Boolean(fit) };
}
