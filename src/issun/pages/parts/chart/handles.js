// What is asked, as two lines that can be moved by mouse, finger and keys: the accuracy to reach and the most that it may cost.

import { fill, svg } from "../common/element.js";
import { SIZES, percent, roundPercent } from "../common/numbers.js";
import { change, currentBudget, overlaid, shownStudies, state, targetLine } from "../study/state.js";
import { hideTip } from "./points.js";

const WIDE = 62;
const HIGH = 24;

/** A line with a handle; `move` gets pixels, `step` keys. */
function handle({ part, label, now, least, most, text, line, box, axis, move, step }) {
  const node = svg(
    "g",
    {
      ...{ class: `handle ${part}`, role: "slider", tabindex: 0, "data-part": part, "aria-label": label, "aria-orientation": axis },
      ...{ "aria-valuemin": least, "aria-valuemax": most, "aria-valuenow": now, "aria-valuetext": text.said },
    },
    svg("line", { class: "catch", ...line }),
    svg("line", { class: "line", ...line }),
    svg("rect", { x: box.x, y: box.y, width: box.width, height: HIGH, rx: HIGH / 2 }),
    svg("text", { x: box.x + box.width / 2, y: box.y + HIGH / 2, dy: "0.34em", "text-anchor": "middle" }, text.short),
  );
  node.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    step(by);
  });
  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    node.focus({ preventScroll: true });
    hideTip();
    drag(event, move);
  });
  return node;
}

// The chart's front is drawn again while a line moves, so the movement is followed on the window. It is counted from where it began:
// the sentence above may take another line meanwhile and push the chart down.
function drag(event, move) {
  const [x, y] = d3.pointer(event, event.currentTarget.ownerSVGElement);
  let far = false;
  const follow = (moved) => {
    const [dx, dy] = [moved.clientX - event.clientX, moved.clientY - event.clientY];
    // A press that hardly moves is a click: it may be meant for a mark that lies on the line.
    far ||= Math.hypot(dx, dy) > 3;
    if (far && moved.pointerId === event.pointerId) move([x + dx, y + dy]);
  };
  const end = (ended) => {
    if (ended.pointerId !== event.pointerId) return;
    removeEventListener("pointermove", follow);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    document.documentElement.classList.remove("dragging");
    if (!far) return;
    // What comes after is a click on the chart, which is not meant.
    const swallow = (click) => click.stopPropagation();
    addEventListener("click", swallow, { capture: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
  };
  addEventListener("pointermove", follow);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
  document.documentElement.classList.add("dragging");
}

const setTarget = (fraction, y) => change({ target: Math.round(Math.min(y.high, Math.max(y.low, 1e-3, fraction)) * 1000) / 1000 });

function targetHandle({ y, area }) {
  const { value, own, study } = targetLine();
  const best = overlaid() ? `the best of ${study.name}` : "the best";
  const at = Math.min(area.bottom, Math.max(area.top, y(value)));
  return handle({
    ...{ part: "target", label: "Target: accuracy to reach", axis: "vertical" },
    ...{ now: +(100 * value).toFixed(2), least: +(100 * y.low).toFixed(1), most: +(100 * y.high).toFixed(1) },
    text: { short: percent(value, 1), said: `${roundPercent(value)}${own ? `, within 1 % of ${best}` : ""}` },
    line: { x1: area.left, x2: area.right, y1: at, y2: at },
    box: { x: area.right, y: at - HIGH / 2, width: WIDE - 4 },
    move: ([, py]) => setTarget(y.invert(Math.min(area.bottom, Math.max(area.top, py))), y),
    step: (by) => setTarget(Number.isFinite(by) ? value + by / 1000 : by < 0 ? y.low : y.high, y),
  });
}

function setBudget(budget, x) {
  const { size, budgets } = state;
  const two = +budget.toPrecision(2);
  // At the right end nothing is forbidden: there is no budget.
  const none = budget >= x.largest || two >= x.largest;
  change({ budgets: { ...budgets, [size]: none ? null : size === "seconds" ? two : Math.max(1, Math.round(two)) } });
}

function budgetHandle({ x, area, size }) {
  const budget = currentBudget();
  const { short, words } = SIZES[size];
  const at = budget === null ? area.right : x(budget);
  const text = budget === null ? "no budget" : `≤ ${short(budget)}`;
  const width = Math.max(WIDE, 8 * text.length + 14);
  return handle({
    ...{ part: "budget", label: `Budget: most ${SIZES[size].axis}`, axis: "horizontal" },
    ...{ now: budget ?? x.largest, least: +x.domain()[0].toPrecision(2), most: x.largest },
    text: { short: text, said: budget === null ? "no budget" : `at most ${words(budget)}` },
    line: { x1: at, x2: at, y1: area.top, y2: area.bottom },
    box: { x: Math.min(at - width / 2, area.right + 60 - width), y: area.top - HIGH - 2, width },
    move: ([px]) => setBudget(px >= area.right ? x.largest : x.invert(px), x),
    step: (by) => {
      const from = budget ?? x.largest;
      const factor = 10 ** (by / 20);
      if (!Number.isFinite(by)) return setBudget(by < 0 ? x.smallest : x.largest, x);
      // Two digits must change, or the key seems dead.
      const to = Number((from * factor).toPrecision(2));
      return setBudget(to === from ? from + Math.sign(by) * 10 ** Math.floor(Math.log10(from) - 1) : to, x);
    },
  });
}

/** Draw both lines, and pale what they leave out. */
export function drawHandles(parts) {
  const { x, y, area, front, shade, networks } = parts;
  const focused = front.contains(document.activeElement) ? document.activeElement.dataset.part : null;
  fill(shade);
  fill(front);
  const { value, own } = targetLine();
  if (!networks.length || value === null) return;
  const level = Math.min(area.bottom, Math.max(area.top, y(value)));
  const wide = area.right - area.left;
  // Of several studies each has its own line until one is drawn for all.
  if (!own || shownStudies().length === 1) shade.append(svg("rect", { x: area.left, y: level, width: wide, height: Math.max(0, area.bottom - level) }));
  const budget = currentBudget();
  if (budget !== null) shade.append(svg("rect", { x: x(budget), y: area.top, width: Math.max(0, area.right - x(budget)), height: level - area.top }));
  front.append(budgetHandle(parts), targetHandle(parts));
  if (focused) front.querySelector(`[data-part="${focused}"]`)?.focus({ preventScroll: true });
}
