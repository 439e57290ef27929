// What is being looked at? One record that every part of the page reads, and a way to be told when it changes.
(() => {
  "use strict";

  const listeners = [];

  page.state = {
    content: null, // as Python wrote it
    study: null, // number of the study that is shown, null: all of them
    size: "parameters", // what accuracy is drawn against
    target: null, // a fraction; null: within 1 % of the best
    budgets: {}, // the most of each size
    asked: {}, // target and budgets of the command that made the page
    hidden: new Set(), // series that are switched off
    chosen: null, // the network whose page is open
    theme: "auto", // as the system, light or dark
    pinned: false, // whether a person chose it, and not the answer
  };

  /** Call a function with what changed, a set of names, each time any of `names` does. */
  page.listen = (names, listener) => listeners.push([names, listener]);

  page.change = (changes) => {
    const changed = new Set(Object.keys(changes));
    Object.assign(page.state, changes);
    for (const [names, listener] of listeners) if (names.some((name) => changed.has(name))) listener(changed);
  };

  /** Take in a content: number its studies, networks and series (a family within a study). */
  page.takeIn = (content) => {
    const seriesByKey = new Map();
    content.studies.forEach((study, number) => {
      study.number = number;
      study.networks.forEach((network, place) => {
        const key = `${number} ${network.label}`;
        if (!seriesByKey.has(key)) {
          seriesByKey.set(key, { key, study, number: seriesByKey.size, label: network.label, family: network.family, networks: [] });
        }
        const series = seriesByKey.get(key);
        series.networks.push(network);
        Object.assign(network, { study, place, series, key: `${number} ${network.id}` });
      });
    });
    content.series = [...seriesByKey.values()];
    return content;
  };

  page.shownStudies = () => page.state.content.studies.filter((study) => page.state.study === null || page.state.study === study.number);

  page.shownSeries = () => page.state.content.series.filter((series) => page.state.study === null || page.state.study === series.study.number);

  /** The networks of a study that are not switched off. */
  page.networksOf = (study) => study.networks.filter((network) => !page.state.hidden.has(network.series.key));

  page.shownNetworks = () => page.shownStudies().flatMap(page.networksOf);

  /** The accuracy that is asked of a study, and whether that is "within 1 % of the best", the study's own. */
  page.target = (study) => {
    if (page.state.target !== null) return { value: page.state.target, own: false };
    return { value: page.choose.defaultTarget(page.networksOf(study)), own: true };
  };

  /** Where the line stands: at what is asked, before that at what is asked of the first study. */
  page.line = () => {
    const targets = page.shownStudies().map(page.target).filter(({ value }) => value !== null);
    return targets[0] ?? { value: null, own: true };
  };

  /** Whether a study watched its test part, as what it repeats once did: then its figures are no validation figures. */
  page.onTest = (study) => Boolean(study.about?.as_published) && study.about.watched === "the test part";

  page.budget = () => page.state.budgets[page.state.size] ?? null;

  page.networkByKey = (key) => page.state.content.studies.flatMap((study) => study.networks).find((network) => network.key === key) ?? null;

  /** Open a network's page; `from` is what is left, to come back to on a narrow screen. */
  page.open = (network, from = null) => page.change({ chosen: network, pinned: true, from });

  /** The name by which people know a network within its study: its family's name, where it has one, and its knobs. */
  page.nameOf = (network) => {
    const knobs = page.knobsText(network.knobs);
    return network.label === network.family ? network.network : `${network.label}${knobs ? ` ${knobs}` : ""}`;
  };
})();
