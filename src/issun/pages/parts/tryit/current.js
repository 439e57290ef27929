// The image that is being tried, and what a network makes of it.

import { byId } from "../common/element.js";
import { whole } from "../common/numbers.js";
import { albumImage } from "../common/pixels.js";
import { issunNetwork } from "../network.js";
import { detailOf } from "../study/content.js";

// The image that is being tried stays when another network of the same study and input is opened.
const current = new WeakMap(); // view -> image
const running = new WeakMap(); // detail -> what runs it
let watchers = [];

/** Whether a network can be tried here: its weights are in the page. */
export const canRun = (network) => Boolean(detailOf(network)?.weights);

function runnerOf(network) {
  const detail = detailOf(network);
  if (!running.has(detail)) running.set(detail, issunNetwork(detail.weights));
  return running.get(detail);
}

/** The image that is tried in a study: a sample, to begin with. */
export function imageOf(study) {
  if (!current.has(study) && fits(study)) {
    const sample = albumImage(study, Math.min(7, (study.images.samples || 1) - 1));
    if (sample) current.set(study, asSample(sample, study));
  }
  return current.get(study) ?? null;
}

/** Whether the images of a study's album are of the size that its networks take. */
export const fits = ({ images }) => Boolean(images && (images.reduced ?? 1) === 1 && images.labels.length);

/** An image of the album as one to be tried. */
export const asSample = (image, study) => ({ ...image, words: `image ${whole(image.index)}: ${study.about.classes[image.label]}` });

/** What a network makes of the image that is being tried; null where there is none, or no weights. */
export function runCurrent(network) {
  const image = imageOf(network.view);
  if (!image || !canRun(network)) return null;
  return { image, ...runnerOf(network).run(image.pixels) };
}

/** Call a function each time the image changes, for as long as a node stands on the page. */
export const onImage = (node, listener) => watchers.push({ node, listener });

/** Try an image in a study; null: none. */
export function setImage(study, image) {
  current.set(study, image);
  watchers = watchers.filter(({ node }) => node.isConnected);
  for (const { listener } of watchers) listener();
}

/** Try an image of the album with a network: open the tab with it. */
export function tryImage(album, network) {
  if (!canRun(network) || !fits(network.view)) return;
  setImage(network.view, asSample(album, network.view));
  byId("tab-try")?.click();
}
