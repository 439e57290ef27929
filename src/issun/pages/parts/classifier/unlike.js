// Tells images that are unlike those that the network was trained on, by the rule of `issun predict`: `issun.predicting.unlike_images`.

import { SPACE, fixed } from "../common/numbers.js";
import { figuresOf } from "./figures.js";

const FIGURES = ["brightness", "polarity", "extent", "offset"];
const WORDS = { brightness: "mean", polarity: "brighter than the edge by", extent: "side filled", offset: "off the centre by" };

function outside(appearance, figures) {
  return figures.map((value, i) => value < appearance[FIGURES[i]].low || value > appearance[FIGURES[i]].high);
}

/** What would make an image like the training images: `invert`, `no invert`, `fit`, or nothing that is known. */
function remedyOf(appearance, figures, { invert, fit }) {
  const [mean, polarity, extent, offset] = figures;
  const out = outside(appearance, figures);
  const other = outside(appearance, [255 - mean, -polarity, extent, offset]);
  if ((out[0] || out[1]) && !(other[0] || other[1]) && !fit) return invert ? "no invert" : "invert";
  return (out[2] || out[3]) && appearance.style && !fit ? "fit" : "";
}

/** What is unlike the training images in an image, in words, and what to try; null where nothing is, or no one knows. */
export function doubtOf(appearance, image, changes) {
  if (!appearance) return null;
  const figures = figuresOf(image);
  const out = outside(appearance, figures);
  if (!out.includes(true)) return null;
  const remedy = remedyOf(appearance, figures, changes);
  // What is said is what the remedy is about.
  const told = FIGURES.findIndex((_, i) => out[i] && !(remedy.includes("invert") && i >= 2) && !(remedy === "fit" && i < 2));
  const figure = FIGURES[told];
  const text = (value) => (told < 2 ? fixed(value, 0) : `${fixed(100 * value, 0)}${SPACE}%`);
  const { low, median, high } = appearance[figure];
  return { figure, remedy, words: `${WORDS[figure]} ${text(figures[told])}, in training ${text(median)}, from ${text(low)} to ${text(high)}` };
}
