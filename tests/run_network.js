// Runs networks for tests/test_report_network.py: a line of JSON in ({network, images: [[…]]}), a line of JSON out.
"use strict";
const readline = require("readline");
const { issunNetwork } = require(process.argv[2]);
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let answer;
  try {
    const { network, images } = JSON.parse(line);
    const runner = issunNetwork(network);
    answer = images.map((pixels) => {
      const { probabilities, logits, activations } = runner.run(Uint8Array.from(pixels));
      return { probabilities, logits, activations: activations.map((values) => Array.from(values)) };
    });
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
