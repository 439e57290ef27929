// All networks, in a table: sorted by a press on a column's name, filtered by words, copied for a spreadsheet.

import { byId, copyText, dress, element, fill, scrollable } from "../common/element.js";
import { markPicture } from "../common/marks.js";
import { bytesText, counted, duration, knobsText, meanText, percent, shortCount, whole } from "../common/numbers.js";
import { frontierOf } from "../study/choose.js";
import { nameOf, onTest, withFailed, withInput } from "../study/content.js";
import { listen, networksOf, openNetwork, seriesOf, shownNetworks, shownStudies, state } from "../study/state.js";

const FIRST = 50;
const accuracy = (part, key = "mean") => (network) => network[part]?.[key] ?? null;

const COLUMNS = [
  { key: "name", title: "network", value: (network) => `${network.label} ${network.network} ${network.at}` },
  { key: "parameters", title: "parameters", value: (n) => n.parameters, text: whole },
  { key: "macs", title: "MACs", value: (n) => n.macs, text: shortCount },
  { key: "bytes", title: "bytes", value: (n) => n.bytes, text: bytesText },
  { key: "peak_memory", title: "memory", value: (n) => n.peak_memory, text: bytesText, name: "bytes of working memory for one image" },
  { key: "seconds", title: "time", value: (n) => n.seconds, text: duration, name: "seconds to train with one seed" },
  { key: "validation", title: "validation", value: accuracy("validation"), show: (n) => withFailed(meanText(n.validation.mean, n.validation.sd), n), first: "descending" },
  { key: "low", title: "at least", value: accuracy("validation", "low"), text: (v) => percent(v), first: "descending", name: "lower 95 % bound of the validation accuracy" },
  { key: "test", title: "test", value: (n) => testOf(n)?.mean ?? null, show: (n) => (testOf(n) ? meanText(n.test.mean, n.test.sd) : ""), first: "descending", name: "test accuracy, shown for networks that an answer can choose" },
];

// What the table looks like now: kept when the page is drawn again.
const view = { key: "parameters", order: "ascending", words: "", frontierOnly: false, most: FIRST };
let body, count, more, heads;

const searched = (network) => `${network.study.name} ${network.at} ${network.label} ${network.network} ${knobsText(network.knobs)}`.toLowerCase();

function rows() {
  const words = view.words.toLowerCase().split(/\s+/).filter(Boolean);
  const onFrontier = view.frontierOnly ? new Set(shownStudies().flatMap((study) => frontierOf(networksOf(study), state.size))) : null;
  const { value } = COLUMNS.find(({ key }) => key === view.key);
  const sign = view.order === "ascending" ? 1 : -1;
  const found = shownNetworks().filter((network) => (!onFrontier || onFrontier.has(network)) && words.every((word) => searched(network).includes(word)));
  // What has no value stands last, whichever way the table is sorted.
  const missing = (v) => v === null || v === undefined;
  return found.sort((a, b) => {
    const [first, second] = [value(a), value(b)];
    if (missing(first) || missing(second)) return missing(first) - missing(second);
    return sign * (typeof first === "string" ? first.localeCompare(second, "en", { numeric: true }) : first - second);
  });
}

function row(network) {
  const chosen = network === state.chosen;
  const several = shownStudies().length > 1;
  const open = () => openNetwork(network, "table");
  return element(
    "tr",
    { class: chosen ? "chosen" : null, "data-id": network.key, on: { click: (event) => event.target.closest("button") || open() } },
    element(
      "th",
      { scope: "row" },
      element("button", { type: "button", class: "network-name", title: withInput(network.network, network), "aria-current": chosen ? "true" : null, on: { click: open } }, markPicture(seriesOf(network)), element("span", null, several ? `${network.study.name}: ` : "", nameOf(network))),
    ),
    COLUMNS.slice(1).map((column) => element("td", { class: "number" }, column.show ? column.show(network) : column.text(column.value(network)))),
  );
}

