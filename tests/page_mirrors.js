// Runs what the page has of its own of issun.numbers, issun.plots.scales and issun.plots.style, for tests/test_page_mirrors.py.
// node page_mirrors.js FOLDER: reads the cases from stdin, prints what the page makes of each, as JSON.
"use strict";
const fs = require("fs");
const path = require("path");
const { pathToFileURL } = require("url");
const vm = require("vm");

const folder = process.argv[2];
const load = (file) => import(pathToFileURL(path.join(folder, file)));
vm.runInThisContext(fs.readFileSync(path.join(folder, "vendor/d3.min.js"), "utf-8"));

async function main() {
  const numbers = await load("common/numbers.js");
  const { accuracyScale, sizeScale } = await load("chart/scales.js");
  const { COLOURS, markPath } = await load("common/marks.js");
  const cases = JSON.parse(fs.readFileSync(0, "utf-8"));
  const texts = cases.texts.map(([name, ...given]) => (name === "labelCount" ? numbers.SIZES.parameters.short : numbers[name])(...given));
  const accuracies = cases.accuracies.map(({ low, high, values }) => {
    const scale = accuracyScale([low, high], [0, 1]);
    return { ends: [scale.low, scale.high], places: values.map(scale) };
  });
  const sizes = cases.sizes.map(([low, high]) => {
    const scale = sizeScale([low, high], [0, 1e6], String); // so long that pixels never count
    return { ends: scale.domain(), ticks: scale.marks().map(({ value }) => value) };
  });
  const marks = Array.from({ length: COLOURS }, (_, number) => markPath({ number }, 0, 0, 1));
  process.stdout.write(JSON.stringify({ texts, accuracies, sizes, marks }));
}
main();
