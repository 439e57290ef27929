// What a search has found: its finalists with their confirmation, how the frontier grew, and where the answer comes from.

import { byId, element, fill, scrollable, svg } from "../common/element.js";
import { counted, duration, fixed, isKnown, meanText, percent, shortCount, whole } from "../common/numbers.js";
import { listen, shownStudies } from "../study/state.js";

const WIDTH = 680;
const HEIGHT = 300;

/** Errors above so many times the least one are not drawn: they would press all else together. */
const SHOWN = 8;

const table = (words, titles, rows, left = []) =>
  scrollable(
    words,
    element(
      "table",
      { class: "found" },
      element("thead", null, element("tr", null, titles.map((title) => element("th", { scope: "col", class: left.includes(title) ? null : "number" }, title)))),
      element("tbody", null, rows),
    ),
  );

function finalists({ finalists: all, images }) {
  if (!all.length) return element("p", { class: "note" }, "Nothing was confirmed yet.");
  const points = (gap) => (isKnown(gap) ? `${gap < 0 ? "−" : "+"}${fixed(100 * Math.abs(gap), 2)}` : "–");
  const said = (one) => (one.answer ? "answer" : one.confirmation ? (one.passed ? "passed" : "failed") : "not tried");
  const rows = all.map((one) => {
    const confirmed = one.confirmation;
    const cells = [whole(one.parameters), shortCount(one.macs), meanText(one.judge.mean, one.judge.sd), confirmed ? meanText(confirmed.mean, confirmed.sd) : "–", percent(confirmed?.low), points(one.gap)];
    const words = [element("td", { class: "notation" }, one.network), element("td", null, said(one))];
    return element("tr", one.answer ? { class: "best" } : null, cells.map((cell) => element("td", { class: "number" }, cell)), words);
  });
  const about = `Judge is the figure by which the search chose, and partly luck. Confirmation is that of five fresh seeds on ${images ? counted(images, "other image") : "other images"}; gap is how much higher the first is, in points.`;
  return [table("Scrollable table of finalists", ["parameters", "MACs", "judge", "confirmation", "at least", "gap", "network", ""], rows, ["network", ""]), element("p", { class: "note" }, about)];
}

/** Accuracy against parameters after parts of the search: steps, the last the darkest; what was confirmed as points. */
function growth({ growth: moments, finalists: all, target }) {
  const drawn = moments.filter(({ frontier }) => frontier.length);
  if (!drawn.length) return null;
  const confirmed = all.filter((one) => one.confirmation);
  const heights = [...drawn.flatMap(({ frontier }) => frontier.map(([, height]) => height)), ...confirmed.map((one) => one.confirmation.mean)];
  const best = Math.max(...heights);
  const low = Math.max(Math.min(...heights, target ?? 1), best - SHOWN * Math.max(1 - best, 0.01));
  const sizes = [...drawn.flatMap(({ frontier }) => frontier), ...confirmed.map((one) => [one.parameters, one.confirmation.mean])].filter(([, height]) => height >= low).map(([size]) => size);
  const area = { left: 52, right: WIDTH - 12, top: 10, bottom: HEIGHT - 34 };
  const x = d3.scaleLog().domain([Math.min(...sizes) / 1.15, Math.max(...sizes) * 1.15]).range([area.left, area.right]);
  const y = d3.scaleLinear().domain([low, Math.min(1, best + 0.1 * (best - low || 0.01))]).nice(5).range([area.bottom, area.top]);
  const steps = ({ frontier }) => d3.line(([size]) => x(size), ([, height]) => y(height)).curve(d3.curveStepAfter)([...frontier, [x.domain()[1], frontier.at(-1)[1]]]);
  const ticks = x.ticks(6).filter((tick) => ["1", "2", "5"].includes(String(tick)[0]));
  const words = `Accuracy against parameters: the frontier after ${drawn.map(({ proposals }) => whole(proposals)).join(", ")} trainings, and ${counted(confirmed.length, "confirmed network")}`;
  const picture = svg(
    "svg",
    { class: "growth", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
    svg("clipPath", { id: "growth-area" }, svg("rect", { x: area.left, y: area.top, width: area.right - area.left, height: area.bottom - area.top })),
    svg("g", { class: "grid" }, y.ticks(5).map((tick) => [svg("line", { x1: area.left, x2: area.right, y1: y(tick), y2: y(tick) }), svg("text", { x: area.left - 7, y: y(tick), dy: "0.33em", "text-anchor": "end" }, percent(tick, (tick * 100) % 1 ? 1 : 0))])),
    svg("g", { class: "grid" }, ticks.map((tick) => svg("text", { x: x(tick), y: area.bottom + 18, "text-anchor": "middle" }, shortCount(tick)))),
    target === null ? null : svg("line", { class: "target", x1: area.left, x2: area.right, y1: y(target), y2: y(target) }),
    svg("g", { "clip-path": "url(#growth-area)" }, drawn.map((moment, number) => svg("path", { class: "moment", style: { opacity: (number + 1) / drawn.length }, d: steps(moment) }))),
    confirmed.map((one) => svg("circle", { class: `confirmed${one.answer ? " best" : ""}`, cx: x(one.parameters), cy: y(one.confirmation.mean), r: one.answer ? 6 : 4 })),
  );
  const caption = `The frontier on the images that judge, after ${drawn.map(({ proposals }) => whole(proposals)).join(", ")} trainings (pale to dark), against parameters; dots: confirmed networks, the large one the answer.`;
  return element("figure", null, element("h3", null, "How the frontier grew"), picture, element("figcaption", { class: "note" }, caption));
}

function descent({ descent: steps }) {
  if (!steps.length) return null;
  const rows = steps.map((step) => {
    const accuracy = isKnown(step.accuracy) ? `${step.full ? "" : "~"}${percent(step.accuracy, 1)}` : "–";
    return element("tr", null, element("td", { class: "number" }, whole(step.parameters)), element("td", { class: "number" }, accuracy), element("td", null, step.change), element("td", { class: "notation" }, step.network));
  });
  return [
    element("h3", null, "Where it comes from"),
    table("Scrollable table of changes", ["parameters", "judge", "change", "network"], rows, ["change", "network"]),
    element("p", { class: "note" }, "Each line is a change of the one above it. Judge is the mean over its trainings by the full recipe; ~ stands for one short training."),
  ];
}

function shown(study, several) {
  const { search } = study;
  const about = `${counted(search.networks, "network")} in ${counted(search.trainings, "training")}, ${duration(search.seconds)}.`;
  const again = "Confirmation was opened more than once: the search that went on knew how networks had done, so these figures are no longer independent of the choice.";
  const dependent = search.dependence ? element("p", { class: "warning" }, `Not independent: ${search.dependence}. So these figures may be too high.`) : null;
  return [several ? element("h3", null, study.name) : null, element("p", null, about), dependent, finalists(search), search.again ? element("p", { class: "note" }, again) : null, growth(search), descent(search)];
}

/** Write what the searches have found whose studies are shown. */
export function startSearch() {
  listen(["content", "study"], () => {
    const section = byId("search");
    const studies = shownStudies().filter((study) => study.search);
    section.hidden = !studies.length;
    fill(section, element("h2", { id: "search-title" }, "Search"), studies.map((study) => shown(study, studies.length > 1)));
  });
}
