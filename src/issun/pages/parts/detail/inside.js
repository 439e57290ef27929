// What goes on inside a network: the filters of the first layer, what each layer makes of the image that is being tried, and where its
// features put the images.

import { element, fill, svg } from "../common/element.js";
import { bytesOf } from "../common/encoded.js";
import { COLOURS, markClass, markPath, markPicture } from "../common/marks.js";
import { capital, counted, percent } from "../common/numbers.js";
import { pictureOf, sized, tile } from "../common/pixels.js";
import { classesOf } from "../study/content.js";
import { canRun, onImage, runCurrent } from "../tryit/current.js";

const MOST_CHANNELS = 64;
const MOST_NAMES = 24;

function filters({ filters: given }) {
  if (!given) return null;
  const [count, channels, rows, columns] = given.shape;
  const bytes = new Int8Array(bytesOf(given.data).buffer);
  const area = rows * columns;
  // Of three channels a filter is a colour picture: what it wants to see, in the colours of the image.
  const colour = channels === 3;
  const tiles = d3.range(count).flatMap((i) => {
    const start = i * channels * area;
    if (colour) {
      const pixels = Uint8Array.from({ length: area * 3 }, (_, at) => 127.5 + bytes[start + (at % 3) * area + Math.floor(at / 3)]);
      return [pictureOf({ pixels, height: rows, width: columns, channels: 3 })];
    }
    return d3.range(Math.min(channels, 4)).map((c) => tile((at) => bytes[start + c * area + at], rows, columns, { most: 127, signed: true }));
  });
  const said = `${counted(given.count, "filter")} of ${given.text}, ${rows}x${columns}${count < given.count ? `; the first ${count} are shown` : ""}`;
  return [
    element("h3", null, "Filters of the first layer"),
    element("div", { class: "tiles", role: "img", "aria-label": said }, tiles.map((node) => sized(node, rows > 12 ? 44 : 33))),
    element("p", { class: "note" }, `${said}. `, colour ? "Grey is a weight of 0; colours are positive or negative weights." : "White is a weight of 0, orange is positive, violet is negative."),
  ];
}

const LAYER_SIZES = [[1, 96], [6, 60], [16, 44], [Infinity, 33]];

function layer({ values, shape }, text, number) {
  const [channels, rows, columns] = shape;
  const signed = values.some((value) => value < 0);
  const most = d3.max(values, Math.abs) || 1;
  const area = rows * columns;
  const vector = area === 1;
  const said = `Layer ${number + 1}, ${text}: ${vector ? counted(channels, "number") : `${counted(channels, "map")} of ${rows}x${columns}`}`;
  const wide = Math.min(channels, 32);
  const tiles = vector
    ? [tile((i) => values[i] ?? 0, Math.ceil(channels / wide), wide, { most, signed })]
    : d3.range(Math.min(channels, MOST_CHANNELS)).map((c) => tile((i) => values[c * area + i], rows, columns, { most, signed }));
  const size = vector ? Math.min(380, 14 * wide) : LAYER_SIZES.find(([count]) => channels <= count)[1];
  return element(
    "figure",
    { class: "layer" },
    element("figcaption", null, element("code", null, text), element("span", { class: "pale" }, vector ? ` ${channels}` : ` ${rows}x${columns}x${channels}`, channels > MOST_CHANNELS && !vector ? `, the first ${MOST_CHANNELS}` : "")),
    element("div", { class: "tiles", role: "img", "aria-label": said }, tiles.map((node) => sized(node, size))),
  );
}

function activations(network, detail) {
  const node = element("div", { class: "activations" });
  const draw = () => {
    const run = runCurrent(network);
    if (!run) return fill(node);
    const { image, activations: made } = run;
    const rows = detail.weights.rows;
    const texts = detail.layers.length === rows.length ? detail.layers.map((each) => each.text) : []; // a folded norm in `tied` is a row more
    const shown = rows.map((row, i) => ({ row, i, values: made[i], text: texts[i] ?? row.op })).filter(({ row, values }) => values && row.op !== "drop");
    return fill(
      node,
      element("h3", null, "Activations of one image"),
      element("figure", { class: "layer" }, element("figcaption", null, capital(image.words)), sized(pictureOf(image, image.words), 96)),
      shown.map(({ row, i, values, text }) => layer({ values, shape: row.output }, text, i)),
      element("p", { class: "note" }, "Dark is 0, bright the layer's largest value; where a layer has negative values, white is 0, orange is positive and violet negative. Choose another image in the tab “Try it”."),
    );
  };
  draw();
  onImage(node, draw);
  return node;
}

/** The images in the plane of the features, each a point with the letter of its class, or its colour and shape; nothing where there is none. */
function projection(network, { projection: given }, wide) {
  if (!given) return null;
  const classes = classesOf(network);
  const high = Math.round(0.75 * wide);
  const x = d3.scaleLinear().domain(d3.extent(given.x)).range([14, wide - 14]).nice();
  const y = d3.scaleLinear().domain(d3.extent(given.y)).range([high - 14, 14]).nice();
  const few = classes.length <= COLOURS && classes.every((name) => [...name].length <= 2);
  const said = element("p", { class: "note", "aria-hidden": "true" }, "\u00a0");
  const mark = (label, i) => {
    const [left, top] = [x(given.x[i]), y(given.y[i])];
    return few
      ? svg("text", { class: `letter p${label % COLOURS}`, x: left.toFixed(1), y: top.toFixed(1), dy: "0.34em", "text-anchor": "middle" }, classes[label])
      : svg("path", { class: markClass({ number: label }), d: markPath({ number: label }, left, top, 3.4) });
  };
  const legend = few || classes.length > MOST_NAMES ? null : element("ul", { class: "class-legend" }, classes.map((name, number) => element("li", null, markPicture({ number }), element("span", { class: "name" }, name))));
  const words = `${given.label.length} images in the plane of the first two principal components of ${counted(given.features, "feature")}`;
  const picture = svg("svg", { class: "projection", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": words }, given.label.map(mark));
  const nearest = d3.Delaunay.from(given.label.map((_, i) => [x(given.x[i]), y(given.y[i])]));
  picture.addEventListener("pointermove", (event) => {
    said.textContent = `class ${classes[given.label[nearest.find(...d3.pointer(event, picture))]]}`;
  });
  const share = (given.share ?? []).map((part) => percent(part, 0)).join(" and ");
  return [
    element("h3", null, "Features of the images"),
    picture,
    legend,
    few ? null : said,
    element("p", { class: "note" }, `Images by the ${counted(given.features, "feature")} at the input of “${given.layer}”, projected onto their first two principal components (${share} of the variance). Classes that overlap here may be separate in other directions.`),
  ];
}

export const insideTab = {
  name: "inside",
  title: "Inside",
  has: (network, detail) => Boolean(detail.filters || detail.projection || detail.weights),
  make: (network, detail, width) => [
    filters(detail),
    canRun(network) ? activations(network, detail) : null,
    projection(network, detail, width),
    canRun(network) ? null : element("p", { class: "note" }, "Its weights are not in this page, so its activations cannot be shown."),
  ],
};
