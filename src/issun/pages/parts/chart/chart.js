// Accuracy against size: the picture that the answer stands on. points.js finds a point in it, handles.js moves its lines.

import { byId, fill, fillSwitch, svg } from "../common/element.js";
import { COLOURS, markClass, markPath } from "../common/marks.js";
import { SIZES, counted } from "../common/numbers.js";
import { frontierOf } from "../study/choose.js";
import { hasFailed, onTest } from "../study/content.js";
import { answerNetwork, change, listen, networksOf, overlaid, seriesOf, shownNetworks, shownSeries, shownStudies, state } from "../study/state.js";
import { drawHandles } from "./handles.js";
import { findPoints } from "./points.js";
import { accuracyScale, sizeScale } from "./scales.js";

const MARGIN = { top: 30, right: 64, bottom: 46, left: 56 };
const MOST_LABELS = 8;

/** What a part of the chart needs to draw: where it lies, its scales, and what is shown. */
function layout(width) {
  const { size } = state;
  const height = width < 520 ? 380 : Math.max(400, Math.min(520, Math.round(0.6 * width)));
  const margin = width < 520 ? { ...MARGIN, left: 50, right: 56 } : MARGIN;
  const all = shownSeries().flatMap((series) => series.networks);
  const networks = shownNetworks().filter((network) => network.validation.mean !== null && network[size] > 0);
  const ends = all.flatMap(({ validation: { mean, sd } }) => (mean === null ? [] : [mean, Math.max(0, mean - (sd ?? 0))]));
  const target = state.asked.target;
  const area = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
  return {
    ...{ width, height, area, networks, size },
    y: accuracyScale(target ? [...ends, target] : ends.length ? ends : [0, 1], [area.bottom, area.top]),
    x: sizeScale(all.map((network) => network[size]), [area.left, area.right], SIZES[size].short),
    studies: shownStudies(),
    frontiers: shownStudies().map((study) => frontierOf(networksOf(study).filter((n) => n[size] > 0), size)),
  };
}

function axes({ x, y, area, width, height, size }) {
  const grid = svg("g", { class: "grid", "aria-hidden": "true" });
  for (const { value, text } of y.ticks()) {
    const at = y(value);
    grid.append(svg("line", { x1: area.left, x2: area.right, y1: at, y2: at }));
    grid.append(svg("text", { x: area.left - 8, y: at, dy: "0.33em", "text-anchor": "end" }, text));
  }
  for (const { value, text } of x.marks()) {
    grid.append(svg("line", { x1: x(value), x2: x(value), y1: area.top, y2: area.bottom }));
    grid.append(svg("text", { x: x(value), y: area.bottom + 18, "text-anchor": "middle" }, text));
  }
  grid.append(svg("line", { class: "base", x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom }));
  grid.append(svg("text", { class: "axis", x: area.right, y: height - 8, "text-anchor": "end" }, SIZES[size].axis));
  grid.append(svg("text", { class: "axis", x: width < 520 ? 2 : area.left - 48, y: 14 }, shownStudies().every(onTest) ? "test accuracy, as published" : "validation accuracy"));
  return grid;
}

/** All networks: for each series one path of marks and one of bars, so that thousands stay light. */
function marks({ networks, frontiers, x, y, size }) {
  const onFrontier = new Set(frontiers.flat());
  const crowded = networks.length > 60;
  const group = svg("g", { class: `marks${crowded ? " crowded" : ""}`, "aria-hidden": "true" });
  for (const series of shownSeries()) {
    const own = networks.filter((network) => seriesOf(network) === series);
    if (!own.length) continue;
    const name = markClass(series);
    if (!overlaid() && own.length > 1 && own.every((network) => Object.keys(network.knobs ?? {}).length === 1)) {
      const line = d3.line((network) => x(network[size]), (network) => y(network.validation.mean));
      group.append(svg("path", { class: `thread ${name}`, d: line([...own].sort((a, b) => a[size] - b[size])) }));
    }
    group.append(svg("path", { class: `bars ${name}`, d: own.map((network) => bar(network, x(network[size]), y)).join("") }));
    const path = (chosen, r) => chosen.map((network) => markPath(series, x(network[size]), y(network.validation.mean), r)).join("");
    group.append(svg("path", { class: `pale ${name}`, d: path(own.filter((n) => !onFrontier.has(n)), crowded ? 2.8 : 4) }));
    group.append(svg("path", { class: `strong ${name}`, d: path(own.filter((n) => onFrontier.has(n)), 6) }));
  }
  return group;
}

function bar({ validation: { mean, sd } }, at, y) {
  return sd ? `M${at.toFixed(1)},${y(Math.max(y.low, mean - sd)).toFixed(1)}V${y(Math.min(y.high, mean + sd)).toFixed(1)}` : "";
}

