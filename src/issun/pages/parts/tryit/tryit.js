// The tab where a network is tried: an image is drawn, dropped or picked, and its probabilities are worked out here, in the browser.

import { element, fill, say } from "../common/element.js";
import { percent } from "../common/numbers.js";
import { albumImage, pictureOf, sized } from "../common/pixels.js";
import { classesOf } from "../study/content.js";
import { asSample, canRun, fits, imageOf, onImage, runCurrent, setImage } from "./current.js";
import { drawingStyle, imageOfStrokes, styleWords, trace } from "./drawing.js";
import { imageOfFile } from "./file.js";

const MOST_BARS = 10;
const PAD = 280;

function bars(network) {
  const classes = classesOf(network);
  const list = element("ol", { class: "probabilities", "aria-label": "Probabilities of the classes" });
  const verdict = element("p", { class: "verdict" });
  const shown = Math.min(classes.length, MOST_BARS);
  const rows = d3.range(shown).map(() => {
    const row = { name: element("span", { class: "name" }), bar: element("span", { class: "share-bar" }), value: element("span", { class: "number" }) };
    list.append(element("li", null, row.name, element("span", { class: "share" }, row.bar), row.value));
    return { ...row, item: list.lastChild };
  });
  let saying = null;
  const draw = () => {
    const run = runCurrent(network);
    list.hidden = !run;
    if (!run) return void fill(verdict, "Draw something to see the network's prediction.");
    const probabilities = [...run.probabilities];
    const order = d3.range(classes.length);
    const top = d3.maxIndex(probabilities);
    // Of few classes each keeps its place while one draws; of many the likeliest are shown.
    const places = classes.length <= MOST_BARS ? order : order.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, shown);
    places.forEach((place, i) => {
      const { name, bar, value, item } = rows[i];
      name.textContent = classes[place];
      name.title = classes[place];
      bar.style.width = `${100 * probabilities[place]}%`;
      value.textContent = percent(probabilities[place], 1);
      item.classList.toggle("likeliest", place === top);
      item.dataset.probability = probabilities[place];
    });
    const { label } = run.image;
    const right = label === undefined || label === null ? null : label === top ? "right" : `wrong: it is ${classes[label]}`;
    fill(verdict, "It sees ", element("strong", null, classes[top]), ` (${percent(probabilities[top], 1)})`, right ? `, ${right}` : "", ".");
    clearTimeout(saying);
    saying = setTimeout(() => verdict.isConnected && say(verdict.textContent), 700);
    return undefined;
  };
  draw();
  onImage(list, draw);
  return [verdict, list];
}

function pad(network, seen) {
  const { view: study } = network;
  const style = drawingStyle(study);
  const canvas = element("canvas", {
    ...{ width: PAD, height: PAD, class: `pad${style ? " drawable" : ""}`, role: "img" },
    "aria-label": style ? "Drawing pad: draw with mouse, finger or pen. By keyboard, choose one of the samples below" : "The image under test",
  });
  const context = canvas.getContext("2d");
  let strokes = [];
  const show = () => {
    const [ground, ink] = style?.dark ? ["#ffffff", "#000000"] : ["#000000", "#ffffff"];
    context.fillStyle = ground;
    context.fillRect(0, 0, PAD, PAD);
    const image = imageOf(study);
    if (strokes.length) {
      context.strokeStyle = ink;
      context.lineWidth = style ? (PAD * style.line * 0.75) / style.extent : 1;
      trace(context, strokes.map((stroke) => stroke.map(([x, y]) => [x * PAD, y * PAD])));
    } else if (image) {
      context.imageSmoothingEnabled = false;
      const scale = PAD / Math.max(image.height, image.width);
      const [width, height] = [image.width * scale, image.height * scale];
      context.drawImage(pictureOf(image), (PAD - width) / 2, (PAD - height) / 2, width, height);
    }
    fill(seen, image ? sized(pictureOf(image, "What the network receives"), 64) : null, image ? element("figcaption", null, image.drawn ? "what the network receives" : image.words) : null);
  };
  onImage(canvas, () => {
    if (!imageOf(study)?.drawn) strokes = [];
    show();
  });
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const update = () => setImage(study, { pixels: imageOfStrokes(strokes, style), height: style.height, width: style.width, channels: 1, drawn: true, words: "your drawing" });
  if (style) {
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      strokes.push([place(event)]);
      update();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId) || !strokes.length) return;
      for (const part of event.getCoalescedEvents?.() ?? [event]) strokes.at(-1).push(place(part));
      update();
    });
  }
  const clear = () => {
    strokes = [];
    setImage(study, null);
  };
  show();
  return { canvas, style, clear };
}

/** Whether a network was trained on the sample images: in folds every image is one that it was trained on in the end. */
function isSeen(network) {
  return network.validation.folds > 1;
}

function samples(network) {
  const { view: study } = network;
  if (!fits(study)) return null;
  const most = Math.min(study.images.samples || study.images.labels.length, 30);
  const button = (place) => {
    const image = albumImage(study, place);
    const words = `Try ${asSample(image, study).words}`;
    return element("button", { type: "button", class: "sample", title: words, "aria-label": words, on: { click: () => setImage(study, asSample(image, study)) } }, sized(pictureOf(image), 32));
  };
  const label = `Sample images of the classes, ${isSeen(network) ? "on which the network was trained" : "not used in training"}`;
  return element("div", { class: "samples", role: "group", "aria-label": label }, d3.range(most).map(button));
}

function opener(network, said, node) {
  const input = element("input", { type: "file", accept: "image/*", class: "unseen", id: "image-file", "aria-label": "Open an image file" });
  const take = async (file) => {
    if (!file) return;
    try {
      const image = await imageOfFile(file, network.view);
      setImage(network.view, { ...image, words: file.name });
      said.textContent = `${file.name}. ${image.how}`;
    } catch (error) {
      said.textContent = `${file.name}: ${error.message}.`;
    }
    say(said.textContent);
  };
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = "";
  });
  node.addEventListener("dragover", (event) => {
    event.preventDefault();
    node.classList.add("over");
  });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  return [input, element("label", { for: "image-file", class: "quiet button" }, "Open an image …")];
}

export const tryTab = {
  name: "try",
  title: "Try it",
  has: (network) => canRun(network),
  make: (network) => {
    const seen = element("figure", { class: "seen" });
    const said = element("p", { class: "note" });
    const { canvas, style, clear } = pad(network, seen);
    const node = element("div", { class: "try" });
    const clearing = style ? element("button", { type: "button", class: "quiet", on: { click: clear } }, "Clear") : null;
    fill(
      node,
      element("div", { class: "try-left" }, canvas, element("div", { class: "try-buttons" }, clearing, opener(network, said, node)), seen),
      element("div", { class: "try-right" }, bars(network)),
    );
    return [
      element("p", { class: "note" }, style ? "Draw on the square, drop an image on it, or choose a sample. No data leaves this page." : "Drop an image on the square, or choose a sample. No data leaves this page."),
      node,
      samples(network),
      isSeen(network) && fits(network.view) ? element("p", { class: "note" }, "The network was trained on these samples. Its accuracy is that of the folds, which had not seen them.") : null,
      said,
      style ? element("p", { class: "note" }, styleWords(style)) : null,
    ];
  },
};
