/* Runs a network of a page in the browser: what `issun.exporters.page` writes, it reads.

   const network = issunNetwork(detail.weights);
   const { probabilities, logits, activations } = network.run(pixels);

   `pixels` is a Uint8Array [row][column][channel]. `probabilities` and `logits` have one number a class; `activations` has for each
   row of the network what leaves it: a Float32Array [channel][row][column], of the shape that the row states. Sums are taken in double
   precision and rounded to float32 where a row ends; the compiled core computes in float32 throughout: both agree to 1e-4. */

import { floatsOf } from "./common/encoded.js";

// Values one by one.

/* The error function by its series of positive terms (Abramowitz & Stegun 7.1.6), which loses no digits. */
function erf(z) {
  const size = Math.abs(z);
  if (size > 6) return Math.sign(z);
  let term = size;
  let sum = size;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  return (Math.sign(z) * 2 * Math.exp(-z * z) * sum) / Math.sqrt(Math.PI);
}

const ACTIVATIONS = {
  relu: (x) => (x > 0 ? x : 0),
  leaky: (x, slope) => (x > 0 ? x : slope * x),
  prelu: (x, slope) => (x > 0 ? x : slope * x),
  gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  hardswish: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  tanh: (x) => Math.tanh(x),
  relu6: (x) => Math.min(6, Math.max(0, x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  silu: (x) => x / (1 + Math.exp(-x)),
  elu: (x, slope) => (x > 0 ? x : slope * Math.expm1(x)),
  rational: (x, [a, b, c, d]) => {
    const s = (d * x) / (1 + Math.abs(d * x));
    return x * (a + s * (b + s * c));
  },
};

/* Add the bias and apply the activation to one channel of sums, and store it. */
function finish(row, weights, channel, sums, out, at) {
  const bias = row.bias === undefined ? 0 : weights[row.bias + channel];
  const activation = ACTIVATIONS[row.activation];
  const curve = row.coefficients === undefined ? row.negative : weights.subarray(row.coefficients, row.coefficients + 4);
  const slope = row.slope === undefined ? curve : weights[row.slope + channel];
  for (let i = 0; i < sums.length; i++) {
    // What enters an activation is a float32 too.
    const value = Math.fround(sums[i] + bias);
    out[at + i] = activation ? activation(value, slope) : value;
  }
}

// Windows.

/* The output positions of one axis at which a tap falls inside the image: from the first to one past the last. */
function reach(tap, dilation, stride, pad, size, positions) {
  const start = tap * dilation - pad;
  const first = Math.max(0, Math.ceil(-start / stride));
  const last = Math.min(positions, Math.floor((size - 1 - start) / stride) + 1);
  return [first, last, start];
}

/* Add to `sums` one channel of the image under one kernel. */
function correlate(row, image, from, weights, kernel, sums) {
  const [, height, width] = row.input;
  const [, rows, columns] = row.output;
  for (let i = 0; i < row.window[0]; i++) {
    const [top, bottom, down] = reach(i, row.dilation[0], row.stride[0], row.pad[0], height, rows);
    for (let j = 0; j < row.window[1]; j++) {
      const [left, right, across] = reach(j, row.dilation[1], row.stride[1], row.pad[1], width, columns);
      const weight = weights[kernel + i * row.window[1] + j];
      for (let y = top; y < bottom; y++) {
        const line = from + (y * row.stride[0] + down) * width + across;
        for (let x = left; x < right; x++) sums[y * columns + x] += weight * image[line + x * row.stride[1]];
      }
    }
  }
}

/* Each window's maximum or mean; what lies outside the image does not count. */
function pool(row, image, out, isMax) {
  const [channels, height, width] = row.input;
  const [, rows, columns] = row.output;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < rows; y++) {
      const top = y * row.stride[0] - row.pad[0];
      const [y0, y1] = [Math.max(0, top), Math.min(height, top + row.window[0])];
      for (let x = 0; x < columns; x++) {
        const left = x * row.stride[1] - row.pad[1];
        const [x0, x1] = [Math.max(0, left), Math.min(width, left + row.window[1])];
        let found = isMax ? -Infinity : 0;
        for (let v = y0; v < y1; v++) {
          for (let u = x0; u < x1; u++) {
            const value = image[(c * height + v) * width + u];
            found = isMax ? Math.max(found, value) : found + value;
          }
        }
        out[(c * rows + y) * columns + x] = isMax ? found : found / ((y1 - y0) * (x1 - x0));
      }
    }
  }
}

// Operators: each fills `out` from `image`, the output of the row that it reads.