/** The frontier of each study as steps: this accuracy is had from this size on. */
function steps({ studies, frontiers, x, y, area, size }) {
  const group = svg("g", { class: "steps", "aria-hidden": "true" });
  frontiers.forEach((frontier, number) => {
    if (!frontier.length) return;
    const corners = frontier.map((n) => `${x(n[size])},${y(n.validation.mean)}`);
    const path = `M${corners[0]}${frontier.slice(1).map((n) => `H${x(n[size])}V${y(n.validation.mean)}`).join("")}H${area.right}`;
    const own = overlaid() ? ` own c${studies[number].number % COLOURS}` : "";
    group.append(svg("path", { d: path, class: `step s${number % 3}${own}` }));
  });
  return group;
}

/** Sizes of the networks of the frontier, the answer's first, wherever they hide nothing. */
function labels({ frontiers, x, y, area, size }) {
  const group = svg("g", { class: "labels", "aria-hidden": "true" });
  const answer = answerNetwork();
  const taken = [];
  const points = frontiers.flat().map((n) => ({ network: n, at: [x(n[size]), y(n.validation.mean)] }));
  const ranked = [...points].sort((a, b) => (b.network === answer) - (a.network === answer) || b.network.validation.mean - a.network.validation.mean);
  for (const { network, at } of ranked) {
    if (taken.length >= MOST_LABELS) break;
    const text = SIZES[size].short(network[size]);
    const wide = 7 * text.length;
    const box = { left: at[0] - wide - 7, right: at[0] - 5, top: at[1] - 24, bottom: at[1] - 8 };
    const free =
      box.left > area.left &&
      box.top > area.top - 16 &&
      taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom) &&
      points.every((other) => !(other.at[0] > box.left - 4 && other.at[0] < box.right + 2 && other.at[1] > box.top - 4 && other.at[1] < box.bottom + 4));
    if (!free) continue;
    taken.push(box);
    group.append(svg("text", { x: box.right, y: box.bottom - 3, "text-anchor": "end", class: network === answer ? "answer-label" : null }, text));
  }
  return group;
}

/** Rings around the network that is the answer, and around the one whose page is open. */
function rings({ networks, x, y, size }) {
  const group = svg("g", { class: "rings", "aria-hidden": "true" });
  const around = (network, name, r) => {
    if (networks.includes(network)) group.append(svg("circle", { class: name, cx: x(network[size]), cy: y(network.validation.mean), r }));
  };
  around(state.chosen, "chosen", 11);
  return group;
}

let parts = null;

function draw() {
  const node = byId("chart");
  const width = Math.max(300, Math.round(node.clientWidth));
  const given = layout(width);
  const picture = svg("svg", {
    ...{ width, height: given.height, viewBox: `0 0 ${width} ${given.height}`, role: "group" },
    "aria-label": `Accuracy on validation against ${SIZES[given.size].axis}, ${counted(given.networks.length, "network")}; the table below has the same figures`,
  });
  const shade = svg("g", { class: "shade", "aria-hidden": "true" });
  const front = svg("g", null);
  picture.append(shade, axes(given), steps(given), marks(given), labels(given), rings(given), front);
  const focus = node.contains(document.activeElement) ? document.activeElement.dataset.part : null;
  fill(node, picture);
  if (!given.networks.length) {
    picture.append(svg("text", { class: "empty", x: width / 2, y: given.height / 2, "text-anchor": "middle" }, "no network has been measured yet"));
  }
  parts = { ...given, node, picture, shade, front };
  findPoints(parts);
  drawHandles(parts);
  if (focus) node.querySelector(`[data-part="${focus}"]`)?.focus();
  note(given);
}

function note({ networks }) {
  const failed = networks.filter(hasFailed).length;
  const spread = networks.some((network) => network.validation.sd);
  byId("chart-note").textContent = [
    overlaid() ? "Each step line is the frontier of a study: no smaller network of that study beats a network on it." : "The step line is the frontier: no smaller network beats a network on it.",
    spread ? "Bars are ± one standard deviation over seeds." : "",
    failed ? `Failed seeds are included in the means of ${counted(failed, "network")}.` : "",
    "Each equal step upwards halves the error rate.",
    "Drag the two lines to change the target and the budget.",
  ].filter(Boolean).join(" ");
}

/** Draw again only what the moving of a line changes. */
function redrawFront() {
  for (const [name, make] of [["labels", labels], ["rings", rings]]) parts.picture.querySelector(`.${name}`).replaceWith(make(parts));
  drawHandles(parts);
}

/** Draw the chart, and again whenever what it shows changes. */
export function startChart() {
  listen(["content", "study", "size", "hidden"], draw);
  listen(["target", "budgets", "chosen"], (changed) => {
    if (parts && !["content", "study", "size", "hidden"].some((name) => changed.has(name))) redrawFront();
  });
  const sizes = byId("sizes");
  fillSwitch(sizes, "size", Object.entries(SIZES).map(([key, { name }]) => [key, name]), state.size, (size) => change({ size }));
  let width = byId("chart").clientWidth;
  new ResizeObserver(() => {
    if (byId("chart").clientWidth === width) return;
    width = byId("chart").clientWidth;
    draw();
  }).observe(byId("chart"));
}