function drawRows() {
  if (!body) return;
  const all = rows();
  const shown = all.slice(0, view.most);
  fill(body, shown.map(row));
  if (!all.length) fill(body, element("tr", null, element("td", { colspan: COLUMNS.length, class: "pale" }, "No network matches the filter.")));
  count.textContent = `${counted(all.length, "network")}${shown.length < all.length ? `, the first ${whole(shown.length)} shown` : ""}`;
  more.hidden = shown.length >= all.length;
  for (const { key, head } of heads) dress(head, { "aria-sort": key === view.key ? view.order : "none" });
}

function sortBy({ key, first = "ascending" }) {
  const other = view.order === "ascending" ? "descending" : "ascending";
  view.order = key === view.key ? other : first;
  view.key = key;
  drawRows();
}

const quoted = (value) => {
  if (value === null || value === undefined) return "";
  // A cell that begins like a formula would be run by a spreadsheet.
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** What the table shows, all of its rows, as CSV: exact numbers, fractions for accuracies. */
function csv() {
  const names = ["study", "input", "label", "family", "network", "knobs", "parameters", "trainable_params", "macs", "bytes", "peak_memory", "seconds", "seeds", "diverged", "chance", "val_accuracy_mean", "val_accuracy_std", "val_accuracy_lower95", "test_accuracy_mean", "test_accuracy_std"];
  const line = (n) => [n.study.name, n.view.about?.input?.join("x"), n.label, n.family, n.network, knobsText(n.knobs), n.parameters, n.trainable_params, n.macs, n.bytes, n.peak_memory, n.seconds, n.validation.n, n.diverged, n.chance, n.validation.mean, n.validation.sd, n.validation.low, n.test?.mean, n.test?.sd];
  return [names, ...rows().map(line)].map((cells) => cells.map(quoted).join(",")).join("\r\n") + "\r\n";
}

// Of a study that watched its test part both columns would say the same.
const testOf = (network) => (onTest(network.study) ? null : network.test);

/** Make the table, and fill it whenever what it shows changes. */
export function startTable() {
  body = element("tbody");
  count = element("p", { class: "note", role: "status" });
  heads = COLUMNS.map((column) => ({
    key: column.key,
    head: element("th", { scope: "col", class: column.key === "name" ? null : "number" }, element("button", { type: "button", class: "sort", title: column.name ?? null, on: { click: () => sortBy(column) } }, column.title)),
  }));
  const words = element("input", { type: "search", id: "words", placeholder: "conv n=4", autocomplete: "off", on: { input: (event) => ((view.words = event.target.value), (view.most = FIRST), drawRows()) } });
  const only = element("input", { type: "checkbox", on: { change: (event) => ((view.frontierOnly = event.target.checked), (view.most = FIRST), drawRows()) } });
  const copy = element("button", { type: "button", class: "quiet", id: "copy-csv", on: { click: () => copyText(csv(), copy) } }, "Copy as CSV");
  more = element("button", { type: "button", class: "quiet small", on: { click: () => ((view.most += 500), drawRows()) } }, "Show more");
  fill(
    byId("networks"),
    element("h2", { id: "networks-title" }, "All networks"),
    element("div", { class: "bar tools" }, element("label", { class: "field" }, "Filter ", words), element("label", { class: "field" }, only, " frontier only"), copy),
    scrollable("Scrollable table of networks", element("table", { class: "networks" }, element("thead", null, element("tr", null, heads.map(({ head }) => head))), body)),
    element("div", { class: "bar" }, count, more),
  );
  listen(["content", "study", "hidden"], drawRows);
  listen(["size"], () => view.frontierOnly && drawRows());
  listen(["chosen"], () => {
    for (const node of body.querySelectorAll("tr")) {
      const chosen = node.dataset.id === state.chosen?.key;
      node.classList.toggle("chosen", chosen);
      const button = node.querySelector("button");
      if (chosen) button?.setAttribute("aria-current", "true");
      else button?.removeAttribute("aria-current");
    }
  });
}
