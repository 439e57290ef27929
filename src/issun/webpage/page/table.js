// All networks, in a table: sorted by a press on a column's name, filtered by words, copied for a spreadsheet.
(() => {
  "use strict";

  const FIRST = 50;
  const accuracy = (part, key = "mean") => (network) => network[part]?.[key] ?? null;

  const COLUMNS = [
    { key: "name", title: "network", value: (network) => `${network.label} ${network.network}` },
    { key: "parameters", title: "parameters", value: (n) => n.parameters, text: page.whole },
    { key: "macs", title: "MACs", value: (n) => n.macs, text: page.shortCount },
    { key: "bytes", title: "bytes", value: (n) => n.bytes, text: page.bytes },
    { key: "seconds", title: "time", value: (n) => n.seconds, text: page.duration, name: "seconds to train with one seed" },
    { key: "validation", title: "validation", value: accuracy("validation"), show: (n) => page.meanText(n.validation.mean, n.validation.sd) + (n.failed ? ` (${n.failed})` : ""), first: "descending" },
    { key: "low", title: "at least", value: accuracy("validation", "low"), text: (v) => page.percent(v), first: "descending", name: "lower 95 % bound of the validation accuracy" },
    { key: "test", title: "test", value: (n) => testOf(n)?.mean ?? null, show: (n) => (testOf(n) ? page.meanText(n.test.mean, n.test.sd) : ""), first: "descending", name: "test accuracy, shown of what an answer can choose" },
  ];

  // What the table looks like now: kept when the page is drawn again.
  const view = { key: "parameters", order: "ascending", words: "", frontierOnly: false, most: FIRST };
  let body, count, more, heads;

  const searched = (network) => `${network.study.name} ${network.label} ${network.network} ${page.knobsText(network.knobs)}`.toLowerCase();

  function rows() {
    const words = view.words.toLowerCase().split(/\s+/).filter(Boolean);
    const onFrontier = view.frontierOnly ? new Set(page.shownStudies().flatMap((study) => page.choose.frontier(page.networksOf(study), page.state.size))) : null;
    const { value } = COLUMNS.find(({ key }) => key === view.key);
    const sign = view.order === "ascending" ? 1 : -1;
    const found = page.shownNetworks().filter((network) => (!onFrontier || onFrontier.has(network)) && words.every((word) => searched(network).includes(word)));
    // What has no value stands last, whichever way the table is sorted.
    const missing = (v) => v === null || v === undefined;
    return found.sort((a, b) => {
      const [first, second] = [value(a), value(b)];
      if (missing(first) || missing(second)) return missing(first) - missing(second);
      return sign * (typeof first === "string" ? first.localeCompare(second, "en", { numeric: true }) : first - second);
    });
  }

  function row(network) {
    const chosen = network === page.state.chosen;
    const several = page.shownStudies().length > 1;
    const open = () => page.open(network, "table");
    return page.element(
      "tr",
      { class: chosen ? "chosen" : null, "data-id": network.key, on: { click: (event) => event.target.closest("button") || open() } },
      page.element(
        "th",
        { scope: "row" },
        page.element("button", { type: "button", class: "network-name", title: network.network, "aria-current": chosen ? "true" : null, on: { click: open } }, page.markPicture(network.series), page.element("span", null, several ? `${network.study.name}: ` : "", page.nameOf(network))),
      ),
      COLUMNS.slice(1).map((column) => page.element("td", { class: "number" }, column.show ? column.show(network) : column.text(column.value(network)))),
    );
  }

  function drawRows() {
    if (!body) return;
    const all = rows();
    const shown = all.slice(0, view.most);
    page.fill(body, shown.map(row));
    if (!all.length) page.fill(body, page.element("tr", null, page.element("td", { colspan: COLUMNS.length, class: "pale" }, "No network fits these words.")));
    count.textContent = `${page.counted(all.length, "network")}${shown.length < all.length ? `, the first ${page.whole(shown.length)} shown` : ""}`;
    more.hidden = shown.length >= all.length;
    for (const { key, head } of heads) page.dress(head, { "aria-sort": key === view.key ? view.order : "none" });
  }

  function sortBy({ key, first = "ascending" }) {
    const other = view.order === "ascending" ? "descending" : "ascending";
    view.order = key === view.key ? other : first;
    view.key = key;
    drawRows();
  }

  const quoted = (value) => {
    if (value === null || value === undefined) return "";
    // A cell that begins like a formula would be run by a spreadsheet.
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  /** What the table shows, all of its rows, as CSV: exact numbers, fractions for accuracies. */
  page.csv = () => {
    const names = ["study", "label", "family", "network", "knobs", "parameters", "trained", "macs", "bytes", "peak_memory", "seconds", "seeds", "diverged", "chance", "validation", "validation_sd", "lower", "test", "test_sd"];
    const line = (n) => [n.study.name, n.label, n.family, n.network, page.knobsText(n.knobs), n.parameters, n.trained, n.macs, n.bytes, n.peak_memory, n.seconds, n.validation.n, n.diverged, n.chance, n.validation.mean, n.validation.sd, n.validation.low, n.test?.mean, n.test?.sd];
    return [names, ...rows().map(line)].map((cells) => cells.map(quoted).join(",")).join("\r\n") + "\r\n";
  };

  // Of a study that watched its test part both columns would say the same.
  const testOf = (network) => (page.onTest(network.study) ? null : network.test);

  page.startTable = () => {
    body = page.element("tbody");
    count = page.element("p", { class: "note", role: "status" });
    heads = COLUMNS.map((column) => ({
      key: column.key,
      head: page.element("th", { scope: "col", class: column.key === "name" ? null : "number" }, page.element("button", { type: "button", class: "sort", title: column.name ?? null, on: { click: () => sortBy(column) } }, column.title)),
    }));
    const words = page.element("input", { type: "search", id: "words", placeholder: "conv n=4", autocomplete: "off", on: { input: (event) => ((view.words = event.target.value), (view.most = FIRST), drawRows()) } });
    const only = page.element("input", { type: "checkbox", on: { change: (event) => ((view.frontierOnly = event.target.checked), (view.most = FIRST), drawRows()) } });
    const copy = page.element("button", { type: "button", class: "quiet", id: "copy-csv", on: { click: () => page.copy(page.csv(), copy) } }, "Copy as CSV");
    more = page.element("button", { type: "button", class: "quiet small", on: { click: () => ((view.most += 500), drawRows()) } }, "Show more");
    page.fill(
      page.byId("networks"),
      page.element("h2", { id: "networks-title" }, "All networks"),
      page.element("div", { class: "bar tools" }, page.element("label", { class: "field" }, "Filter ", words), page.element("label", { class: "field" }, only, " frontier only"), copy),
      page.element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The table, to be scrolled" }, page.element("table", { class: "networks" }, page.element("thead", null, page.element("tr", null, heads.map(({ head }) => head))), body)),
      page.element("div", { class: "bar" }, count, more),
    );
    page.listen(["content", "study", "hidden"], drawRows);
    page.listen(["size"], () => view.frontierOnly && drawRows());
    page.listen(["chosen"], () => {
      for (const node of body.querySelectorAll("tr")) {
        const chosen = node.dataset.id === page.state.chosen?.key;
        node.classList.toggle("chosen", chosen);
        const button = node.querySelector("button");
        if (chosen) button?.setAttribute("aria-current", "true");
        else button?.removeAttribute("aria-current");
      }
    });
  };
})();
