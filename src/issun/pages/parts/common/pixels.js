// Images of the album and tables of numbers as pictures, on small canvases that keep their pixels.

import { dress, element } from "./element.js";
import { bytesOf } from "./encoded.js";

const decoded = new WeakMap();

/** An image of a study's album: its pixels, its class and its number among the training images. */
export function albumImage({ images }, place) {
  if (!images || place === null || place === undefined || place >= images.labels.length) return null;
  if (!decoded.has(images)) decoded.set(images, bytesOf(images.data));
  const size = images.height * images.width * images.channels;
  const pixels = decoded.get(images).subarray(place * size, (place + 1) * size);
  return { pixels, height: images.height, width: images.width, channels: images.channels, label: images.labels[place], index: images.index[place], place };
}

/** The first images of a study's album, at most so many: those that show its classes, where there are such. */
export const sampleImages = (study, most) =>
  d3.range(Math.min(study.images.samples || study.images.labels.length, most)).map((place) => albumImage(study, place));

function canvas(height, width, words, colour) {
  const node = element("canvas", { width, height, class: "pixels", ...(words ? { role: "img", "aria-label": words } : { "aria-hidden": "true" }) });
  const context = node.getContext("2d");
  const data = context.createImageData(width, height);
  for (let i = 0; i < height * width; i += 1) {
    const [red, green, blue] = colour(i);
    data.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(data, 0, 0);
  return node;
}

/** A canvas with an image of bytes; `words` say what it is, without them it is decoration. */
export const pictureOf = ({ pixels, height, width, channels }, words) =>
  canvas(height, width, words, (i) => {
    const at = i * channels;
    return channels >= 3 ? [pixels[at], pixels[at + 1], pixels[at + 2]] : [pixels[at], pixels[at], pixels[at]];
  });

const colours = new Map();
function table(name) {
  if (!colours.has(name)) {
    const scale = name === "signed" ? (t) => d3.interpolatePuOr(1 - t) : d3.interpolateMagma;
    colours.set(name, d3.range(256).map((i) => ((c) => [c.r, c.g, c.b])(d3.rgb(scale(i / 255)))));
  }
  return colours.get(name);
}

/** A canvas with numbers as colours: 0 in the middle where some are below it, otherwise from dark (0) to bright (`most`). */
export function tile(value, height, width, { most, signed, words }) {
  const shades = table(signed ? "signed" : "plain");
  const scale = most || 1;
  const level = signed ? (v) => 127.5 + (127.5 * v) / scale : (v) => (255 * v) / scale;
  return canvas(height, width, words, (i) => shades[Math.max(0, Math.min(255, Math.round(level(value(i)) || 0)))]);
}

/** A ground for a cell between the page's own and a named colour, and black or white on it, whichever is read more easily. */
export function shaded(amount, name) {
  const styles = getComputedStyle(document.documentElement);
  const colour = (property) => styles.getPropertyValue(property).trim();
  const ground = d3.rgb(d3.interpolateRgb(colour("--grid"), colour(name))(amount));
  const linear = [ground.r, ground.g, ground.b].map((value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  // Black and white have the same contrast to a ground of this luminance, 4.6.
  const bright = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179;
  return { background: ground.formatHex(), color: bright ? "#000" : "#fff" };
}

/** How large the pixels of a picture should be for it to be about `wanted` wide: whole numbers keep them even. */
export function sized(node, wanted) {
  const longest = Math.max(node.width, node.height);
  const factor = longest <= wanted ? Math.max(1, Math.floor(wanted / longest)) : wanted / longest;
  dress(node, { style: { width: `${Math.round(node.width * factor)}px`, height: `${Math.round(node.height * factor)}px` } });
  return node;
}
