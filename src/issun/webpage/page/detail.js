// What is this network? Its page beside the chart: its sizes, what it reaches, and tabs for all the rest.
(() => {
  "use strict";

  // Each part of the page puts itself in: name, title, `make(network, detail)` and whether there is anything to show.
  const tabs = [];
  const ORDER = ["try", "layers", "training", "mistakes", "inside"];
  page.addTab = (tab) => {
    tabs.push(tab);
    tabs.sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
  };

  page.detailOf = (network) => (network.detail === null || network.detail === undefined ? null : network.study.details[network.detail]);

  page.classesOf = (network) => network.study.about?.classes ?? [];

  let wanted = "try";

  const figure = (name, value, more) =>
    page.element("div", null, page.element("dt", null, name), page.element("dd", null, value, more ? page.element("small", null, more) : null));

  function figures(network) {
    const { validation, test } = network;
    const seeds = `${page.counted(validation.n, "seed")}${validation.n > 1 ? `, best ${network.best_seed}` : ""}`;
    return page.element(
      "dl",
      { class: "figures" },
      figure(page.onTest(network.study) ? "Test, as published" : "Validation", page.meanText(validation.mean, validation.sd), validation.low === null ? seeds : `${seeds}; at least ${page.percent(validation.low, 1)}`),
      test && !page.onTest(network.study) ? figure("Test", page.meanText(test.mean, test.sd), "measured once, at the end") : null,
      figure("Parameters", page.whole(network.parameters), network.trained === network.parameters ? "all trained" : `${page.whole(network.trained)} trained`),
      figure("MACs", page.whole(network.macs), "for one image"),
      figure("Weights", page.bytes(network.bytes), "as float32"),
      figure("Memory", page.bytes(network.peak_memory), "at work, one image"),
    );
  }

  function head(network) {
    const back = { chart: ["chart-title", "Back to the chart"], table: ["networks-title", "Back to the table"], answer: ["answer", "Back to the answer"] }[page.state.from];
    const answer = page.answerNetwork();
    const leave = () => {
      page.byId(back[0]).scrollIntoView({ behavior: page.calm() ? "auto" : "smooth" });
    };
    const knobs = page.knobsText(network.knobs);
    const named = network.label !== network.family;
    return page.element(
      "header",
      null,
      page.element(
        "p",
        { class: "tag-line" },
        network === answer ? page.element("span", { class: "tag" }, "The answer") : null,
        network !== answer && answer ? page.element("button", { type: "button", class: "link", on: { click: () => page.change({ chosen: answer, pinned: false, from: null }) } }, "Show the answer's network") : null,
        back ? page.element("button", { type: "button", class: "link narrow-only", on: { click: leave } }, back[1]) : null,
      ),
      page.element("h2", null, page.markPicture(network.series, 18), page.nameOf(network)),
      named || knobs ? page.element("p", { class: "notation" }, named ? network.network : `${network.family}, ${knobs}`) : null,
      page.state.content.studies.length > 1 ? page.element("p", { class: "pale" }, `Study: ${network.study.name}`) : null,
      figures(network),
      network.failed ? page.element("p", { class: "warning" }, `${network.failed}. Those that failed count in the mean as they are.`) : null,
      network.beats_guessing === false ? page.element("p", { class: "warning" }, `It does not beat guessing: naming always the most frequent class gives ${page.percent(network.guessing)}.`) : null,
    );
  }

  function tabBar(present, current, show) {
    const bar = page.element("div", { class: "tabs", role: "tablist", "aria-label": "Parts of this network's page" });
    for (const tab of present) {
      const on = tab === current;
      bar.append(
        page.element(
          "button",
          { type: "button", role: "tab", id: `tab-${tab.name}`, "aria-selected": String(on), "aria-controls": "tab-panel", tabindex: on ? 0 : -1, on: { click: () => show(tab, true) } },
          tab.title,
        ),
      );
    }
    bar.addEventListener("keydown", (event) => {
      const to = { ArrowRight: present.indexOf(current) + 1, ArrowLeft: present.indexOf(current) - 1, Home: 0, End: present.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      show(present[(to + present.length) % present.length], true);
    });
    return bar;
  }

  function draw() {
    const aside = page.byId("network");
    const network = page.state.chosen;
    if (!network) {
      page.fill(aside, page.element("p", { class: "pale" }, "No network has been measured yet."));
      return;
    }
    const detail = page.detailOf(network);
    const present = detail ? tabs.filter((tab) => tab.has(network, detail)) : [];
    const body = page.element("div");
    const show = (tab, asked) => {
      if (asked) wanted = tab.name;
      const panel = page.element("div", { class: "panel", role: "tabpanel", id: "tab-panel", "aria-labelledby": `tab-${tab.name}`, tabindex: 0 });
      page.fill(body, tabBar(present, tab, show), panel);
      page.fill(panel, tab.make(network, detail));
      if (asked) body.querySelector('[aria-selected="true"]').focus({ preventScroll: true });
    };
    page.fill(aside, head(network), body);
    if (present.length) show(present.find((tab) => tab.name === wanted) ?? present[0], false);
    else page.fill(body, page.element("p", { class: "pale" }, "This network's own page is not in this report: the study is large, and it is none of those that an answer chooses."));
  }

  /** How many pixels a picture in the panel has from side to side: pictures are drawn that large, so that their text keeps its size. */
  page.panelWidth = () => {
    const aside = page.byId("network");
    const styles = getComputedStyle(aside);
    return Math.max(240, Math.floor(aside.clientWidth - parseFloat(styles.paddingLeft) - parseFloat(styles.paddingRight)));
  };

  let width = null;
  new ResizeObserver(() => {
    const changed = width !== null && width !== page.panelWidth();
    width = page.panelWidth();
    if (changed && ["training", "inside"].includes(document.querySelector('#network [aria-selected="true"]')?.id.slice(4))) draw();
  }).observe(page.byId("network"));

  // On paper there is nothing to press: every part stands below the other.
  addEventListener("beforeprint", () => {
    const network = page.state.chosen;
    const detail = network && page.detailOf(network);
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    if (!detail) return;
    const parts = tabs.filter((tab) => tab.name !== "try" && tab.has(network, detail));
    page.fill(page.byId("network"), head(network), parts.map((tab) => [page.element("h3", null, tab.title), page.element("div", { class: "panel" }, tab.make(network, detail))]));
  });
  addEventListener("afterprint", draw);

  // While a study grows, a page that says the same stays as it is: somebody may be drawing on it.
  let told = "";
  function same() {
    const network = page.state.chosen;
    const before = told;
    told = network ? JSON.stringify([network.key, page.detailOf(network), network.validation, network.test]) : "";
    return told && told === before;
  }

  page.listen(["chosen", "content", "theme"], (changed) => {
    const stays = same() && changed.has("content") && !changed.has("theme") && page.byId("network").querySelector("header");
    if (stays) page.byId("network").querySelector("header").replaceWith(head(page.state.chosen));
    else draw();
    const { from, pinned, chosen } = page.state;
    if (!pinned || !from || !changed.has("chosen")) return;
    page.say(`The page of ${page.nameOf(chosen)} is open`);
    // Where the page stands below the chart, it comes to whoever asked for it.
    if (matchMedia("(max-width: 1099px)").matches) {
      page.byId("network").focus({ preventScroll: true });
      page.byId("network").scrollIntoView({ behavior: page.calm() ? "auto" : "smooth" });
    }
  });
  // Whether it is the answer may change while it stays open.
  page.listen(["target", "budgets", "size", "hidden"], (changed) => {
    if (changed.has("chosen") || !page.state.chosen) return;
    page.byId("network").querySelector("header")?.replaceWith(head(page.state.chosen));
  });
})();
