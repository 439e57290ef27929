// Several studies side by side: a table with the network that each chooses, how far their images are the same, and what each answers.

import { byId, element, fill, scrollable } from "../common/element.js";
import { markPicture } from "../common/marks.js";
import { SIZES, bytesText, counted, meanText, percent, roundPercent, shortCount, whole } from "../common/numbers.js";
import { smallestNetwork } from "../study/choose.js";
import { dataOf, marksOf, nameOf, withFailed } from "../study/content.js";
import { listen, networksOf, overlaid, shownStudies, state, targetOf } from "../study/state.js";
import { answerOf, opening } from "./answer.js";

const COLUMNS = ["study", "parameters", "MACs", "memory", "validation", "at least", "seeds"];

function row(study) {
  const { value } = targetOf(study);
  const network = value === null ? null : smallestNetwork(networksOf(study), value, { size: state.size });
  const marks = marksOf(study);
  const about = [dataOf(study), ...marks].filter(Boolean).join("; ");
  const name = element(
    "th",
    { scope: "row" },
    element("span", { class: "network-name" }, markPicture(study.series), element("span", null, study.name)),
    element("span", { class: "below" }, about),
    network ? opening(network, nameOf(network)) : null,
  );
  if (!network) return element("tr", null, name, element("td", { colspan: COLUMNS.length - 1, class: "pale" }, value === null ? "no network can be chosen" : `no network reaches ${roundPercent(value)}`));
  const { mean, sd, low, n, images, folds } = network.validation;
  const where = images ? element("span", { class: "below" }, `on ${counted(images, "image")}${folds > 1 ? ` in ${folds} folds` : ""}`) : null;
  const cells = [whole(network.parameters), shortCount(network.macs), bytesText(network.peak_memory), [withFailed(meanText(mean, sd), network), where], percent(low), whole(n)];
  return element("tr", null, name, cells.map((cell) => element("td", { class: "number" }, cell)));
}

function chosenFor() {
  const { size, target } = state;
  const each = target === null ? "within 1 % of the best of its study" : `that reaches ${roundPercent(target)}`;
  return `The network of each study is ${SIZES[size].lead.replace("The ", "the ")} ${each}. "At least" is its lower 95 % bound.`;
}

function said({ images, remarks }) {
  const lines = [...images.map(({ studies, text }) => `${studies.join(", ")}: ${text}.`), ...remarks.map((remark) => `${remark}.`)];
  return element("ul", { class: "note" }, lines.map((line) => element("li", null, line)));
}

function draw() {
  const section = byId("comparison");
  section.hidden = !overlaid();
  if (section.hidden) return fill(section);
  const studies = shownStudies();
  return fill(
    section,
    element("h2", { id: "comparison-title" }, "Studies side by side"),
    scrollable(
      "Scrollable table of studies",
      element(
        "table",
        { class: "studies" },
        element("thead", null, element("tr", null, COLUMNS.map((title, place) => element("th", { scope: "col", class: place < 1 ? null : "number" }, title)))),
        element("tbody", null, studies.map(row)),
      ),
    ),
    element("p", { class: "note" }, chosenFor()),
    state.content.comparison ? said(state.content.comparison) : null,
    studies.map((study) => [element("h3", null, study.name), element("div", { class: "own-answer" }, answerOf(study))]),
  );
}

/** Draw the comparison, and again whenever what it shows changes. */
export function startComparison() {
  listen(["content", "study", "size", "target", "budgets", "hidden"], draw);
}
