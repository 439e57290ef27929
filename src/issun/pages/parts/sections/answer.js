// The answer: one sentence, written anew as target and budget move, and what it rests on below. Where several studies lie over each
// other it says which needs least; what each of them answers stands in `comparison.js`.

import { byId, element, fill, fillSwitch, say } from "../common/element.js";
import { SIZES, SPACE, capital, counted, percent, roundPercent, saidMean, whole } from "../common/numbers.js";
import { bestNetwork, isChoosable, isUsable, smallestNetwork } from "../study/choose.js";
import { detailOf, hasFailed, nameOf, onTest, withFailed, withInput } from "../study/content.js";
import { answerNetwork, change, currentBudget, listen, networksOf, openNetwork, overlaid, seriesOf, shownStudies, state, targetOf } from "../study/state.js";

/** A mean as it is said, and beside it the seeds that failed. */
const meanOf = (network) => withFailed(saidMean(network.validation), network);

const strong = (text) => element("strong", null, text);

/** 1/1,287 of the largest; what there is to say where it is the largest itself. */
function ofTheLargest(network, networks, size) {
  const ratio = Math.max(...networks.map((other) => other[size])) / network[size];
  if (!Number.isFinite(ratio) || networks.length < 2) return "";
  const { largest } = SIZES[size];
  return ratio === 1 ? ", the largest of all" : `, 1/${ratio >= 10 ? whole(ratio) : +ratio.toFixed(1)} of ${largest}`;
}

/** A link that opens the page of a network. */
export const opening = (network, text) =>
  element("button", { type: "button", class: "link", on: { click: () => openNetwork(network, "answer") } }, text);

function mainSentence(networks, { value, own }, size) {
  const { lead, verb, words } = SIZES[size];
  const found = smallestNetwork(networks, value, { size });
  if (!found) {
    const nearest = bestNetwork(networks);
    return [`No network reaches ${roundPercent(value)}. The nearest reaches `, strong(meanOf(nearest)), ` and ${verb} ${words(nearest[size])}.${detailOf(nearest)?.kind === "improving" ? " Its curves still rise: more epochs may help." : ""}`];
  }
  const goal = own ? `within 1${SPACE}% of the best` : `that reaches ${roundPercent(value)}`;
  const ratio = ofTheLargest(found, networks, size);
  return [`${lead} ${goal} ${verb} `, strong(words(found[size])), `${ratio}; it reaches `, strong(meanOf(found)), "."];
}

function budgetSentence(networks, budget, size) {
  const { limit, verb, words } = SIZES[size];
  const found = bestNetwork(networks, budget, size);
  if (!found) {
    const small = networks.some((network) => network[size] <= budget);
    return [small ? `No network ${limit} ${words(budget)} beats guessing.` : `There is no network ${limit} ${words(budget)}.`];
  }
  return [`The best ${limit} ${words(budget)} reaches `, strong(meanOf(found)), ` and ${verb} ${words(found[size])}: `, opening(found, nameOf(found)), "."];
}

function basis(study, networks, value, size) {
  const found = smallestNetwork(networks, value, { size });
  if (!found) return null;
  const parts = [];
  const { n, images, folds } = found.validation;
  const where = folds > 1 ? ` in ${folds} folds` : "";
  parts.push(opening(found, withInput(found.network, found)), " ");
  parts.push(
    `On ${onTest(study) ? "the test part, as published" : "validation"}${images ? ` (${counted(images, "image")}${where})` : ""}, ${n > 1 ? `mean ± standard deviation over ${n} seeds` : "one seed"}.`,
  );
  if (hasFailed(found)) parts.push(" Failed seeds are included in mean, deviation and bound.");
  if (found.test && !onTest(study)) parts.push(` On the test images, measured once and not used to choose: ${saidMean(found.test)}.`);
  const sure = smallestNetwork(networks, value, { size, lower: true });
  const words = SIZES[size].words;
  if (!sure) parts.push(" No network's lower 95 % bound reaches it.");
  else if (sure === found) parts.push(" Its lower 95 % bound reaches it too.");
  else parts.push(" The smallest whose lower 95 % bound reaches it has ", opening(sure, words(sure[size])), ".");
  return element("p", { class: "basis" }, parts);
}

function nothing(study) {
  if (!study.networks.length) return "No trial of this study has finished yet, so there is nothing to choose from.";
  if (!networksOf(study).length) return "Every family is hidden, so there is nothing to choose from.";
  const networks = networksOf(study).filter(isUsable);
  if (networks.length) {
    const [nearest] = networks.sort((first, second) => second.validation.mean - first.validation.mean);
    return `No network beats guessing, so none is chosen: the best mean is ${percent(nearest.validation.mean)}, and always predicting the most frequent class gives ${percent(nearest.guessing)}.`;
  }
  return "Every network diverged with every seed: lower the learning rate, or scale the input.";
}

