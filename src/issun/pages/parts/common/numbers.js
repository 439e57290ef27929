// Counts, bytes and accuracies written for people, as issun.numbers writes them, with spaces that do not break.

export const SPACE = "\u00a0";

export const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

/** So many digits after the point. Of what lies exactly between two numbers the even one, as Python writes it: 97.25 % is 97.2 %. */
export function fixed(value, digits) {
  const scaled = value * 10 ** digits;
  const tie = Number.isInteger(value * 2 ** (digits + 1)) && Math.abs(scaled % 1) === 0.5;
  return tie ? ((2 * Math.round(scaled / 2)) / 10 ** digits).toFixed(digits) : value.toFixed(digits);
}

/** 1,200 */
export const whole = (count) => (isKnown(count) ? Number(fixed(count, 0)).toLocaleString("en-US") : "–");

/** 932, 4.8k, 1.2M */
export function shortCount(count) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (count >= size * 0.9995) return fixed(count / size, 1).replace(/\.0$/, "") + unit;
  }
  return count < 10 && count % 1 ? String(+count.toPrecision(2)) : fixed(count, 0);
}

/** Exactly where that is short (4,802), else rounded (669.7k). */
const labelCount = (count) => (count < 100000 ? whole(count) : shortCount(count));

/** 932 B, 3.7 kB */
export function bytesText(count) {
  if (!isKnown(count)) return "–";
  if (count < 1000) return `${whole(count)}${SPACE}B`;
  const text = shortCount(count);
  return `${text.slice(0, -1)}${SPACE}${text.slice(-1)}B`;
}

/** 97.31 % of a fraction; an en dash where there is none. */
export const percent = (fraction, digits = 2) => (isKnown(fraction) ? `${fixed(100 * fraction, digits)}${SPACE}%` : "–");

/** 97 %, 97.5 %: no more digits than it has. */
export const roundPercent = (fraction) => `${+(100 * fraction).toFixed(2)}${SPACE}%`;

/** 97.31 ± 0.12 %; without the spread where there is none. */
export function meanText(mean, sd, digits = 2) {
  if (!isKnown(mean) || !isKnown(sd)) return percent(mean, digits);
  return `${fixed(100 * mean, digits)}${SPACE}±${SPACE}${fixed(100 * sd, digits)}${SPACE}%`;
}

/** For a sentence: one digit, or two where one would write a spread of 0.0. */
export const saidMean = ({ mean, sd }) => meanText(mean, sd, isKnown(sd) && sd >= 0.0005 ? 1 : 2);

/** 0.8 s, 42 s, 3 min 20 s, 2 h 05 min */
export function duration(seconds) {
  if (!isKnown(seconds)) return "–";
  if (seconds < 0.095) return `${+seconds.toPrecision(1)}${SPACE}s`;
  if (seconds < 9.95) return `${fixed(seconds, 1)}${SPACE}s`;
  const whole = Number(fixed(seconds, 0));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}${SPACE}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${SPACE}min${SPACE}${two(whole % 60)}${SPACE}s`;
  return `${Math.floor(whole / 3600)}${SPACE}h${SPACE}${two(Math.floor((whole % 3600) / 60))}${SPACE}min`;
}

/** 1 network, 1,200 networks */
export const counted = (count, word) => `${whole(count)} ${word}${count === 1 ? "" : "s"}`;

/** A sentence begins with a capital. */
export const capital = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");

/** n=2 a=3 */
export const knobsText = (knobs) => Object.entries(knobs ?? {}).map(([name, value]) => `${name}=${value}`).join(" ");

/** The five sizes: how each is called, written on an axis and in full, and what the answer says of it. */
export const SIZES = {
  parameters: {
    ...{ name: "Parameters", axis: "parameters", full: whole, short: labelCount, words: (count) => counted(count, "parameter") },
    ...{ lead: "The smallest network", verb: "has", largest: "the largest", limit: "with at most" },
  },
  macs: {
    ...{ name: "MACs", axis: "multiply-accumulates for one image", full: whole, short: labelCount, words: (count) => counted(count, "MAC") },
    ...{ lead: "The cheapest network", verb: "needs", largest: "the most expensive", limit: "with at most" },
  },
  bytes: {
    ...{ name: "Bytes", axis: "bytes of weights, float32", full: bytesText, short: bytesText, words: bytesText },
    ...{ lead: "The lightest network", verb: "weighs", largest: "the heaviest", limit: "of at most" },
  },
  peak_memory: {
    ...{ name: "Memory", axis: "bytes of working memory for one image", full: bytesText, short: bytesText, words: (count) => `${bytesText(count)} of memory` },
    ...{ lead: "The most frugal network", verb: "needs", largest: "the most demanding", limit: "with at most" },
  },
  seconds: {
    ...{ name: "Seconds", axis: "time to train with one seed", full: duration, short: duration, words: duration },
    ...{ lead: "The quickest network", verb: "trains in", largest: "the slowest", limit: "that trains in at most" },
  },
};
