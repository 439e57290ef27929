// The axes, as in issun.plots.scales: sizes by their logarithm, accuracies by the logarithm of the errors.

import { isKnown } from "../common/numbers.js";

const CLOSEST = 0.06;

/** A scale from accuracies (fractions) to pixels, stretched towards 100 %: equal steps are equal factors of the error rate. */
export function accuracyScale(values, [bottom, top]) {
  const known = values.filter(isKnown);
  const low = 100 * Math.max(0, Math.min(...known));
  const high = 100 * Math.min(1, Math.max(...known));
  // No error at all would lie at infinity: 100 % is drawn where `floor` lies.
  const floor = high < 100 ? (100 - high) / 2 : Math.min(0.1, (100 - low) / 2 || 0.1);
  const place = (percent) => -Math.log10(Math.max(100 - percent, floor));
  const span = place(high) - place(low);
  const margin = Math.max(0.07 * span, 0.02);
  const ends = [Math.max(place(low) - margin, -Math.log10(105)), place(high) + margin];
  const linear = d3.scaleLinear().domain(ends).range([bottom, top]);
  const scale = (fraction) => linear(place(100 * fraction));
  scale.invert = (pixel) => Math.min(1, Math.max(0, 1 - 10 ** -linear.invert(pixel) / 100));
  scale.ticks = () => accuracyTicks((percent) => (place(percent) - ends[0]) / (ends[1] - ends[0]), ends, high);
  scale.low = Math.max(0, 1 - 10 ** -ends[0] / 100);
  scale.high = high >= 100 ? 1 : Math.min(1, 1 - 10 ** -ends[1] / 100);
  return scale;
}

function accuracyTicks(place, ends, high) {
  const digitSets = [[1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9], Array.from({ length: 90 }, (_, i) => 1 + i / 10)];
  let chosen = [];
  for (const digits of digitSets) {
    chosen = high >= 100 ? [100] : [];
    for (let power = -5; power <= 2; power += 1) {
      for (const digit of digits) {
        const percent = 100 - digit * 10 ** power;
        const at = place(percent);
        if (percent >= 0 && at >= 0 && at <= 1 && chosen.every((other) => Math.abs(at - place(other)) >= CLOSEST)) chosen.push(percent);
      }
    }
    if (chosen.length >= 4) break;
  }
  return chosen.map((percent) => ({ value: percent / 100, text: `${+percent.toFixed(4)}\u00a0%` }));
}

/** A logarithmic scale from sizes to pixels, with a margin, and round ticks that do not run into each other. */
export function sizeScale(values, range, short) {
  const positive = values.filter((value) => isKnown(value) && value > 0);
  const [smallest, largest] = positive.length ? d3.extent(positive) : [1, 10];
  const span = largest / smallest;
  const margin = span > 1 ? Math.max(span ** 0.05, 1.25) : 3;
  const scale = d3.scaleLog().domain([smallest / margin, largest * margin]).range(range).clamp(true);
  const wide = Math.abs(range[1] - range[0]);
  const steps = (digits) => {
    const [low, high] = scale.domain();
    const powers = d3.range(Math.floor(Math.log10(low)) - 1, Math.ceil(Math.log10(high)) + 1);
    return powers.flatMap((power) => digits.map((digit) => +(digit * 10 ** power).toPrecision(6))).filter((value) => value >= low && value <= high);
  };
  const preferred = span > 3000 ? [1] : span > 150 ? [1, 3] : [1, 2, 5];
  let ticks = steps(preferred);
  if (ticks.length < 3) ticks = steps([1, 1.5, 2, 3, 4, 5, 6, 8]);
  const spaced = [];
  for (const tick of ticks) if (!spaced.length || Math.abs(scale(tick) - scale(spaced.at(-1))) > Math.max(46, 0.04 * wide)) spaced.push(tick);
  scale.marks = () => spaced.map((value) => ({ value, text: short(value) }));
  scale.smallest = smallest;
  scale.largest = largest;
  return scale;
}
