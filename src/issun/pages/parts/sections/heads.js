// The table of a feature study: what features and classifiers reach together, best first; one record a line, whatever it holds.

import { byId, element, fill, scrollable } from "../common/element.js";
import { duration, isKnown, knobsText, meanText, percent, whole } from "../common/numbers.js";
import { listen, shownStudies } from "../study/state.js";

/** What stands small below another column, not in one of its own. */
const BELOW = { extractor: ["layer", (text) => text], parameters: ["trainable_params", (count) => `${whole(count)} trained`] };

const isMean = (value) => value !== null && typeof value === "object" && "mean" in value;

/** From the lowest to the highest of means ± deviations, a little wider. */
function rangeOf(records, name) {
  const ends = records.flatMap((record) => (isMean(record[name]) && isKnown(record[name].mean) ? [-1, 1].map((sign) => record[name].mean + sign * (record[name].sd ?? 0)) : []));
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const spare = 0.04 * (high - low) || 0.01;
  return { low: low - spare, high: high + spare };
}

/** A mean as a dot with its deviation as a line, on the scale that all rows share. */
function placed(value, range) {
  const at = (mean) => Math.min(1, Math.max(0, (mean - range.low) / (range.high - range.low)));
  const sd = value.sd ?? 0;
  const [left, right] = [at(value.mean - sd), at(value.mean + sd)];
  const line = element("span", { class: "spread-line", style: { left: `${100 * left}%`, width: `${100 * (right - left)}%` } });
  return element("span", { class: "spread", "aria-hidden": "true" }, line, element("span", { class: "spread-dot", style: { left: `${100 * at(value.mean)}%` } }));
}

function shown(value, name, range) {
  if (isMean(value)) {
    const text = element("span", { class: "number" }, meanText(value.mean, value.sd));
    return range && isKnown(value.mean) ? element("span", { class: "head-value" }, placed(value, range), text) : text;
  }
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return name === "seconds" ? duration(value) : isKnown(value) && value % 1 ? String(+value.toPrecision(4)) : whole(value);
  return typeof value === "object" ? knobsText(value) : String(value);
}

function cell(record, name, range) {
  const [other, words] = BELOW[name] ?? [];
  const below = other in record && record[other] !== record[name] ? element("span", { class: "below" }, words(record[other])) : null;
  return [shown(record[name], name, range), below];
}

function table(study, several) {
  const records = [...study.heads];
  const all = [...new Set(records.flatMap(Object.keys))].filter((name) => name !== "id" && name !== "trials");
  const hidden = Object.entries(BELOW).flatMap(([name, [other]]) => (all.includes(name) ? [other] : []));
  const names = all.filter((name) => !hidden.includes(name));
  const measured = names.find((name) => isMean(records[0][name]));
  if (measured) records.sort((a, b) => (b[measured]?.mean ?? 0) - (a[measured]?.mean ?? 0));
  const range = measured ? rangeOf(records, measured) : null;
  const numeric = (name) => typeof records[0][name] === "number";
  const kind = (name) => (numeric(name) ? "number" : name === "problem" ? "words" : null);
  return [
    several ? element("p", { class: "note" }, study.name) : null,
    scrollable(
      "Features and heads",
      element(
        "table",
        { class: "heads" },
        element("thead", null, element("tr", null, names.map((name) => element("th", { scope: "col", class: numeric(name) ? "number" : null }, name.replaceAll("_", " "))))),
        element("tbody", null, records.map((record) => element("tr", null, names.map((name) => element("td", { class: kind(name) }, cell(record, name, name === measured ? range : null)))))),
      ),
    ),
    range ? element("p", { class: "note" }, `Dots range from ${percent(range.low, 1)} to ${percent(range.high, 1)}; lines are ± one standard deviation over draws.`) : null,
  ];
}

/** Write the tables of the feature studies that are shown. */
export function startHeads() {
  listen(["content", "study"], () => {
    const section = byId("heads");
    const studies = shownStudies().filter((study) => study.heads?.length);
    section.hidden = !studies.length;
    fill(section, element("h2", { id: "heads-title" }, "Features and heads"), studies.map((study) => table(study, studies.length > 1)));
  });
}
