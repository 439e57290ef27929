// The mark of a family: a colour and a shape of its own, so that whoever does not see the colour sees the shape.

import { svg } from "./element.js";

const polygon = (...corners) => (x, y, r) => `M${corners.map(([dx, dy]) => `${round(x + dx * r)},${round(y + dy * r)}`).join("L")}Z`;
const round = (number) => Math.round(number * 100) / 100;
const ring = (count, turn = 0) =>
  Array.from({ length: count }, (_, i) => [1.15 * Math.sin(turn + (2 * Math.PI * i) / count), -1.15 * Math.cos(turn + (2 * Math.PI * i) / count)]);
const cross = (turn) => {
  const a = 0.38, b = 1.12;
  const corners = [[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]];
  return corners.map(([x, y]) => [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)]);
};

// In the order of issun.plots.style.MARKERS.
const SHAPES = [
  (x, y, r) => `M${round(x - r)},${round(y)}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  polygon([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]),
  polygon([0, -1.2], [1.12, 0.85], [-1.12, 0.85]),
  polygon([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]),
  polygon([0, 1.2], [1.12, -0.85], [-1.12, -0.85]),
  polygon(...cross(0)),
  polygon(...cross(Math.PI / 4)),
  polygon([-1.2, 0], [0.85, -1.12], [0.85, 1.12]),
  polygon([1.2, 0], [-0.85, -1.12], [-0.85, 1.12]),
  polygon(...ring(5)),
];
export const COLOURS = 10;

/** The path of a series' mark around a point. After ten series colours come again, each with another shape. */
export const markPath = (series, x, y, r) => SHAPES[(series.number + 3 * Math.floor(series.number / COLOURS)) % SHAPES.length](x, y, r);

export const markClass = (series) => `mark c${series.number % COLOURS}`;

/** A small picture of the mark, to stand in text. */
export const markPicture = (series, size = 14) =>
  svg(
    "svg",
    { class: "mark-picture", viewBox: "-8 -8 16 16", width: size, height: size, "aria-hidden": "true" },
    svg("path", { class: markClass(series), d: markPath(series, 0, 0, 5.2) }),
  );
