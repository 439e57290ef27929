// What the network says of a picture: the likeliest classes, and whether the picture is unlike those that it was trained on.

import { byId, element, fill, say } from "../common/element.js";
import { percent } from "../common/numbers.js";
import { pictureOf, sized } from "../common/pixels.js";

const MOST_BARS = 5;
const QUIET = 700; // milliseconds without another answer, after which one is said aloud

const REMEDIES = {
  invert: "Try “Invert brightness”.",
  "no invert": "Try it without “Invert brightness”.",
  fit: "Try “Centre and scale the foreground”.",
  "": "The answer may well be wrong.",
};

let saying = null;

/** Show the answer to an image; `doubt` says in what it is unlike the training images, or is null. */
export function showAnswer(image, probabilities, classes, doubt) {
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
  const [top] = order;
  fill(byId("verdict"), element("strong", null, classes[top]), element("span", { class: "number" }, percent(probabilities[top], 1)));
  fill(
    byId("probabilities"),
    order.slice(0, MOST_BARS).map((i) =>
      element(
        "li",
        { "data-class": i, "data-probability": probabilities[i] },
        element("span", { class: "name", title: classes[i] }, classes[i]),
        element("span", { class: "share", "aria-hidden": "true" }, element("span", { class: "share-bar", style: { width: `${100 * probabilities[i]}%` } })),
        element("span", { class: "number" }, percent(probabilities[i], 1)),
      ),
    ),
  );
  const words = doubt ? `This picture is unlike the training images (${doubt.words}). ${REMEDIES[doubt.remedy]}` : "";
  byId("doubt").textContent = words;
  byId("doubt").hidden = !doubt;
  fill(byId("seen"), sized(pictureOf(image, "The image that the network receives"), 96));
  byId("empty").hidden = true;
  byId("answer").hidden = false;
  clearTimeout(saying);
  saying = setTimeout(() => say(`${classes[top]}, ${percent(probabilities[top], 1)}. ${words}`), QUIET);
}

/** Say that there is no answer, and why; without a reason that none was asked for. */
export function showProblem(words) {
  byId("answer").hidden = true;
  byId("empty").hidden = false;
  byId("empty").textContent = words;
  clearTimeout(saying);
  say(words);
}
