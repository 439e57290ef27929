// The layers of a network, with their shapes and their shares of the parameters.

import { element, scrollable } from "../common/element.js";
import { SPACE, percent, shortCount, whole } from "../common/numbers.js";

function share(part, words) {
  return element(
    "span",
    { class: "share", title: words },
    element("span", { class: "share-bar", style: { width: `${Math.max(part > 0 ? 1 : 0, 100 * part)}%` } }),
  );
}

// What a layer that reads two does with them, by its name in the notation.
const MEETING = {
  add: (source, other) => `adds ${source} and ${other}`,
  concat: (source, other) => `joins ${source} and ${other}`,
  gate: (source, other) => `${source}, gated by ${other}`,
};

function reads({ text, source, other }, number) {
  const of = (index) => (index < 0 ? "the image" : `layer ${index + 1}`);
  if (other !== null && other !== undefined) return ` (${MEETING[text](of(source), of(other))})`;
  return source === number - 1 ? "" : ` (reads ${of(source)})`;
}

const shareText = (part) => (part ? (part < 0.0005 ? `<0.1${SPACE}%` : percent(part, part < 0.1 ? 1 : 0)) : "");

const row = (layer, number) =>
  element(
    "tr",
    null,
    element("td", { class: "number pale" }, number + 1),
    element("th", { scope: "row" }, element("code", null, layer.text), reads(layer, number), layer.frozen && layer.parameters ? element("span", { class: "pale" }, " frozen") : null),
    element("td", { class: "shape" }, layer.shape),
    element("td", { class: "number" }, layer.parameters ? whole(layer.parameters) : ""),
    element("td", { class: "share-cell" }, share(layer.share, "fraction of the parameters"), element("span", { class: "number" }, shareText(layer.share))),
    element("td", { class: "number" }, layer.macs ? shortCount(layer.macs) : ""),
  );

export const layersTab = {
  name: "layers",
  title: "Layers",
  has: (network, detail) => detail.layers?.length > 0,
  make: (network, detail) => {
    const input = network.view.about?.input;
    return [
      scrollable(
        "Layers",
        element(
          "table",
          { class: "layers" },
          element("thead", null, element("tr", null, ["", "layer", "output", "parameters", "share", "MACs"].map((text, i) => element(i ? "th" : "td", i ? { scope: "col", class: i === 3 || i === 5 ? "number" : null } : null, text)))),
          element("tbody", null, detail.layers.map(row)),
          element(
            "tfoot",
            null,
            element("tr", null, element("td"), element("th", { scope: "row" }, "all"), element("td"), element("td", { class: "number" }, whole(network.parameters)), element("td"), element("td", { class: "number" }, shortCount(network.macs))),
          ),
        ),
      ),
      input ? element("p", { class: "note" }, `For images of ${input.join("x")} (height, width, channels).`) : null,
    ];
  },
};
