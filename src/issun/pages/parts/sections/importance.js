// Which choices carried accuracy: permutation importance, one bar a choice.

import { byId, element, fill, scrollable } from "../common/element.js";
import { counted, fixed, percent } from "../common/numbers.js";
import { listen, shownStudies } from "../study/state.js";

/** Its bar would make all others alike. */
const SIZE = "parameters";

function table(study, several) {
  const { networks, explained, choices } = study.importance;
  const most = Math.max(...choices.filter(({ name }) => name !== SIZE).map(({ mean }) => mean), 1e-9);
  const bar = (mean) => element("span", { class: "share", "aria-hidden": "true" }, element("span", { class: "share-bar", style: { width: `${(100 * mean) / most}%` } }));
  const row = ({ name, mean, std }) => element("tr", null, element("td", null, name), element("td", { class: "number" }, `${fixed(mean, 3)} ± ${fixed(std, 3)}`), element("td", null, name === SIZE ? null : bar(mean)));
  const about = `By how much less of the variation of log error a random forest explains where a choice is mixed up among networks that it has not seen. It explains ${percent(explained, 0)} over ${counted(networks, "network")}. Size is one of the choices, so the others are compared at equal size.`;
  return [
    several ? element("h3", null, study.name) : null,
    scrollable(
      "Scrollable table of choices",
      element(
        "table",
        { class: "importance" },
        element("thead", null, element("tr", null, ["choice", "importance", ""].map((title) => element("th", { scope: "col", class: title === "importance" ? "number" : null }, title)))),
        element("tbody", null, choices.map(row)),
      ),
    ),
    element("p", { class: "note" }, about),
  ];
}

/** Write what carried accuracy in the studies that are shown. */
export function startImportance() {
  listen(["content", "study"], () => {
    const section = byId("importance");
    const studies = shownStudies().filter((study) => study.importance?.choices.length);
    section.hidden = !studies.length;
    fill(section, element("h2", { id: "importance-title" }, "What carried accuracy"), studies.map((study) => table(study, studies.length > 1)));
  });
}
