// What goes on inside? The filters of the first layer, and what each layer makes of the image that is being tried.
(() => {
  "use strict";

  const MOST_CHANNELS = 64;

  function filters({ filters: given }) {
    if (!given) return null;
    const [count, channels, rows, columns] = given.shape;
    const bytes = new Int8Array(page.bytesOf(given.data).buffer);
    const area = rows * columns;
    // Of three channels a filter is a colour picture: what it wants to see, in the colours of the image.
    const colour = channels === 3;
    const tiles = d3.range(count).flatMap((i) => {
      const start = i * channels * area;
      if (colour) {
        const pixels = Uint8Array.from({ length: area * 3 }, (_, at) => 127.5 + bytes[start + (at % 3) * area + Math.floor(at / 3)]);
        return [page.picture({ pixels, height: rows, width: columns, channels: 3 })];
      }
      return d3.range(Math.min(channels, 4)).map((c) => page.tile((at) => bytes[start + c * area + at], rows, columns, { most: 127, signed: true }));
    });
    const said = `${page.counted(given.count, "filter")} of ${given.text}, ${rows}x${columns}${count < given.count ? `; the first ${count} are shown` : ""}`;
    return [
      page.element("h3", null, "What it looks for first"),
      page.element("div", { class: "tiles", role: "img", "aria-label": said }, tiles.map((tile) => page.sized(tile, rows > 12 ? 44 : 33))),
      page.element("p", { class: "note" }, `${said}. `, colour ? "Grey is a weight of 0; colours are what it adds up, or takes away." : "White is 0, orange a weight above it, violet one below."),
    ];
  }

  const LAYER_SIZES = [[1, 96], [6, 60], [16, 44], [Infinity, 33]];

  function layer({ values, shape }, text, number) {
    const [channels, rows, columns] = shape;
    const signed = values.some((value) => value < 0);
    const most = d3.max(values, Math.abs) || 1;
    const area = rows * columns;
    const vector = area === 1;
    const said = `Layer ${number + 1}, ${text}: ${vector ? page.counted(channels, "number") : `${page.counted(channels, "map")} of ${rows}x${columns}`}`;
    const wide = Math.min(channels, 32);
    const tiles = vector
      ? [page.tile((i) => values[i] ?? 0, Math.ceil(channels / wide), wide, { most, signed })]
      : d3.range(Math.min(channels, MOST_CHANNELS)).map((c) => page.tile((i) => values[c * area + i], rows, columns, { most, signed }));
    const size = vector ? Math.min(380, 14 * wide) : LAYER_SIZES.find(([count]) => channels <= count)[1];
    return page.element(
      "figure",
      { class: "layer" },
      page.element("figcaption", null, page.element("code", null, text), page.element("span", { class: "pale" }, vector ? ` ${channels}` : ` ${rows}x${columns}x${channels}`, channels > MOST_CHANNELS && !vector ? `, the first ${MOST_CHANNELS}` : "")),
      page.element("div", { class: "tiles", role: "img", "aria-label": said }, tiles.map((tile) => page.sized(tile, size))),
    );
  }

  function activations(network, detail) {
    const node = page.element("div", { class: "activations" });
    const draw = () => {
      const run = page.runCurrent(network);
      if (!run) return page.fill(node);
      const { image, activations: made } = run;
      const shown = detail.weights.rows.map((row, i) => ({ row, i, values: made[i], text: detail.layers[i]?.text ?? row.op })).filter(({ row, values }) => values && row.op !== "drop");
      return page.fill(
        node,
        page.element("h3", null, "An image on its way through"),
        page.element("figure", { class: "layer" }, page.element("figcaption", null, image.words[0].toUpperCase() + image.words.slice(1)), page.sized(page.picture(image, image.words), 96)),
        shown.map(({ row, i, values, text }) => layer({ values, shape: row.output }, text, i)),
        page.element("p", { class: "note" }, "Dark is 0, bright the layer's largest number; where a layer has numbers below 0, white is 0, orange above and violet below. Another image: the tab “Try it”."),
      );
    };
    draw();
    page.onImage(node, draw);
    return node;
  }

  page.addTab({
    name: "inside",
    title: "Inside",
    has: (network, detail) => Boolean(detail.filters || detail.projection || detail.weights),
    make: (network, detail) => [
      filters(detail),
      page.canRun(network) ? activations(network, detail) : null,
      page.projection(network, detail),
      page.canRun(network) ? null : page.element("p", { class: "note" }, "Its weights are not in this page, so no image can be followed through it here."),
    ],
  });
})();
