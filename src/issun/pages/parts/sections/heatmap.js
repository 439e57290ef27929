// A study of two knobs as a table whose cells are coloured by accuracy; a press opens the network.

import { byId, element, fill, scrollable } from "../common/element.js";
import { isKnown, percent, whole } from "../common/numbers.js";
import { shaded } from "../common/pixels.js";
import { hasFailed, withFailed } from "../study/content.js";
import { listen, openNetwork, shownStudies } from "../study/state.js";

/** Accuracies as colours: by rank between the worst and the best, from the page's ground to its accent. */
function grid(study, map, several) {
  const known = map.validation.flat().filter(isKnown);
  const errors = d3.extent(known, (value) => Math.log10(Math.max(1 - value, 1e-4)));
  const amount = (value) => (errors[0] === errors[1] ? 0.5 : (errors[1] - Math.log10(Math.max(1 - value, 1e-4))) / (errors[1] - errors[0]));
  const best = d3.max(known);
  const networkById = new Map(study.networks.map((network) => [network.id, network]));
  const cell = (value, i, j) => {
    const network = networkById.get(map.networks?.[i]?.[j]);
    const place = `${map.x}=${map.columns[j]}, ${map.y}=${map.rows[i]}`;
    if (!isKnown(value)) return element("td", { class: "none", title: `${place}: ${map.impossible?.[i]?.[j] ? "not a valid network" : "not trained"}` }, map.impossible?.[i]?.[j] ? "×" : "");
    const told = `${place}: ${network ? withFailed(percent(value), network) : percent(value)}`;
    const content = element("button", { type: "button", title: told, "aria-label": told, on: { click: () => network && openNetwork(network, "chart") } }, (100 * value).toFixed(1));
    return element("td", { class: value === best ? "best" : null, style: shaded(amount(value), "--accent") }, content);
  };
  return [
    element("p", { class: "note" }, several ? `${study.name}: ` : "", element("code", null, map.family), ", mean validation accuracy in per cent; the best has a frame.", map.shared ? " Where several networks share a cell it shows the best." : "", study.networks.some(hasFailed) ? " Failed seeds are included in the means." : ""),
    scrollable(
      `Accuracies by ${map.x} and ${map.y}`,
      element(
        "table",
        { class: "heat" },
        element("thead", null, element("tr", null, element("td", { class: "corner" }, `${map.y} \\ ${map.x}`), map.columns.map((value) => element("th", { scope: "col" }, whole(value))))),
        // As on a chart, more stands higher.
        element("tbody", null, map.rows.map((value, i) => element("tr", null, element("th", { scope: "row" }, whole(value)), map.validation[i].map((entry, j) => cell(entry, i, j)))).reverse()),
      ),
    ),
  ];
}

/** Draw the grids of the studies that are shown. */
export function startHeatmap() {
  listen(["content", "study", "theme"], () => {
    const section = byId("heatmap");
    const studies = shownStudies().filter((study) => study.heatmap?.validation?.length);
    section.hidden = !studies.length;
    fill(section, element("h2", { id: "heatmap-title" }, "Knob by knob"), studies.map((study) => grid(study, study.heatmap, studies.length > 1)));
  });
}
