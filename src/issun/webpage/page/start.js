// The page begins: its content is read, every part draws itself.
(() => {
  "use strict";

  /** Target and budgets that were asked for when the page was made; of several studies, those that all have. */
  page.askedOf = (content) => {
    const same = (name) => {
      const values = new Set(content.studies.map((study) => study[name] ?? null));
      return values.size === 1 ? [...values][0] : null;
    };
    const names = { parameters: "max_params", macs: "max_macs", bytes: "max_bytes", peak_memory: "max_memory" };
    const budgets = Object.fromEntries(Object.entries(names).map(([size, name]) => [size, same(name)]).filter(([, value]) => value !== null));
    return { target: same("target"), budgets };
  };

  function told(content) {
    const data = [...new Set(content.studies.map((study) => study.data))].join(", ");
    const trials = d3.sum(content.studies.flatMap((study) => study.networks), (network) => network.trials?.length ?? network.validation.n);
    const networks = d3.sum(content.studies, (study) => study.networks.length);
    page.byId("about-line").textContent = `${data} · ${page.counted(networks, "network")} · ${page.counted(trials, "trial")}`;
    page.byId("foot").textContent = `Made with issun ${content.issun}. This page holds all it shows and asks the network for nothing.`;
    document.title = `${content.title} – issun`;
  }

  const content = page.takeIn(JSON.parse(page.byId("content").textContent));
  const asked = page.askedOf(content);
  page.startTheme();
  page.state.content = content;
  page.startTable();
  page.startChart();
  page.listen(["content"], () => told(page.state.content));
  page.change({ content, asked, ...asked });
  page.startLive();
})();
