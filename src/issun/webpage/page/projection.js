// How does it see the images? Its features in the plane, each image a point with the letter of its class, or its colour and shape.
(() => {
  "use strict";

  const COLOURS = 10;
  const MOST_NAMES = 24;

  /** A plane of images, or nothing. */
  page.projection = (network, { projection: given }) => {
    if (!given) return null;
    const classes = page.classesOf(network);
    const [wide, high] = [page.panelWidth(), Math.round(0.75 * page.panelWidth())];
    const x = d3.scaleLinear().domain(d3.extent(given.x)).range([14, wide - 14]).nice();
    const y = d3.scaleLinear().domain(d3.extent(given.y)).range([high - 14, 14]).nice();
    const few = classes.length <= COLOURS && classes.every((name) => [...name].length <= 2);
    const said = page.element("p", { class: "note", "aria-hidden": "true" }, "\u00a0");
    const mark = (label, i) => {
      const [left, top] = [x(given.x[i]), y(given.y[i])];
      return few
        ? page.svg("text", { class: `letter p${label % COLOURS}`, x: left.toFixed(1), y: top.toFixed(1), dy: "0.34em", "text-anchor": "middle" }, classes[label])
        : page.svg("path", { class: page.markClass({ number: label }), d: page.markPath({ number: label }, left, top, 3.4) });
    };
    const legend = few || classes.length > MOST_NAMES ? null : page.element("ul", { class: "class-legend" }, classes.map((name, number) => page.element("li", null, page.markPicture({ number }), page.element("span", { class: "name" }, name))));
    const words = `${given.label.length} images in the plane of the first two principal components of ${page.counted(given.features, "feature")}`;
    const picture = page.svg("svg", { class: "projection", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": words }, given.label.map(mark));
    const nearest = d3.Delaunay.from(given.label.map((_, i) => [x(given.x[i]), y(given.y[i])]));
    picture.addEventListener("pointermove", (event) => {
      said.textContent = `class ${classes[given.label[nearest.find(...d3.pointer(event, picture))]]}`;
    });
    const share = (given.share ?? []).map((part) => page.percent(part, 0)).join(" and ");
    return [
      page.element("h3", null, "How it sees the images"),
      picture,
      legend,
      few ? null : said,
      page.element("p", { class: "note" }, `Images by the ${page.counted(given.features, "feature")} that enter “${given.layer}”, in the plane of their first two principal components (${share} of the variance). Classes that overlap here may lie apart in other directions.`),
    ];
  };
})();
