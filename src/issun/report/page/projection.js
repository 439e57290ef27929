// How does it see the images? Its features in the plane, each image a point in the colour and with the letter of its class.
(() => {
  "use strict";

  const COLOURS = 10;

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
      const at = { x: x(given.x[i]).toFixed(1), y: y(given.y[i]).toFixed(1) };
      const colour = `p${label % COLOURS}`;
      return few
        ? page.svg("text", { class: `letter ${colour}`, ...at, dy: "0.34em", "text-anchor": "middle" }, classes[label])
        : page.svg("circle", { class: `mark c${label % COLOURS}`, cx: at.x, cy: at.y, r: 3.2 });
    };
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
      few ? null : said,
      page.element("p", { class: "note" }, `Validation images by the ${page.counted(given.features, "feature")} that enter “${given.layer}”, in the plane of their first two principal components (${share} of the variance). Classes that overlap here may lie apart in other directions.`),
    ];
  };
})();
