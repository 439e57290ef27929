// How a network learned: training and validation over the epochs, what they say in words, and how the other seeds ended.

import { dress, element, svg } from "../common/element.js";
import { capital, counted, duration, isKnown, percent } from "../common/numbers.js";

const HEIGHT = 190;

function drawn({ title, epoch, train, validation, kept, write, end, width }) {
  const values = [...train, ...validation].filter(isKnown);
  if (!values.length) return null;
  const area = { left: 48, right: width - 84, top: 14, bottom: HEIGHT - 26 };
  const x = d3.scaleLinear().domain([epoch[0], Math.max(epoch.at(-1), epoch[0] + 1)]).range([area.left, area.right]);
  const [low, high] = d3.extent(values);
  const y = d3.scaleLinear().domain(low === high ? [low - 0.5 * (Math.abs(low) || 1), high + 0.5 * (Math.abs(high) || 1)] : [low, end === 1 ? Math.min(1, high) : high]).nice(4).range([area.bottom, area.top]);
  const line = (curve) => d3.line((_, i) => x(epoch[i]), (value) => y(value)).defined(isKnown)(curve);
  const last = (curve) => curve.findLast(isKnown);
  const labels = [["train", last(train)], ["validation", last(validation)]].filter(([, value]) => value !== undefined).map(([name, value]) => ({ name, at: y(value) }));
  labels.sort((a, b) => a.at - b.at);
  if (labels.length === 2 && labels[1].at - labels[0].at < 15) {
    const middle = (labels[0].at + labels[1].at) / 2;
    [labels[0].at, labels[1].at] = [middle - 7.5, middle + 7.5];
  }
  const words = `${title} over ${epoch.length} epochs: training ends at ${write(last(train) ?? NaN)}, validation at ${write(last(validation) ?? NaN)}`;
  const cursor = svg("line", { class: "cursor", y1: area.top, y2: area.bottom, visibility: "hidden" });
  const said = svg("text", { class: "cursor-text", x: area.right, y: area.bottom - 6, "text-anchor": "end" });
  const picture = svg(
    "svg",
    { class: "curves", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": words },
    svg("g", { class: "grid" }, y.ticks(4).map((tick) => [svg("line", { x1: area.left, x2: area.right, y1: y(tick), y2: y(tick) }), svg("text", { x: area.left - 7, y: y(tick), dy: "0.33em", "text-anchor": "end" }, write(tick, true))])),
    svg("g", { class: "grid" }, x.ticks(width < 400 ? 4 : 6).filter(Number.isInteger).map((tick) => svg("text", { x: x(tick), y: area.bottom + 18, "text-anchor": "middle" }, tick))),
    kept && kept !== epoch.at(-1) ? svg("line", { class: "kept", x1: x(kept), x2: x(kept), y1: area.top, y2: area.bottom }) : null,
    svg("path", { class: "curve train", d: line(train) }),
    svg("path", { class: "curve validation", d: line(validation) }),
    labels.map(({ name, at }) => svg("text", { class: `curve-name ${name}`, x: area.right + 8, y: at, dy: "0.33em" }, name)),
    cursor,
    said,
  );
  picture.addEventListener("pointermove", (event) => {
    const at = x.invert(d3.pointer(event, picture)[0]);
    const i = Math.min(epoch.length - 1, Math.max(0, d3.bisectCenter(epoch, at)));
    dress(cursor, { x1: x(epoch[i]), x2: x(epoch[i]), visibility: "visible" });
    said.textContent = `epoch ${epoch[i]}: train ${write(train[i] ?? NaN)}, validation ${write(validation[i] ?? NaN)}`;
  });
  picture.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    said.textContent = "";
  });
  return element("figure", null, element("figcaption", null, title), picture);
}

function trials(network) {
  const cells = (trial) => [trial.seed, percent(trial.val_accuracy), percent(trial.train_accuracy), trial.kept === trial.epochs ? trial.epochs : `${trial.kept} of ${trial.epochs}`, duration(trial.seconds), trial.chance ? "never left chance" : trial.status];
  const names = ["seed", "validation", "train", "epochs", "time", ""];
  return element(
    "details",
    { class: "small-fold" },
    element("summary", null, `${counted(network.trials.length, "trial")}, one for each seed`),
    element(
      "table",
      null,
      element("thead", null, element("tr", null, names.map((name) => element(name ? "th" : "td", { class: "number", ...(name ? { scope: "col" } : {}) }, name)))),
      element("tbody", null, network.trials.map((trial) => element("tr", trial.seed === network.best_seed ? { class: "best" } : null, cells(trial).map((text) => element("td", { class: "number" }, text))))),
    ),
  );
}

export const trainingTab = {
  name: "training",
  title: "Training",
  has: (network, detail) => detail.curves?.epoch?.length > 0,
  make: (network, detail, width) => {
    const { epoch, kept, ...curves } = detail.curves;
    const accuracy = (value, tick) => percent(value, tick ? (value * 100) % 1 ? 1 : 0 : 1);
    const loss = (value) => (isKnown(value) ? String(+value.toPrecision(3)) : "–");
    const recipe = network.study.about?.recipes?.find?.(({ id }) => id === network.recipe);
    return [
      detail.diagnosis ? element("p", { class: "diagnosis" }, capital(detail.diagnosis)) : null,
      detail.remedy ? element("p", { class: "remedy" }, "Suggestion: ", detail.remedy) : null,
      drawn({ title: "Accuracy", epoch, train: curves.train_accuracy, validation: curves.val_accuracy, kept, write: accuracy, end: 1, width }),
      drawn({ title: "Loss", epoch, train: curves.train_loss, validation: curves.val_loss, kept, write: loss, width }),
      element("p", { class: "note" }, `Epochs of seed ${network.best_seed}, ${network.confirms ? "the first of confirmation" : "the best on validation"}.`, kept && kept !== epoch.at(-1) ? ` Its weights are from epoch ${kept} (dotted).` : "", recipe ? ` Recipe: ${recipe.text}.` : ""),
      network.trials?.length ? trials(network) : null,
    ];
  },
};
