// Makes an image such as the networks know out of a drawing: strokes are scaled, centred and inked as the sample images are.

import { element } from "../common/element.js";
import { sampleImages } from "../common/pixels.js";

const FINE = 8; // a pixel of the image is drawn this many times finer
const STROKE = 2.2; // the line of a digit is about this many times as long as the digit is high

/** What the images of an album have in common: which is ink, how large it is, where its middle lies, how thick its lines are. */
export function drawingStyle(study) {
  const album = study.images;
  const [height, width, channels] = study.about?.input ?? [];
  if (channels !== 1) return null;
  const usual = { dark: false, extent: 0.72 * Math.max(height, width), byMass: true, line: 0.1 * Math.max(height, width), height, width };
  if (!album || album.channels !== 1 || !album.labels.length) return usual;
  const images = sampleImages(study, 60);
  const dark = d3.mean(images, (image) => borderOf(image)) > 127;
  const boxes = images.map((image) => inkOf(image, dark)).filter(Boolean);
  if (!boxes.length) return { ...usual, dark };
  const scale = Math.max(height, width) / Math.max(album.height, album.width);
  // Data sets put the middle of the ink's box, or its centre of mass, into the middle of the image: whichever wanders less.
  const wander = (key) => d3.mean(boxes, (box) => Math.hypot(box[key][0] - (album.width - 1) / 2, box[key][1] - (album.height - 1) / 2));
  const extent = d3.median(boxes, (box) => Math.max(box.width, box.height)) * scale;
  const line = d3.median(boxes, (box) => box.sum / (STROKE * Math.max(box.width, box.height))) * scale;
  return { dark, extent, byMass: wander("mass") < wander("middle"), line: Math.min(Math.max(line, 0.5), extent / 3), height, width };
}

/** What lies along the edge of an image, most of the time: its ground. */
export function borderOf({ pixels, height, width }) {
  const edge = [];
  for (let i = 0; i < width; i += 1) edge.push(pixels[i], pixels[(height - 1) * width + i]);
  for (let i = 0; i < height; i += 1) edge.push(pixels[i * width], pixels[i * width + width - 1]);
  return d3.median(edge);
}

/** The box of what is inked, its middle, its centre of mass and the sum of the ink; null where there is none. */
export function inkOf({ pixels, height, width }, dark) {
  let [sum, sumX, sumY, left, right, above, below] = [0, 0, 0, Infinity, -1, Infinity, -1];
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const value = pixels[row * width + column] / 255;
      const ink = dark ? 1 - value : value;
      sum += ink;
      sumX += ink * column;
      sumY += ink * row;
      if (ink > 0.2) [left, right, above, below] = [Math.min(left, column), Math.max(right, column), Math.min(above, row), Math.max(below, row)];
    }
  }
  if (right < 0) return null;
  return { sum, mass: [sumX / sum, sumY / sum], middle: [(left + right) / 2, (above + below) / 2], left, above, width: right - left + 1, height: below - above + 1 };
}

/** Ink (0 to 1) for each pixel of a canvas that is FINE times too large. */
function reduced(context, height, width) {
  const data = context.getImageData(0, 0, width * FINE, height * FINE).data;
  return Float32Array.from({ length: height * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width) * FINE, (i % width) * FINE];
    let sum = 0;
    for (let y = row; y < row + FINE; y += 1) for (let x = column; x < column + FINE; x += 1) sum += data[4 * (y * width * FINE + x) + 3];
    return sum / (255 * FINE * FINE);
  });
}

/** Paint onto a fine canvas, look where the ink came to lie, and paint again with its centre of mass in the middle. */
export function centred(style, paint) {
  const { height, width, dark, byMass } = style;
  const canvas = element("canvas", { width: width * FINE, height: height * FINE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const painted = (dx, dy) => {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(FINE, 0, 0, FINE, (width / 2 + dx) * FINE, (height / 2 + dy) * FINE);
    paint(context);
    return reduced(context, height, width);
  };
  let ink = painted(0, 0);
  if (byMass) {
    const sum = d3.sum(ink) || 1;
    const x = d3.sum(ink, (value, i) => value * (i % width)) / sum;
    const y = d3.sum(ink, (value, i) => value * Math.floor(i / width)) / sum;
    ink = painted((width - 1) / 2 - x, (height - 1) / 2 - y);
  }
  return Uint8Array.from(ink, (value) => Math.round(255 * (dark ? 1 - value : value)));
}

/** Trace strokes, lists of points, as smooth lines. */
export function trace(context, strokes) {
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    stroke.forEach((point, i) => {
      const next = stroke[i + 1];
      if (next) context.quadraticCurveTo(...point, (point[0] + next[0]) / 2, (point[1] + next[1]) / 2);
      else context.lineTo(point[0] + 1e-3, point[1]);
    });
    context.stroke();
  }
}

/** The image that strokes (points from 0 to 1) stand for. */
export function imageOfStrokes(strokes, style) {
  const points = strokes.flat();
  const [left, right] = d3.extent(points, ([x]) => x);
  const [above, below] = d3.extent(points, ([, y]) => y);
  const longest = Math.max(right - left, below - above);
  // A dot stays small: it is not blown up to the size of a digit.
  const scale = (style.extent - style.line) / Math.max(longest, 0.15);
  const moved = strokes.map((stroke) => stroke.map(([x, y]) => [(x - (left + right) / 2) * scale, (y - (above + below) / 2) * scale]));
  return centred(style, (context) => {
    context.lineWidth = style.line;
    trace(context, moved);
  });
}

/** What is done to a drawing, in words. */
export const styleWords = ({ extent, byMass, height, width }) =>
  `A drawing is scaled so that its longer side has ${+extent.toFixed(0)} of the ${Math.max(height, width)} pixels, and ${byMass ? "its centre of mass" : "the centre of its bounding box"} is moved to the centre, as in the training images.`;