/** What one study answers, in paragraphs. */
export function answerOf(study) {
  const target = targetOf(study);
  const { size, hidden } = state;
  const networks = networksOf(study);
  if (!networks.some(isChoosable)) return [element("p", { class: "sentence" }, nothing(study))];
  const budget = currentBudget();
  const mark = study.about?.mark;
  return [
    element("p", { class: "sentence" }, mainSentence(networks, target, size)),
    budget === null ? null : element("p", { class: "sentence second" }, budgetSentence(networks, budget, size)),
    basis(study, networks, target.value, size),
    mark ? element("p", { class: "warning" }, `${capital(mark)}.`) : null,
    study.about?.dependent ? element("p", { class: "warning" }, `${capital(study.about.dependent)}.`) : null,
    study.about?.mixture ? element("p", { class: "basis" }, `${capital(study.about.mixture)}.`) : null,
    study.about?.conflicts ? element("p", { class: "basis" }, `${capital(study.about.conflicts)}.`) : null,
    ...(study.workers ?? []).map((worker) => element("p", { class: "basis" }, workerText(worker))),
    study.networks.some((network) => hidden.has(seriesOf(network).key)) ? element("p", { class: "basis" }, "Among the families shown.") : null,
  ];
}

/** What a worker of a cluster does now. */
function workerText({ name, threads, training }) {
  const has = threads === 1 ? "1 thread" : `${threads} threads`;
  return `Worker ${name} (${has}): ${training.length ? `trains ${training.join("; ")}` : "waits"}.`;
}

/** Which study needs least to reach the target or, where each has its own target, what each needs. */
function comparedSentence() {
  const { size, target } = state;
  const { lead, verb, words, limit } = SIZES[size];
  const studies = shownStudies().filter((study) => networksOf(study).some(isChoosable));
  if (!studies.length) return ["No study has a network that can be chosen."];
  const budget = currentBudget();
  const best = d3.greatest(studies.map((study) => bestNetwork(networksOf(study), budget ?? Infinity, size)).filter(Boolean), ({ validation }) => validation.mean);
  const under = budget === null ? [] : best ? [` The best ${limit} ${words(budget)} is one of ${best.study.name}: it reaches `, strong(meanOf(best)), "."] : [` There is no network ${limit} ${words(budget)}.`];
  if (target === null) return ["Each study has its own target, within 1 % of its best. Drag the target line to compare what they need for one accuracy.", under];
  const least = answerNetwork();
  if (least.validation.mean < target - 1e-6) {
    const nearest = d3.greatest(studies.map((study) => bestNetwork(networksOf(study))), ({ validation }) => validation.mean);
    return [`No study reaches ${roundPercent(target)}. The nearest is ${nearest.study.name} with `, strong(meanOf(nearest)), ".", under];
  }
  const whose = element("strong", { class: "study-name" }, least.study.name);
  return [`${lead} that reaches ${roundPercent(target)} is one of `, whose, `: it ${verb} `, strong(words(least[size])), " and reaches ", strong(meanOf(least)), ".", under];
}

/** The answer where several studies lie over each other, and how far they can be compared. */
function comparedAnswer() {
  const { caution, comparable } = state.content.comparison ?? { caution: "", comparable: "" };
  return [
    element("p", { class: "sentence" }, comparedSentence()),
    caution ? element("p", { class: ["directly", "as pictures"].includes(comparable) ? "basis" : "warning" }, `${caution}.`) : null,
  ];
}

function draw() {
  const studies = shownStudies();
  const section = byId("answer");
  const title = state.content.title;
  fill(
    section,
    element("h1", null, title),
    state.content.studies.length > 1 ? picker() : null,
    overlaid() ? comparedAnswer() : studies.map(answerOf),
    moved()
      ? element("button", { type: "button", class: "quiet small", on: { click: reset } }, "Back to the original question")
      : null,
  );
}

const asked = () => ({ target: null, budgets: {}, ...state.asked });

const moved = () => state.target !== asked().target || JSON.stringify(state.budgets) !== JSON.stringify(asked().budgets);

// The chart below should not jump each time the sentence needs a line more or less: the room that it once took stays.
let room = { width: 0, height: 0 };
function keepRoom(section) {
  const width = section.clientWidth;
  section.style.minHeight = "";
  room = { width, height: Math.max(room.width === width ? room.height : 0, section.offsetHeight) };
  section.style.minHeight = `${room.height}px`;
}

function reset() {
  change(asked());
  byId("answer").focus({ preventScroll: true });
}

// Several studies: all laid over each other, or one of them.
function picker() {
  const node = element("div", { class: "switch", role: "radiogroup", "aria-label": "Study" });
  const studies = state.content.studies;
  fillSwitch(node, "study", [["all", "All"], ...studies.map((study) => [String(study.number), study.name])], state.study === null ? "all" : String(state.study), (value) => {
    change({ study: value === "all" ? null : Number(value), hidden: new Set() });
    node.ownerDocument.querySelector(`input[name="study"][value="${value}"]`)?.focus();
  });
  return node;
}

/** Write the answer, and again whenever what is asked changes. */
export function startAnswer() {
  let saying = null;
  listen(["content", "study", "size", "target", "budgets", "hidden"], (changed) => {
    draw();
    if (changed.has("study") || changed.has("content")) room.width = 0;
    if (changed.has("target")) keepRoom(byId("answer"));
    else byId("answer").style.minHeight = "";
    if (!state.pinned || !state.chosen) change({ chosen: answerNetwork(), pinned: false });
    if (changed.has("content")) return;
    // While a line is dragged the sentence changes many times; it is said when it rests.
    clearTimeout(saying);
    saying = setTimeout(() => say([...document.querySelectorAll("#answer .sentence")].map((node) => node.textContent).join(" ")), 500);
  });
}
