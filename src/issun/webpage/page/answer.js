// What is the answer? One sentence, written anew as target and budget move, and what it rests on below.
(() => {
  "use strict";

  const SPACE = "\u00a0";

  /** A mean as it is said, and beside it the seeds that failed. */
  const meanOf = (network) => `${page.saidMean(network.validation)}${network.failed ? ` (${network.failed})` : ""}`;

  const strong = (text) => page.element("strong", null, text);

  /** 1/1,287 of the largest; what there is to say where it is the largest itself. */
  function ofTheLargest(network, networks, size) {
    const ratio = Math.max(...networks.map((other) => other[size])) / network[size];
    if (!Number.isFinite(ratio) || networks.length < 2) return "";
    const { largest } = page.SIZES[size];
    return ratio === 1 ? ", the most of all" : `, 1/${ratio >= 10 ? page.whole(ratio) : +ratio.toFixed(1)} of ${largest}`;
  }

  /** A link that opens the page of a network. */
  const opening = (network, text) =>
    page.element("button", { type: "button", class: "link", on: { click: () => page.open(network, "answer") } }, text);

  function mainSentence(networks, { value, own }, size) {
    const { lead, verb, words } = page.SIZES[size];
    const found = page.choose.smallest(networks, value, { size });
    if (!found) {
      const nearest = page.choose.best(networks);
      return [`No network reaches ${page.roundPercent(value)}. The nearest reaches `, strong(meanOf(nearest)), ` and ${verb} ${words(nearest[size])}.${page.detailOf(nearest)?.kind === "improving" ? " Its curves still rise: more epochs may help." : ""}`];
    }
    const goal = own ? `within 1${SPACE}% of the best` : `that reaches ${page.roundPercent(value)}`;
    const ratio = ofTheLargest(found, networks, size);
    return [`${lead} ${goal} ${verb} `, strong(words(found[size])), `${ratio}; it reaches `, strong(meanOf(found)), "."];
  }

  function budgetSentence(networks, budget, size) {
    const { limit, verb, words } = page.SIZES[size];
    const found = page.choose.best(networks, budget, size);
    if (!found) {
      const small = networks.some((network) => network[size] <= budget);
      return [small ? `No network ${limit} ${words(budget)} beats guessing.` : `There is no network ${limit} ${words(budget)}.`];
    }
    return [`The best ${limit} ${words(budget)} reaches `, strong(meanOf(found)), ` and ${verb} ${words(found[size])}: `, opening(found, page.nameOf(found)), "."];
  }

  function basis(study, networks, value, size) {
    const found = page.choose.smallest(networks, value, { size });
    if (!found) return null;
    const parts = [];
    const { n, images } = found.validation;
    parts.push(opening(found, found.network), " ");
    parts.push(
      `On ${page.onTest(study) ? "the test part, as published" : "validation"}${images ? ` (${page.counted(images, "image")})` : ""}, ${n > 1 ? `mean ± standard deviation over ${n} seeds` : "one seed"}.`,
    );
    if (found.failed) parts.push(" Seeds that failed are in mean, deviation and bound.");
    if (found.test && !page.onTest(study)) parts.push(` On the test images, measured once and chosen by nothing: ${page.saidMean(found.test)}.`);
    const sure = page.choose.smallest(networks, value, { size, lower: true });
    const words = page.SIZES[size].words;
    if (!sure) parts.push(" No network's lower 95 % bound reaches it.");
    else if (sure === found) parts.push(" Its lower 95 % bound reaches it too.");
    else parts.push(" The smallest whose lower 95 % bound reaches it has ", opening(sure, words(sure[size])), ".");
    return page.element("p", { class: "basis" }, parts);
  }

  function nothing(study) {
    if (!study.networks.length) return "No trial of this study has ended yet: there is nothing to choose from.";
    if (!page.networksOf(study).length) return "Every family is switched off: there is nothing to choose from.";
    const networks = page.networksOf(study).filter(page.choose.usable);
    if (networks.length) {
      const [nearest] = networks.sort((first, second) => second.validation.mean - first.validation.mean);
      return `Nothing beats guessing, so that no network is the smallest: the best mean is ${page.percent(nearest.validation.mean)}, and naming always the most frequent class gives ${page.percent(nearest.guessing)}.`;
    }
    return "Every network diverged with every seed: lower the learning rate, or scale the input.";
  }

  function answerOf(study, several) {
    const target = page.target(study);
    const { size, hidden } = page.state;
    const networks = page.networksOf(study);
    const name = several ? page.element("span", { class: "whose" }, `${study.name}: `) : null;
    if (!networks.some(page.choose.choosable)) return [page.element("p", { class: "sentence" }, name, nothing(study))];
    const budget = page.budget();
    const mark = study.about?.mark;
    return [
      page.element("p", { class: "sentence" }, name, mainSentence(networks, target, size)),
      budget === null ? null : page.element("p", { class: "sentence second" }, budgetSentence(networks, budget, size)),
      basis(study, networks, target.value, size),
      mark ? page.element("p", { class: "warning" }, `${mark[0].toUpperCase()}${mark.slice(1)}.`) : null,
      study.networks.some((network) => hidden.has(network.series.key)) ? page.element("p", { class: "basis" }, "Among the families that are switched on.") : null,
    ];
  }

  /** The network that the answer is about, or the best there is. */
  page.answerNetwork = () => {
    for (const study of page.shownStudies()) {
      const target = page.target(study).value;
      const networks = page.networksOf(study);
      const found = (target !== null && page.choose.smallest(networks, target, { size: page.state.size })) || page.choose.best(networks);
      if (found) return found;
    }
    return page.shownNetworks()[0] ?? null;
  };

  function draw() {
    const studies = page.shownStudies();
    const section = page.byId("answer");
    const title = page.state.content.title;
    page.fill(
      section,
      page.element("h1", null, title),
      page.state.content.studies.length > 1 ? picker() : null,
      studies.map((study) => answerOf(study, studies.length > 1)),
      moved()
        ? page.element("button", { type: "button", class: "quiet small", on: { click: reset } }, "Back to the question that was asked")
        : null,
    );
  }

  const asked = () => ({ target: null, budgets: {}, ...page.state.asked });

  const moved = () => page.state.target !== asked().target || JSON.stringify(page.state.budgets) !== JSON.stringify(asked().budgets);

  // The chart below should not jump each time the sentence needs a line more or less: the room that it once took stays.
  let room = { width: 0, height: 0 };
  function keepRoom(section) {
    const width = section.clientWidth;
    section.style.minHeight = "";
    room = { width, height: Math.max(room.width === width ? room.height : 0, section.offsetHeight) };
    section.style.minHeight = `${room.height}px`;
  }

  function reset() {
    page.change(asked());
    page.byId("answer").focus({ preventScroll: true });
  }

  // Several studies: all laid over each other, or one of them.
  function picker() {
    const node = page.element("div", { class: "switch", role: "radiogroup", "aria-label": "Study" });
    const studies = page.state.content.studies;
    page.fillSwitch(node, "study", [["all", "All"], ...studies.map((study) => [String(study.number), study.name])], page.state.study === null ? "all" : String(page.state.study), (value) => {
      page.change({ study: value === "all" ? null : Number(value), hidden: new Set() });
      node.ownerDocument.querySelector(`input[name="study"][value="${value}"]`)?.focus();
    });
    return node;
  }

  let saying = null;
  page.listen(["content", "study", "size", "target", "budgets", "hidden"], (changed) => {
    draw();
    if (changed.has("study") || changed.has("content")) room.width = 0;
    if (changed.has("target")) keepRoom(page.byId("answer"));
    else page.byId("answer").style.minHeight = "";
    if (!page.state.pinned || !page.state.chosen) page.change({ chosen: page.answerNetwork(), pinned: false });
    if (changed.has("content")) return;
    // While a line is dragged the sentence changes many times; it is said when it rests.
    clearTimeout(saying);
    saying = setTimeout(() => page.say([...document.querySelectorAll("#answer .sentence")].map((node) => node.textContent).join(" ")), 500);
  });
})();
