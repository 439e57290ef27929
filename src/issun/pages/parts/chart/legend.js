// The names of the families, or of several studies, below the chart: a press switches one off, and the answer is sought among the others.

import { byId, element, fill } from "../common/element.js";
import { markPicture } from "../common/marks.js";
import { dataOf, marksOf, withInput } from "../study/content.js";
import { change, listen, overlaid, shownSeries, state } from "../study/state.js";

const FOLDED = 12;
let open = false;

function entry(series) {
  const { hidden } = state;
  const on = !hidden.has(series.key);
  const text = withInput(series.label === series.family ? series.family : `${series.label}: ${series.family}`, series);
  const marks = marksOf(series.study).map((mark) => ` (${mark})`).join("");
  const name = overlaid() ? `${series.study.name}: ${dataOf(series.study)}${marks}` : text;
  const toggle = () => {
    const next = new Set(hidden);
    if (on) next.add(series.key);
    else next.delete(series.key);
    change({ hidden: next });
    byId("legend").querySelector(`[data-series="${series.number}"]`)?.focus();
  };
  return element(
    "button",
    { type: "button", "aria-pressed": String(on), "data-series": series.number, title: on ? "Press to hide" : "Press to show", on: { click: toggle } },
    markPicture(series),
    element("span", null, name),
  );
}

/** Write the legend, and again whenever its families change. */
export function startLegend() {
  listen(["content", "study", "hidden"], () => {
    const all = shownSeries();
    const shown = open ? all : all.slice(0, FOLDED);
    const more = element("button", { type: "button", class: "quiet small", on: { click: () => ((open = true), change({ hidden: state.hidden })) } }, `${all.length - FOLDED} more`);
    fill(byId("legend"), shown.map(entry), shown.length < all.length ? more : null);
  });
}
