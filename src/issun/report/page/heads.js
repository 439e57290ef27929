// What do features and classifiers reach together? The table of a feature study, with bars; one record a line, whatever it holds.
(() => {
  "use strict";

  const isMean = (value) => value !== null && typeof value === "object" && "mean" in value;

  function shown(value, name) {
    if (isMean(value)) {
      return page.element("span", { class: "head-value" }, page.element("span", { class: "share" }, page.element("span", { class: "share-bar", style: { width: `${100 * (value.mean ?? 0)}%` } })), page.element("span", { class: "number" }, page.meanText(value.mean, value.sd)));
    }
    if (value === null || value === undefined) return "–";
    if (typeof value === "number") return name === "seconds" ? page.duration(value) : page.known(value) && value % 1 ? String(+value.toPrecision(4)) : page.whole(value);
    return typeof value === "object" ? page.knobsText(value) : String(value);
  }

  function table(study, several) {
    const records = [...study.heads];
    const names = [...new Set(records.flatMap(Object.keys))].filter((name) => name !== "id" && name !== "trials");
    const measured = names.find((name) => isMean(records[0][name]));
    if (measured) records.sort((a, b) => (b[measured]?.mean ?? 0) - (a[measured]?.mean ?? 0));
    const numeric = (name) => typeof records[0][name] === "number";
    return [
      several ? page.element("p", { class: "note" }, study.name) : null,
      page.element(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Features and heads" },
        page.element(
          "table",
          { class: "heads" },
          page.element("thead", null, page.element("tr", null, names.map((name) => page.element("th", { scope: "col", class: numeric(name) ? "number" : null }, name.replaceAll("_", " "))))),
          page.element("tbody", null, records.map((record) => page.element("tr", null, names.map((name) => page.element("td", { class: numeric(name) ? "number" : null }, shown(record[name], name)))))),
        ),
      ),
    ];
  }

  page.listen(["content", "study"], () => {
    const section = page.byId("heads");
    const studies = page.shownStudies().filter((study) => study.heads?.length);
    section.hidden = !studies.length;
    page.fill(section, page.element("h2", { id: "heads-title" }, "Features and heads"), studies.map((study) => table(study, studies.length > 1)));
  });
})();
