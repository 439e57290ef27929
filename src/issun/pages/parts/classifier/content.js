// Finds what stands out of a grey picture's ground, and puts it into the frame as the training images have it: `fitted_content` of
// `issun.datasets.appearance`, to the same bytes.

import { resized } from "./resize.js";

const WORK = 256; // the longer side of a picture in which content is looked for
const FINE = 8; // how many times finer than the image content is drawn
const [LEAST, NOTHING, RISE, IN_BOX] = [40, 0.15, 0.7, 0.2];

/** Of what lies exactly between two whole numbers, the even one. */
const rounded = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** The median along the edge of a grey image, corners counted twice. */
export function groundOf(grey, height, width) {
  const edge = [];
  for (let x = 0; x < width; x += 1) edge.push(grey[x], grey[(height - 1) * width + x]);
  for (let y = 0; y < height; y += 1) edge.push(grey[y * width], grey[y * width + width - 1]);
  edge.sort((a, b) => a - b);
  return (edge[edge.length / 2 - 1] + edge[edge.length / 2]) / 2;
}

/** The box of the pixels that `isInk` holds for, its ends inside; null where there are none. */
export function boxOf(isInk, height, width) {
  let [above, below, left, right] = [height, -1, width, -1];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (isInk(y * width + x)) [above, below, left, right] = [Math.min(above, y), y, Math.min(left, x), Math.max(right, x)];
    }
  }
  return below < 0 ? null : { above, below, left, right };
}

/** Content `ratio` times as large, its middle so far below and right of that of an image; values from 0 to 255. */
function painted(content, ratio, height, width, down, right) {
  const [high, wide] = [height / ratio, width / ratio];
  const top = content.height / 2 - (height / 2 + down) / ratio;
  const left = content.width / 2 - (width / 2 + right) / ratio;
  const room = Math.ceil(Math.max(0, -top, -left, top + high - content.height, left + wide - content.width));
  const padded = { height: content.height + 2 * room, width: content.width + 2 * room, channels: 1 };
  padded.data = new Uint8Array(padded.height * padded.width);
  for (let y = 0; y < content.height; y += 1) {
    padded.data.set(content.data.subarray(y * content.width, (y + 1) * content.width), (y + room) * padded.width + room);
  }
  const fine = resized(padded, height * FINE, width * FINE, [left + room, top + room, left + room + wide, top + room + high]).data;
  return Float64Array.from({ length: height * width }, (_, i) => {
    const first = Math.floor(i / width) * FINE * width * FINE + (i % width) * FINE;
    let sum = 0;
    for (let y = 0; y < FINE; y += 1) for (let x = 0; x < FINE; x += 1) sum += fine[first + y * width * FINE + x];
    return sum / (FINE * FINE);
  });
}

/** The pixels of an image with the content of a grey picture; null where nothing stands out of its ground. */
export function fittedContent(picture, style, height, width) {
  const scale = Math.min(1, WORK / Math.max(picture.height, picture.width));
  const side = (size) => Math.max(1, rounded(size * scale));
  const small = scale < 1 ? resized(picture, side(picture.height), side(picture.width)) : picture;
  const ground = groundOf(small.data, small.height, small.width);
  const beyond = Float64Array.from(small.data, (value) => Math.abs(value - ground));
  const most = beyond.reduce((a, b) => Math.max(a, b), 0);
  if (most < LEAST) return null;
  const ink = Uint8Array.from(beyond, (value) => Math.min(255, Math.max(0, (255 * (value / most - NOTHING)) / RISE)));
  const box = boxOf((i) => ink[i] > 255 * IN_BOX, small.height, small.width);
  if (!box) return null;
  const content = { height: box.below - box.above + 1, width: box.right - box.left + 1 };
  content.data = new Uint8Array(content.height * content.width);
  for (let y = 0; y < content.height; y += 1) {
    const first = (box.above + y) * small.width + box.left;
    content.data.set(ink.subarray(first, first + content.width), y * content.width);
  }
  const ratio = style.extent / Math.max(content.height, content.width);
  let drawn = painted(content, ratio, height, width, 0, 0);
  const total = drawn.reduce((a, b) => a + b, 0);
  if (style.by_mass && total) {
    const down = (height - 1) / 2 - drawn.reduce((sum, value, i) => sum + value * Math.floor(i / width), 0) / total;
    const right = (width - 1) / 2 - drawn.reduce((sum, value, i) => sum + value * (i % width), 0) / total;
    drawn = painted(content, ratio, height, width, down, right);
  }
  return Uint8Array.from(drawn, (value) => rounded(style.dark ? 255 - value : value));
}
