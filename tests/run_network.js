// Runs networks for tests/test_report_network.py: a line of JSON in ({network, images: [[…]]}), a line of JSON out.
"use strict";
const readline = require("readline");
const { pathToFileURL } = require("url");

function answered({ network, images }, issunNetwork) {
  const runner = issunNetwork(network);
  return images.map((pixels) => {
    const { probabilities, logits, activations } = runner.run(Uint8Array.from(pixels));
    return { probabilities, logits, activations: activations.map((values) => Array.from(values)) };
  });
}

import(pathToFileURL(process.argv[2])).then(({ issunNetwork }) => {
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    let answer;
    try {
      answer = answered(JSON.parse(line), issunNetwork);
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  });
});
