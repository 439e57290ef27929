// Which families are there? Their names below the chart; a press switches one off, and the answer is sought among the others.
(() => {
  "use strict";

  const FOLDED = 12;
  let open = false;

  function entry(series) {
    const { hidden, content } = page.state;
    const on = !hidden.has(series.key);
    const text = series.label === series.family ? series.family : `${series.label}: ${series.family}`;
    const name = content.studies.length > 1 && page.state.study === null ? `${series.study.name} – ${text}` : text;
    const toggle = () => {
      const next = new Set(hidden);
      if (on) next.add(series.key);
      else next.delete(series.key);
      page.change({ hidden: next });
      page.byId("legend").querySelector(`[data-series="${series.number}"]`)?.focus();
    };
    return page.element(
      "button",
      { type: "button", "aria-pressed": String(on), "data-series": series.number, title: on ? "Press to leave it out" : "Press to bring it back", on: { click: toggle } },
      page.markPicture(series),
      page.element("span", null, name),
    );
  }

  page.listen(["content", "study", "hidden"], () => {
    const all = page.shownSeries();
    const shown = open ? all : all.slice(0, FOLDED);
    const more = page.element("button", { type: "button", class: "quiet small", on: { click: () => ((open = true), page.change({ hidden: page.state.hidden })) } }, `${all.length - FOLDED} more families`);
    page.fill(page.byId("legend"), shown.map(entry), shown.length < all.length ? more : null);
  });
})();
