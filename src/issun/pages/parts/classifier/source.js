// Where pictures come from: a file, or the camera. What they give is a picture of the network's channels, upright, on white.

import { element } from "../common/element.js";
import { coloured } from "./picture.js";

const STRIP = 2_000_000; // pixels that are read at a time: some phones draw nothing on larger canvases
const LARGEST = 89_478_485; // pixels of a picture, as Pillow takes them
const PNG = [0x89, 0x50, 0x4e, 0x47];
const DEPTH = 24; // where a PNG says how many bits a colour has

/** The picture of something that can be drawn: a decoded file, or what the camera sees. */
export function pictureOf(source, height, width, channels) {
  const data = new Uint8Array(height * width * channels);
  const rows = Math.min(height, Math.max(1, Math.floor(STRIP / width)));
  const canvas = element("canvas", { width, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white"; // transparent is white, as on paper
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.fillRect(0, 0, width, rows);
    context.drawImage(source, 0, -top);
    data.set(coloured(context.getImageData(0, 0, width, count).data, channels), top * width * channels);
  }
  return { data, height, width, channels };
}

/** Whether a file is a PNG of 16 bits: `issun predict` reads it, and a browser rounds it in its own way. */
async function isDeep(file) {
  const head = new Uint8Array(await file.slice(0, DEPTH + 1).arrayBuffer());
  return PNG.every((byte, i) => head[i] === byte) && head[DEPTH] === 16;
}

/** A file, decoded: its colours as they stand in it, turned as its EXIF says. Errors continue a sentence that begins with its name. */
export async function decoded(file) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => null);
  if (!bitmap) throw new Error("is not a picture that this browser can read. Choose a JPEG or PNG file.");
  if (bitmap.width * bitmap.height > LARGEST) throw new Error(`has more than ${LARGEST.toLocaleString("en-US")} pixels. Choose a smaller picture.`);
  if (await isDeep(file)) throw new Error("has 16 bits a colour, which browsers cannot read exactly. Save it with 8, or use issun predict.");
  return bitmap;
}

const REASONS = {
  NotAllowedError: "The camera was not allowed.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is used by another program.",
};

/** Let a video show what the camera sees; errors are sentences. */
export async function startCamera(video) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("This browser does not let a page opened from a file use the camera.");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    await video.play();
  } catch (error) {
    stopCamera(video);
    throw new Error(REASONS[error.name] ?? `The camera cannot be used (${error.message || error.name}).`);
  }
}

export function stopCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}
