// Classifies images with the scripts of an exported page, for its check: node page_check.js PAGE < images > probabilities.
// Images are bytes [image][row][column][channel], probabilities float32, little-endian, [image][class].
"use strict";
const fs = require("fs");
const vm = require("vm");

const page = fs.readFileSync(process.argv[2], "utf-8");
const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map((match) => match[1]);
const content = JSON.parse(/<script type="application\/json" id="content">([^]*?)<\/script>/.exec(page)[1]);
// All but the last, which begins to show the page: here is nothing to show it on.
const issun = vm.runInThisContext(`${scripts.slice(0, -1).join("\n")}\nissun`);
const { coloured, inputOf } = issun["classifier/picture.js"];
const network = issun["network.js"].issunNetwork(content.network);
const [height, width, channels] = network.input;
const size = height * width;

/** As a canvas gives it. */
function opaque(pixels) {
  const rgba = new Uint8ClampedArray(4 * size).fill(255);
  for (let i = 0; i < size; i += 1) for (let c = 0; c < 3; c += 1) rgba[4 * i + c] = pixels[i * channels + (channels === 1 ? 0 : c)];
  return rgba;
}

const images = fs.readFileSync(0);
const answers = [];
for (let first = 0; first < images.length; first += size * channels) {
  const rgba = opaque(images.subarray(first, first + size * channels));
  const { pixels } = inputOf({ data: coloured(rgba, channels), height, width, channels }, network.input);
  answers.push(...network.run(pixels).probabilities);
}
const out = Buffer.alloc(4 * answers.length);
answers.forEach((value, i) => out.writeFloatLE(value, 4 * i));
fs.writeSync(1, out);
