// What a network gets wrong: the surest mistakes, the table of what is taken for what, and the figures of each class.

import { dress, element, scrollable } from "../common/element.js";
import { percent, whole } from "../common/numbers.js";
import { albumImage, pictureOf, shaded, sized, tile } from "../common/pixels.js";
import { classesOf, onTest } from "../study/content.js";
import { tryImage } from "../tryit/current.js";

const MOST_CELLS = 20;

function mistakes(network, detail) {
  const { view } = network;
  const classes = classesOf(network);
  const shown = (detail.mistakes ?? []).map((mistake) => ({ ...mistake, album: albumImage(view, mistake.image) })).filter(({ album }) => album);
  if (!shown.length) return null;
  const card = ({ album, true: right, predicted, probability }) => {
    const words = `${classes[right]}, taken for ${classes[predicted]} with ${percent(probability, 0)}`;
    return element(
      "li",
      null,
      element(
        "button",
        { type: "button", title: `${words}: press to try it`, "aria-label": `${words}. Press to try it`, on: { click: () => tryImage(album, network) } },
        sized(pictureOf(album), 56),
        element("span", { class: "taken" }, element("span", { class: "name" }, classes[right]), " → ", element("span", { class: "name wrong" }, classes[predicted])),
        element("span", { class: "pale" }, percent(probability, 0)),
      ),
    );
  };
  return [
    element("h3", null, "Most confident mistakes"),
    element("p", { class: "note" }, "True class → predicted class, with its probability."),
    element("ul", { class: "mistakes" }, shown.map(card)),
  ];
}

function confused({ confused: pairs }) {
  if (!pairs?.length) return null;
  return element("p", { class: "note" }, "Most often confused: ", pairs.map(([first, second, images], i) => [i ? ", " : "", `${first} with ${second} (${images})`]), ".");
}

// How dark a cell is: the part of its true class that lies in it.
const part = (matrix, i, j) => matrix[i][j] / (d3.sum(matrix[i]) || 1);

function smallMatrix(matrix, classes) {
  const cell = (count, i, j) => {
    const amount = part(matrix, i, j);
    return element(
      "td",
      { class: count ? null : "none", style: count ? shaded(i === j ? 0.25 + 0.75 * amount : 0.2 + 0.8 * Math.sqrt(amount), i === j ? "--accent" : "--c1") : {}, title: `${classes[i]} taken for ${classes[j]}: ${count}` },
      count || "",
    );
  };
  const name = (text) => element("span", { class: "name" }, text);
  return element(
    "table",
    { class: "confusion" },
    element("thead", null, element("tr", null, element("td", { class: "corner" }, "true \\ predicted"), classes.map((text) => element("th", { scope: "col", title: text }, name(text))))),
    element("tbody", null, matrix.map((line, i) => element("tr", null, element("th", { scope: "row", title: classes[i] }, name(classes[i])), line.map((count, j) => cell(count, i, j))))),
  );
}

function largeMatrix(matrix, classes) {
  const size = classes.length;
  const picture = tile((i) => Math.sqrt(part(matrix, Math.floor(i / size), i % size)), size, size, { most: 1, words: `Confusion matrix of ${size} classes: rows are true classes, columns predicted classes` });
  dress(picture, { class: "pixels wide", style: { width: "100%", "aspect-ratio": "1" } });
  const said = element("p", { class: "note", "aria-hidden": "true" }, "Rows are true classes, columns predicted classes; point at a cell.");
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const [i, j] = [Math.floor(((event.clientY - box.top) / box.height) * size), Math.floor(((event.clientX - box.left) / box.width) * size)];
    if (matrix[i]?.[j] !== undefined) said.textContent = `${classes[i]} taken for ${classes[j]}: ${matrix[i][j]}`;
  });
  return [picture, said];
}

function perClass(lines) {
  const bar = (value) => element("td", { class: "share-cell" }, element("span", { class: "share" }, element("span", { class: "share-bar", style: { width: `${100 * (value ?? 0)}%` } })), element("span", { class: "number" }, percent(value, 1)));
  return element(
    "table",
    { class: "classes" },
    element("thead", null, element("tr", null, ["class", "recall", "precision", "F1", "images"].map((text, i) => element("th", { scope: "col", class: i > 2 ? "number" : null }, text)))),
    element("tbody", null, lines.map((line) => element("tr", null, element("th", { scope: "row", title: line.name }, element("span", { class: "name" }, line.name)), bar(line.recall), bar(line.precision), element("td", { class: "number" }, percent(line.f1, 1)), element("td", { class: "number" }, whole(line.images))))),
  );
}

export const mistakesTab = {
  name: "mistakes",
  title: "Mistakes",
  has: (network, detail) => Boolean(detail.mistakes?.length || detail.confusion || detail.per_class?.length),
  make: (network, detail) => {
    const classes = classesOf(network);
    const matrix = detail.confusion;
    return [
      mistakes(network, detail),
      matrix ? element("h3", null, "Confusion matrix") : null,
      confused(detail),
      matrix ? (classes.length <= MOST_CELLS ? scrollable("Confusion matrix", smallMatrix(matrix, classes)) : largeMatrix(matrix, classes)) : null,
      detail.per_class?.length ? [element("h3", null, "Figures by class"), scrollable("Figures of each class", perClass(detail.per_class))] : null,
      element("p", { class: "note" }, `On the ${onTest(network.study) ? "test part, as published" : "validation part"}, seed ${network.best_seed}.`),
    ];
  },
};
