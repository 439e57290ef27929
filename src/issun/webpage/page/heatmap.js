// How do two knobs work together? A grid study as a table whose cells are coloured by accuracy; a press opens the network.
(() => {
  "use strict";

  /** Accuracies as colours: by rank between the worst and the best, from the page's ground to its accent. */
  function grid(study, map, several) {
    const known = map.validation.flat().filter(page.known);
    const errors = d3.extent(known, (value) => Math.log10(Math.max(1 - value, 1e-4)));
    const amount = (value) => (errors[0] === errors[1] ? 0.5 : (errors[1] - Math.log10(Math.max(1 - value, 1e-4))) / (errors[1] - errors[0]));
    const best = d3.max(known);
    const byId = new Map(study.networks.map((network) => [network.id, network]));
    const cell = (value, i, j) => {
      const network = byId.get(map.networks?.[i]?.[j]);
      const place = `${map.x}=${map.columns[j]}, ${map.y}=${map.rows[i]}`;
      if (!page.known(value)) return page.element("td", { class: "none", title: `${place}: ${map.impossible?.[i]?.[j] ? "there is no such network" : "not trained"}` }, map.impossible?.[i]?.[j] ? "×" : "");
      const told = `${place}: ${page.percent(value)}${network?.failed ? ` (${network.failed})` : ""}`;
      const content = page.element("button", { type: "button", title: told, "aria-label": told, on: { click: () => network && page.open(network, "chart") } }, (100 * value).toFixed(1));
      return page.element("td", { class: value === best ? "best" : null, style: page.shaded(amount(value), "--accent") }, content);
    };
    return [
      page.element("p", { class: "note" }, several ? `${study.name}: ` : "", page.element("code", null, map.family), ", mean validation accuracy in per cent; the best is framed.", map.shared ? " Where several networks share a cell it shows the best." : "", study.networks.some((network) => network.failed) ? " Seeds that failed are in the means." : ""),
      page.element(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `Accuracies by ${map.x} and ${map.y}` },
        page.element(
          "table",
          { class: "heat" },
          page.element("thead", null, page.element("tr", null, page.element("td", { class: "corner" }, `${map.y} \\ ${map.x}`), map.columns.map((value) => page.element("th", { scope: "col" }, page.whole(value))))),
          // As on a chart, more stands higher.
          page.element("tbody", null, map.rows.map((value, i) => page.element("tr", null, page.element("th", { scope: "row" }, page.whole(value)), map.validation[i].map((entry, j) => cell(entry, i, j)))).reverse()),
        ),
      ),
    ];
  }

  page.listen(["content", "study", "theme"], () => {
    const section = page.byId("heatmap");
    const studies = page.shownStudies().filter((study) => study.heatmap?.validation?.length);
    section.hidden = !studies.length;
    page.fill(section, page.element("h2", { id: "heatmap-title" }, "Knob by knob"), studies.map((study) => grid(study, study.heatmap, studies.length > 1)));
  });
})();