const OPERATORS = {
  conv(row, image, out, weights) {
    const [channels, height, width] = row.input;
    const [filters, rows, columns] = row.output;
    const taps = row.window[0] * row.window[1];
    const seen = channels / row.groups;
    for (let f = 0; f < filters; f++) {
      const sums = new Float64Array(rows * columns);
      const first = Math.floor((f * row.groups) / filters) * seen;
      for (let c = 0; c < seen; c++) {
        correlate(row, image, (first + c) * height * width, weights, row.kernel + (f * seen + c) * taps, sums);
      }
      finish(row, weights, f, sums, out, f * sums.length);
    }
  },
  dwconv(row, image, out, weights) {
    const [channels, height, width] = row.input;
    const [filters, rows, columns] = row.output;
    const taps = row.window[0] * row.window[1];
    for (let f = 0; f < filters; f++) {
      const sums = new Float64Array(rows * columns);
      const c = Math.floor((f * channels) / filters);
      correlate(row, image, c * height * width, weights, row.kernel + f * taps, sums);
      finish(row, weights, f, sums, out, f * sums.length);
    }
  },
  dense(row, image, out, weights) {
    const sum = new Float64Array(1);
    for (let unit = 0; unit < row.output[0]; unit++) {
      const kernel = row.kernel + unit * image.length;
      sum[0] = 0;
      for (let i = 0; i < image.length; i++) sum[0] += weights[kernel + i] * image[i];
      finish(row, weights, unit, sum, out, unit);
    }
  },
  max(row, image, out) {
    pool(row, image, out, true);
  },
  average(row, image, out) {
    pool(row, image, out, false);
  },
  gap(row, image, out) {
    const area = row.input[1] * row.input[2];
    for (let c = 0; c < row.input[0]; c++) {
      let sum = 0;
      for (let i = 0; i < area; i++) sum += image[c * area + i];
      out[c] = sum / area;
    }
  },
  scale(row, image, out, weights) {
    const area = row.input[1] * row.input[2];
    for (let i = 0; i < image.length; i++) {
      const c = Math.floor(i / area);
      out[i] = weights[row.factor + c] * image[i] + weights[row.shift + c];
    }
  },
  gain(row, image, out, weights) {
    for (let i = 0; i < image.length; i++) out[i] = weights[row.gain] * image[i];
  },
  normalise(row, image, out, weights) {
    const area = row.input[1] * row.input[2];
    const size = image.length / row.sets;
    for (let set = 0; set < row.sets; set++) {
      const values = image.subarray(set * size, (set + 1) * size);
      const mean = values.reduce((a, b) => a + b, 0) / size;
      const variance = values.reduce((a, b) => a + (b - mean) * (b - mean), 0) / size;
      const deviation = Math.sqrt(variance + row.epsilon);
      for (let i = 0; i < size; i++) {
        const at = set * size + i;
        const pair = row.pairs === 1 ? 0 : Math.floor(at / area);
        const normal = (values[i] - mean) / deviation;
        out[at] = row.pairs ? weights[row.factor + pair] * normal + weights[row.shift + pair] : normal;
      }
    }
  },
  activate(row, image, out, weights) {
    const area = row.input[1] * row.input[2];
    for (let c = 0; c < row.input[0]; c++) finish(row, weights, c, image.subarray(c * area, (c + 1) * area), out, c * area);
  },
  add(row, image, out, weights, other) {
    for (let i = 0; i < image.length; i++) out[i] = image[i] + other[i];
  },
  concat(row, image, out, weights, other) {
    out.set(image);
    out.set(other, image.length);
  },
  gate(row, image, out, weights, other) {
    const positions = image.length / other.length; // that one number holds for
    for (let i = 0; i < image.length; i++) out[i] = image[i] / (1 + Math.exp(-other[Math.floor(i / positions)]));
  },
  drop(row, image, out) {
    out.set(image);
  },
};

function softmax(logits) {
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Array.from(logits, (value) => Math.exp(value - highest));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / total);
}

/* Return the pixels as the network takes them: [channel][row][column], scaled. */
function scaled(pixels, [height, width, channels], scaling) {
  const image = new Float32Array(height * width * channels);
  for (let c = 0; c < channels; c++) {
    const factor = Math.fround(scaling.factor[c]);
    const offset = Math.fround(scaling.offset[c]);
    for (let i = 0; i < height * width; i++) image[c * height * width + i] = pixels[i * channels + c] * factor + offset;
  }
  return image;
}

export function issunNetwork(network) {
  const weights = floatsOf(network.data);
  const size = network.input.reduce((a, b) => a * b, 1);
  for (const row of network.rows) {
    if (!OPERATORS[row.op]) throw new Error(`this page does not support the operator "${row.op}"`);
    if (row.activation && !ACTIVATIONS[row.activation]) throw new Error(`this page does not support the activation "${row.activation}"`);
  }

  function run(pixels) {
    if (pixels.length !== size) throw new Error(`an image has ${size} values, not ${pixels.length}`);
    const image = scaled(pixels, network.input, network.scaling);
    const made = [];
    const read = (index) => (index < 0 ? image : made[index]);
    for (const row of network.rows) {
      const out = new Float32Array(row.output[0] * row.output[1] * row.output[2]);
      OPERATORS[row.op](row, read(row.source), out, weights, row.other === undefined ? null : read(row.other));
      made.push(out);
    }
    const logits = made[made.length - 1];
    return {
      probabilities: softmax(logits),
      logits: Array.from(logits),
      activations: made,
    };
  }

  return { input: network.input, classes: network.classes, run };
}
