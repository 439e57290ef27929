// Where do the parameters lie? The layers of a network, with shapes and shares.
(() => {
  "use strict";

  function share(part, words) {
    return page.element(
      "span",
      { class: "share", title: words },
      page.element("span", { class: "share-bar", style: { width: `${Math.max(part > 0 ? 1 : 0, 100 * part)}%` } }),
    );
  }

  function reads({ source, other }, number) {
    const of = (index) => (index < 0 ? "the image" : `layer ${index + 1}`);
    if (other !== null && other !== undefined) return ` (adds ${of(source)} and ${of(other)})`;
    return source === number - 1 ? "" : ` (reads ${of(source)})`;
  }

  const percent = (part) => (part ? (part < 0.0005 ? "<0.1\u00a0%" : page.percent(part, part < 0.1 ? 1 : 0)) : "");

  const row = (layer, number) =>
    page.element(
      "tr",
      null,
      page.element("td", { class: "number pale" }, number + 1),
      page.element("th", { scope: "row" }, page.element("code", null, layer.text), reads(layer, number), layer.frozen && layer.parameters ? page.element("span", { class: "pale" }, " frozen") : null),
      page.element("td", { class: "shape" }, layer.shape),
      page.element("td", { class: "number" }, layer.parameters ? page.whole(layer.parameters) : ""),
      page.element("td", { class: "share-cell" }, share(layer.share, "share of the parameters"), page.element("span", { class: "number" }, percent(layer.share))),
      page.element("td", { class: "number" }, layer.macs ? page.shortCount(layer.macs) : ""),
    );

  page.addTab({
    name: "layers",
    title: "Layers",
    has: (network, detail) => detail.layers?.length > 0,
    make: (network, detail) => {
      const input = network.study.about?.input;
      return [
        page.element(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": "Layers" },
          page.element(
            "table",
            { class: "layers" },
            page.element("thead", null, page.element("tr", null, ["", "layer", "output", "parameters", "share", "MACs"].map((text, i) => page.element(i ? "th" : "td", i ? { scope: "col", class: i === 3 || i === 5 ? "number" : null } : null, text)))),
            page.element("tbody", null, detail.layers.map(row)),
            page.element(
              "tfoot",
              null,
              page.element("tr", null, page.element("td"), page.element("th", { scope: "row" }, "all"), page.element("td"), page.element("td", { class: "number" }, page.whole(network.parameters)), page.element("td"), page.element("td", { class: "number" }, page.shortCount(network.macs))),
            ),
          ),
        ),
        input ? page.element("p", { class: "note" }, `For images of ${input.join("x")} (height, width, channels).`) : null,
      ];
    },
  });
})();
