// What does it get wrong? The surest mistakes, the table of what is taken for what, and the figures of each class.
(() => {
  "use strict";

  const MOST_CELLS = 20;

  function mistakes(network, detail) {
    const { study } = network;
    const classes = page.classesOf(network);
    const shown = (detail.mistakes ?? []).map((mistake) => ({ ...mistake, album: page.albumImage(study, mistake.image) })).filter(({ album }) => album);
    if (!shown.length) return null;
    const card = ({ album, true: right, predicted, probability }) => {
      const words = `${classes[right]}, taken for ${classes[predicted]} with ${page.percent(probability, 0)}`;
      return page.element(
        "li",
        null,
        page.element(
          "button",
          { type: "button", title: `${words}: press to try it`, "aria-label": `${words}. Press to try it`, on: { click: () => page.tryImage(album, network) } },
          page.sized(page.picture(album), 56),
          page.element("span", { class: "taken" }, page.element("span", { class: "name" }, classes[right]), " → ", page.element("span", { class: "name wrong" }, classes[predicted])),
          page.element("span", { class: "pale" }, page.percent(probability, 0)),
        ),
      );
    };
    return [
      page.element("h3", null, "Surest mistakes"),
      page.element("p", { class: "note" }, "The true class → what it was taken for, and with how much confidence."),
      page.element("ul", { class: "mistakes" }, shown.map(card)),
    ];
  }

  function confused({ confused: pairs }) {
    if (!pairs?.length) return null;
    return page.element("p", { class: "note" }, "Most often confused: ", pairs.map(([first, second, images], i) => [i ? ", " : "", `${first} with ${second} (${images})`]), ".");
  }

  // How dark a cell is: the part of its true class that lies in it.
  const part = (matrix, i, j) => matrix[i][j] / (d3.sum(matrix[i]) || 1);

  function smallMatrix(matrix, classes) {
    const cell = (count, i, j) => {
      const amount = part(matrix, i, j);
      return page.element(
        "td",
        { class: count ? null : "none", style: count ? page.shaded(i === j ? 0.25 + 0.75 * amount : 0.2 + 0.8 * Math.sqrt(amount), i === j ? "--accent" : "--c1") : {}, title: `${classes[i]} taken for ${classes[j]}: ${count}` },
        count || "",
      );
    };
    const name = (text) => page.element("span", { class: "name" }, text);
    return page.element(
      "table",
      { class: "confusion" },
      page.element("thead", null, page.element("tr", null, page.element("td", { class: "corner" }, "true \\ said"), classes.map((text) => page.element("th", { scope: "col", title: text }, name(text))))),
      page.element("tbody", null, matrix.map((line, i) => page.element("tr", null, page.element("th", { scope: "row", title: classes[i] }, name(classes[i])), line.map((count, j) => cell(count, i, j))))),
    );
  }

  function largeMatrix(matrix, classes) {
    const size = classes.length;
    const picture = page.tile((i) => Math.sqrt(part(matrix, Math.floor(i / size), i % size)), size, size, { most: 1, words: `Confusion matrix of ${size} classes: rows are true, columns what was said` });
    page.dress(picture, { class: "pixels wide", style: { width: "100%", "aspect-ratio": "1" } });
    const said = page.element("p", { class: "note", "aria-hidden": "true" }, "Rows are the true classes, columns what was said; point at a cell.");
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      const [i, j] = [Math.floor(((event.clientY - box.top) / box.height) * size), Math.floor(((event.clientX - box.left) / box.width) * size)];
      if (matrix[i]?.[j] !== undefined) said.textContent = `${classes[i]} taken for ${classes[j]}: ${matrix[i][j]}`;
    });
    return [picture, said];
  }

  function perClass(lines) {
    const bar = (value) => page.element("td", { class: "share-cell" }, page.element("span", { class: "share" }, page.element("span", { class: "share-bar", style: { width: `${100 * (value ?? 0)}%` } })), page.element("span", { class: "number" }, page.percent(value, 1)));
    return page.element(
      "table",
      { class: "classes" },
      page.element("thead", null, page.element("tr", null, ["class", "found (recall)", "right when said (precision)", "F1", "images"].map((text, i) => page.element("th", { scope: "col", class: i > 2 ? "number" : null }, text)))),
      page.element("tbody", null, lines.map((line) => page.element("tr", null, page.element("th", { scope: "row", title: line.name }, page.element("span", { class: "name" }, line.name)), bar(line.recall), bar(line.precision), page.element("td", { class: "number" }, page.percent(line.f1, 1)), page.element("td", { class: "number" }, page.whole(line.images))))),
    );
  }

  const region = (words, content) => page.element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words }, content);

  page.addTab({
    name: "mistakes",
    title: "Mistakes",
    has: (network, detail) => Boolean(detail.mistakes?.length || detail.confusion || detail.per_class?.length),
    make: (network, detail) => {
      const classes = page.classesOf(network);
      const matrix = detail.confusion;
      return [
        mistakes(network, detail),
        matrix ? page.element("h3", null, "What is taken for what") : null,
        confused(detail),
        matrix ? (classes.length <= MOST_CELLS ? region("Confusion matrix", smallMatrix(matrix, classes)) : largeMatrix(matrix, classes)) : null,
        detail.per_class?.length ? [page.element("h3", null, "Class by class"), region("Figures of each class", perClass(detail.per_class))] : null,
        page.element("p", { class: "note" }, `On the ${page.onTest(network.study) ? "test part, as published" : "validation part"}, seed ${network.best_seed}.`),
      ];
    },
  });
})();
