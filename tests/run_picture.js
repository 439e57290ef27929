// Calls functions of the classifier's page for tests/test_page_pictures.py: a line of JSON in ({module, name, arguments}), one out.
// Bytes are {bytes: base64} on both sides.
"use strict";
const path = require("path");
const readline = require("readline");
const { pathToFileURL } = require("url");

const given = (key, value) => (value && typeof value === "object" && "bytes" in value ? Uint8Array.from(Buffer.from(value.bytes, "base64")) : value);
const told = (key, value) => (value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("base64") } : value);

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const call = JSON.parse(line, given);
  const module = await import(pathToFileURL(path.join(process.argv[2], call.module)));
  const found = module[call.name](...call.arguments);
  process.stdout.write(JSON.stringify(found === undefined ? null : found, told) + "\n");
});
