// The page of the network that is chosen, beside the chart: its sizes, what it reaches, and tabs for all the rest.

import { byId, calm, element, fill, say } from "../common/element.js";
import { markPicture } from "../common/marks.js";
import { bytesText, counted, knobsText, meanText, percent, whole } from "../common/numbers.js";
import { detailOf, hasFailed, nameOf, onTest, withInput } from "../study/content.js";
import { answerNetwork, change, listen, seriesOf, state } from "../study/state.js";
import { tryTab } from "../tryit/tryit.js";
import { insideTab } from "./inside.js";
import { layersTab } from "./layers.js";
import { mistakesTab } from "./mistakes.js";
import { trainingTab } from "./training.js";

// A tab has a name, a title, `has(network, detail)`: whether there is anything to show, and `make(network, detail, width)`.
const TABS = [tryTab, layersTab, trainingTab, mistakesTab, insideTab];

let wanted = "try";

const figure = (name, value, more) =>
  element("div", null, element("dt", null, name), element("dd", null, value, more ? element("small", null, more) : null));

function figures(network) {
  const { validation, test } = network;
  const seeds = `${counted(validation.n, "seed")}${validation.n > 1 ? `, ${network.confirms ? "first" : "best"} ${network.best_seed}` : ""}`;
  return element(
    "dl",
    { class: "figures" },
    figure(onTest(network.study) ? "Test, as published" : "Validation", meanText(validation.mean, validation.sd), validation.low === null ? seeds : `${seeds}; at least ${percent(validation.low, 1)}`),
    test && !onTest(network.study) ? figure("Test", meanText(test.mean, test.sd), "measured once, at the end") : null,
    figure("Parameters", whole(network.parameters), network.trainable_params === network.parameters ? "all trained" : `${whole(network.trainable_params)} trained`),
    figure("MACs", whole(network.macs), "for one image"),
    figure("Weights", bytesText(network.bytes), "as float32"),
    figure("Memory", bytesText(network.peak_memory), "working memory for one image"),
  );
}

function head(network) {
  const back = { chart: ["chart-title", "Back to the chart"], table: ["networks-title", "Back to the table"], answer: ["answer", "Back to the answer"] }[state.from];
  const answer = answerNetwork();
  const leave = () => {
    byId(back[0]).scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
  };
  const knobs = knobsText(network.knobs);
  const named = network.label !== network.family;
  return element(
    "header",
    null,
    element(
      "p",
      { class: "tag-line" },
      network === answer ? element("span", { class: "tag" }, "The answer") : null,
      network !== answer && answer ? element("button", { type: "button", class: "link", on: { click: () => change({ chosen: answer, pinned: false, from: null }) } }, "Show the answer's network") : null,
      back ? element("button", { type: "button", class: "link narrow-only", on: { click: leave } }, back[1]) : null,
    ),
    element("h2", null, markPicture(seriesOf(network), 18), nameOf(network)),
    named || knobs ? element("p", { class: "notation" }, named ? withInput(network.network, network) : `${network.family}, ${knobs}`) : null,
    state.content.studies.length > 1 ? element("p", { class: "pale" }, `Study: ${network.study.name}`) : null,
    figures(network),
    hasFailed(network) ? element("p", { class: "warning" }, `${network.failed}. Failed seeds are included in the mean.`) : null,
    network.independent === false ? element("p", { class: "warning" }, "It is not independent of the validation images, through its teacher: this accuracy chooses nothing.") : null,
    network.beats_guessing === false ? element("p", { class: "warning" }, `It does not beat guessing: always predicting the most frequent class gives ${percent(network.guessing)}.`) : null,
  );
}

function tabBar(present, current, show) {
  const bar = element("div", { class: "tabs", role: "tablist", "aria-label": "Sections of this network's page" });
  for (const tab of present) {
    const on = tab === current;
    bar.append(
      element(
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
  const aside = byId("network");
  const network = state.chosen;
  if (!network) {
    fill(aside, element("p", { class: "pale" }, "No network has been measured yet."));
    return;
  }
  const detail = detailOf(network);
  const present = detail ? TABS.filter((tab) => tab.has(network, detail)) : [];
  const body = element("div");
  const show = (tab, asked) => {
    if (asked) wanted = tab.name;
    const panel = element("div", { class: "panel", role: "tabpanel", id: "tab-panel", "aria-labelledby": `tab-${tab.name}`, tabindex: 0 });
    fill(body, tabBar(present, tab, show), panel);
    fill(panel, tab.make(network, detail, panelWidth()));
    if (asked) body.querySelector('[aria-selected="true"]').focus({ preventScroll: true });
  };
  fill(aside, head(network), body);
  if (present.length) show(present.find((tab) => tab.name === wanted) ?? present[0], false);
  else fill(body, element("p", { class: "pale" }, "This network's own page is not in this report: the study is large, and the page covers only networks that an answer can choose."));
}

/** How many pixels a picture in the panel has from side to side: pictures are drawn that large, so that their text keeps its size. */
function panelWidth() {
  const aside = byId("network");
  const styles = getComputedStyle(aside);
  return Math.max(240, Math.floor(aside.clientWidth - parseFloat(styles.paddingLeft) - parseFloat(styles.paddingRight)));
}

// While a study grows, a page that says the same stays as it is: somebody may be drawing on it.
let told = "";
function same() {
  const network = state.chosen;
  const before = told;
  told = network ? JSON.stringify([network.key, detailOf(network), network.validation, network.test]) : "";
  return told && told === before;
}

/** Show the page of whichever network is chosen. */
export function startDetail() {
  listen(["chosen", "content", "theme"], (changed) => {
    const stays = same() && changed.has("content") && !changed.has("theme") && byId("network").querySelector("header");
    if (stays) byId("network").querySelector("header").replaceWith(head(state.chosen));
    else draw();
    const { from, pinned, chosen } = state;
    if (!pinned || !from || !changed.has("chosen")) return;
    say(`The page of ${nameOf(chosen)} is open`);
    // Where the page stands below the chart, it comes to whoever asked for it.
    if (matchMedia("(max-width: 1099px)").matches) {
      byId("network").focus({ preventScroll: true });
      byId("network").scrollIntoView({ behavior: calm() ? "auto" : "smooth" });
    }
  });
  // Whether it is the answer may change while it stays open.
  listen(["target", "budgets", "size", "hidden", "study"], (changed) => {
    if (changed.has("chosen") || !state.chosen) return;
    byId("network").querySelector("header")?.replaceWith(head(state.chosen));
  });

  let width = null;
  new ResizeObserver(() => {
    const changed = width !== null && width !== panelWidth();
    width = panelWidth();
    if (changed && ["training", "inside"].includes(document.querySelector('#network [aria-selected="true"]')?.id.slice(4))) draw();
  }).observe(byId("network"));

  // On paper there is nothing to press: every part stands below the other.
  addEventListener("beforeprint", () => {
    const network = state.chosen;
    const detail = network && detailOf(network);
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    if (!detail) return;
    const parts = TABS.filter((tab) => tab.name !== "try" && tab.has(network, detail));
    fill(byId("network"), head(network), parts.map((tab) => [element("h3", null, tab.title), element("div", { class: "panel" }, tab.make(network, detail, panelWidth()))]));
  });
  addEventListener("afterprint", draw);
}
