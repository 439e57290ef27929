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

/** The middle of a picture, in the shape that is wanted: left, above, right, below. */
export function middle(picture, height, width) {
  const scale = Math.min(picture.width / width, picture.height / height);
  const [left, above] = [(picture.width - scale * width) / 2, (picture.height - scale * height) / 2];
  return [Math.max(0, left), Math.max(0, above), Math.min(picture.width, left + scale * width), Math.min(picture.height, above + scale * height)];
}

/** The pixels that the network receives of a picture of its own channels. `fit` is how content lies in its training images, or null.
    `bare`: nothing stood out that could be fitted. */
export function inputOf(picture, [height, width, channels], { invert = false, fit = null } = {}) {
  const content = fit && fittedContent(picture, fit, height, width);
  if (content) return { pixels: content, height, width, channels, bare: false };
  const isAsWanted = picture.height === height && picture.width === width;
  const { data } = isAsWanted ? picture : resized(picture, height, width, middle(picture, height, width));
  return { pixels: invert ? data.map((value) => 255 - value) : data, height, width, channels, bare: Boolean(fit) };
}
