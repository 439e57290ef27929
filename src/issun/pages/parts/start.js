// Where the page begins: its content is read, every part draws itself.

import { startChart } from "./chart/chart.js";
import { startLegend } from "./chart/legend.js";
import { byId } from "./common/element.js";
import { counted } from "./common/numbers.js";
import { startDetail } from "./detail/detail.js";
import { startAnswer } from "./sections/answer.js";
import { startComparison } from "./sections/comparison.js";
import { startHeads } from "./sections/heads.js";
import { startHeatmap } from "./sections/heatmap.js";
import { startImportance } from "./sections/importance.js";
import { startProtocol } from "./sections/protocol.js";
import { startSearch } from "./sections/search.js";
import { startTable } from "./sections/table.js";
import { askedOf, takeIn } from "./study/content.js";
import { change, listen, state } from "./study/state.js";
import { startLive } from "./live.js";
import { startTheme } from "./theme.js";

function told(content) {
  const data = [...new Set(content.studies.map((study) => study.data))].join(", ");
  const trials = d3.sum(content.studies.flatMap((study) => study.networks), (network) => network.trials?.length ?? network.validation.n);
  const networks = d3.sum(content.studies, (study) => study.networks.length);
  byId("about-line").textContent = `${data} · ${counted(networks, "network")} · ${counted(trials, "trial")}`;
  byId("foot").textContent = `Made with issun ${content.issun}. This page is self-contained and makes no network requests.`;
  document.title = `${content.title} – issun`;
}

const content = takeIn(JSON.parse(byId("content").textContent));
const asked = askedOf(content);
state.content = content;
// They are told of a change in this order: the answer first, for others show what it chooses.
startAnswer();
startChart();
startLegend();
startComparison();
startSearch();
startDetail();
startHeatmap();
startImportance();
startHeads();
startProtocol();
startTheme();
startTable();
listen(["content"], () => told(state.content));
change({ content, asked, ...asked });
startLive();
