// Makes an image such as the networks know out of a file.

import { element } from "../common/element.js";
import { sampleImages } from "../common/pixels.js";
import { borderOf, centred, drawingStyle, inkOf } from "./drawing.js";

const LARGEST = 50_000_000;
const WORK = 256; // the longer side of a picture in which ink is looked for

function drawnAt(bitmap, width, height, crop) {
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // Transparent is white, as on paper.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, ...crop, 0, 0, width, height);
  return canvas;
}

/** Halve a part of a picture until it is less than twice as large as wanted: a browser's own reduction skips pixels. */
function reducedTo(bitmap, width, height, part = [0, 0, bitmap.width, bitmap.height]) {
  let steps = Math.max(0, Math.floor(Math.log2(Math.max(Math.min(part[2] / width, part[3] / height), 1))));
  let current = drawnAt(bitmap, Math.max(1, Math.round(width * 2 ** steps)), Math.max(1, Math.round(height * 2 ** steps)), part);
  for (; steps > 0; steps -= 1) current = drawnAt(current, width * 2 ** (steps - 1), height * 2 ** (steps - 1), [0, 0, current.width, current.height]);
  return current;
}

/** What is done to a picture of another shape, in words. */
const RESIZED = { crop: "cropped to its centre and resized", pad: "resized with black bars", stretch: "stretched" };

/** A picture as large as a network's input, resized as its training images were: "crop", "pad" or "stretch". */
function resizedTo(bitmap, width, height, resize) {
  if (resize === "stretch") return reducedTo(bitmap, width, height);
  if (resize === "pad") {
    const ratio = Math.max(bitmap.width / width, bitmap.height / height);
    const inner = [Math.min(width, Math.max(1, Math.round(bitmap.width / ratio))), Math.min(height, Math.max(1, Math.round(bitmap.height / ratio)))];
    const framed = element("canvas", { width, height });
    const context = framed.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "black";
    context.fillRect(0, 0, width, height);
    context.drawImage(reducedTo(bitmap, ...inner), Math.floor((width - inner[0]) / 2), Math.floor((height - inner[1]) / 2));
    return framed;
  }
  const ratio = Math.min(bitmap.width / width, bitmap.height / height);
  return reducedTo(bitmap, width, height, [(bitmap.width - ratio * width) / 2, (bitmap.height - ratio * height) / 2, ratio * width, ratio * height]);
}

const luminance = (data, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];

function pixelsOf(canvas, channels) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Uint8Array.from({ length: canvas.width * canvas.height * channels }, (_, i) =>
    channels === 1 ? Math.round(luminance(data, i)) : data[4 * Math.floor(i / channels) + (i % channels)],
  );
}

/** A picture of something on plain ground: its ink is found, scaled and centred as that of a drawing. */
function asDrawing(bitmap, style) {
  const scale = Math.min(1, WORK / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))];
  const canvas = resizedTo(bitmap, width, height, "crop");
  const grey = pixelsOf(canvas, 1);
  const ground = borderOf({ pixels: grey, height, width });
  const range = d3.max(grey, (value) => Math.abs(value - ground));
  if (range < 40) return null;
  const ink = Uint8Array.from(grey, (value) => Math.max(0, Math.min(255, (255 * (Math.abs(value - ground) / range - 0.15)) / 0.7)));
  const box = inkOf({ pixels: ink, height, width }, false);
  if (!box) return null;
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  ink.forEach((value, i) => (data.data[4 * i + 3] = value));
  context.putImageData(data, 0, 0);
  const ratio = style.extent / Math.max(box.width, box.height);
  return centred(style, (target) => {
    target.imageSmoothingQuality = "high";
    target.drawImage(canvas, box.left, box.above, box.width, box.height, (-box.width * ratio) / 2, (-box.height * ratio) / 2, box.width * ratio, box.height * ratio);
  });
}

/** The pixels of an image file for a network's input, and what was done to it; throws where it is no image. */
export async function imageOfFile(file, study) {
  const [height, width, channels] = study.about.input;
  if (file.size > LARGEST) throw new Error("the file is larger than 50 MB");
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("the browser cannot read this file as an image");
  });
  const whole = { height, width, channels };
  if (bitmap.width === width && bitmap.height === height) {
    return { ...whole, pixels: pixelsOf(drawnAt(bitmap, width, height, [0, 0, width, height]), channels), how: "Its pixels are used unchanged." };
  }
  const style = channels === 1 && plainGround(study) ? drawingStyle(study) : null;
  const drawing = style && asDrawing(bitmap, style);
  if (drawing) return { ...whole, pixels: drawing, how: "Its foreground was scaled and centred like a drawing." };
  const resize = study.about.resize ?? "crop";
  return { ...whole, pixels: pixelsOf(resizedTo(bitmap, width, height, resize), channels), how: `It was ${RESIZED[resize]} to ${height}x${width}.` };
}

/** Whether the images of a study lie on plain ground, as digits do: then only what stands out matters. */
function plainGround(study) {
  if (!study.images?.labels.length) return true;
  const grounds = sampleImages(study, 30).map(borderOf);
  return d3.mean(grounds, (ground) => Math.min(ground, 255 - ground)) < 25;
}
