// Resizes pictures to the same bytes as Pillow does (bilinear, with antialiasing): its whole numbers, its two passes, its rounding.

const BITS = 22; // after the point of a share: 32, less 8 of a byte and 2 of room, as in Pillow's Resample.c

/** What each place along a new side is mixed of: the first place of the old side, and the share of it and of those that follow. */
function mixtures(size, from, to, wanted) {
  const scale = Math.fround(to - from) / wanted;
  const reach = Math.max(scale, 1);
  return Array.from({ length: wanted }, (_, place) => {
    const centre = from + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(size, Math.trunc(centre + reach + 0.5));
    const shares = Array.from({ length: end - first }, (_, i) => Math.max(0, 1 - Math.abs((i + first - centre + 0.5) * (1 / reach))));
    const sum = shares.reduce((a, b) => a + b, 0);
    return { first, shares: Int32Array.from(shares, (share) => Math.trunc(0.5 + (share / sum) * 2 ** BITS)) };
  });
}

/* Mix bytes that lie `step` apart, from `at` on. A sum stays below 2 to the 31st, so that its bits can be shifted. */
function mixed(data, at, step, shares) {
  let sum = 1 << (BITS - 1);
  for (let i = 0; i < shares.length; i += 1) sum += data[at + i * step] * shares[i];
  return Math.min(255, sum >> BITS);
}

function across({ data, width, channels }, top, bottom, mixtures) {
  const out = new Uint8Array((bottom - top) * mixtures.length * channels);
  let place = 0;
  for (let row = top; row < bottom; row += 1) {
    for (const { first, shares } of mixtures) {
      for (let c = 0; c < channels; c += 1, place += 1) out[place] = mixed(data, (row * width + first) * channels + c, channels, shares);
    }
  }
  return { data: out, height: bottom - top, width: mixtures.length, channels };
}

function down({ data, width, channels }, top, mixtures) {
  const line = width * channels;
  const out = new Uint8Array(mixtures.length * line);
  mixtures.forEach(({ first, shares }, row) => {
    for (let i = 0; i < line; i += 1) out[row * line + i] = mixed(data, (first - top) * line + i, line, shares);
  });
  return { data: out, height: mixtures.length, width, channels };
}

/** A box of a picture (left, above, right, below; by default all of it) in another size; bytes [row][column][channel]. */
export function resized(picture, height, width, box = [0, 0, picture.width, picture.height]) {
  const [left, above, right, below] = box.map(Math.fround); // Pillow takes it as float32
  const rows = mixtures(picture.height, above, below, height);
  const columns = mixtures(picture.width, left, right, width);
  const isAcross = picture.width !== width || left !== 0 || right !== width;
  const isDown = picture.height !== height || above !== 0 || below !== height;
  const tall = picture.height - height;
  if (tall > 0 && tall > 2 * (picture.width - width)) {
    // Newer Pillows (13 is one) begin with the pass that saves work; older ones round in the other order, which makes a level of 255.
    const lower = isDown ? down(picture, 0, rows) : picture;
    return isAcross ? across(lower, 0, height, columns) : lower;
  }
  const top = isAcross ? rows[0].first : 0;
  const last = rows[height - 1];
  const narrow = isAcross ? across(picture, top, last.first + last.shares.length, columns) : picture;
  return isDown ? down(narrow, top, rows) : narrow;
}
