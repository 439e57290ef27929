// What does the network say? An image is drawn, dropped or picked, and its probabilities are worked out here, in the browser.
(() => {
  "use strict";

  const MOST_BARS = 10;
  const PAD = 280;

  // The image that is being tried stays when another network of the same study is opened.
  const current = new WeakMap(); // study -> image
  const running = new WeakMap(); // detail -> what runs it
  let watchers = [];

  page.canRun = (network) => Boolean(page.detailOf(network)?.weights) && typeof issunNetwork === "function";

  function runnerOf(network) {
    const detail = page.detailOf(network);
    if (!running.has(detail)) running.set(detail, issunNetwork(detail.weights));
    return running.get(detail);
  }

  /** The image that is tried in a study: a sample, to begin with. */
  function imageOf(study) {
    if (!current.has(study) && fits(study)) {
      const sample = page.albumImage(study, Math.min(7, (study.images.samples || 1) - 1));
      if (sample) current.set(study, asSample(sample, study));
    }
    return current.get(study) ?? null;
  }

  const fits = ({ images }) => Boolean(images && (images.reduced ?? 1) === 1 && images.labels.length);

  const asSample = (image, study) => ({ ...image, words: `image ${page.whole(image.index)}: ${study.about.classes[image.label]}` });

  /** What a network makes of the image that is being tried; null where there is none, or no weights. */
  page.runCurrent = (network) => {
    const image = imageOf(network.study);
    if (!image || !page.canRun(network)) return null;
    return { image, ...runnerOf(network).run(image.pixels) };
  };

  /** Call a function each time the image changes, for as long as a node stands on the page. */
  page.onImage = (node, listener) => watchers.push({ node, listener });

  function setImage(study, image) {
    current.set(study, image);
    watchers = watchers.filter(({ node }) => node.isConnected);
    for (const { listener } of watchers) listener();
  }

  /** Try an image of the album with a network: open the tab with it. */
  page.tryImage = (album, network) => {
    if (!page.canRun(network) || !fits(network.study)) return;
    setImage(network.study, asSample(album, network.study));
    page.byId("tab-try")?.click();
  };

  function bars(network) {
    const classes = page.classesOf(network);
    const list = page.element("ol", { class: "probabilities", "aria-label": "Probabilities of the classes" });
    const verdict = page.element("p", { class: "verdict" });
    const shown = Math.min(classes.length, MOST_BARS);
    const rows = d3.range(shown).map(() => {
      const row = { name: page.element("span", { class: "name" }), bar: page.element("span", { class: "share-bar" }), value: page.element("span", { class: "number" }) };
      list.append(page.element("li", null, row.name, page.element("span", { class: "share" }, row.bar), row.value));
      return { ...row, item: list.lastChild };
    });
    let saying = null;
    const draw = () => {
      const run = page.runCurrent(network);
      list.hidden = !run;
      if (!run) return void page.fill(verdict, "Draw something, and the network says what it sees.");
      const probabilities = [...run.probabilities];
      const order = d3.range(classes.length);
      const top = d3.maxIndex(probabilities);
      // Of few classes each keeps its place while one draws; of many the likeliest are shown.
      const places = classes.length <= MOST_BARS ? order : order.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, shown);
      places.forEach((place, i) => {
        const { name, bar, value, item } = rows[i];
        name.textContent = classes[place];
        name.title = classes[place];
        bar.style.width = `${100 * probabilities[place]}%`;
        value.textContent = page.percent(probabilities[place], 1);
        item.classList.toggle("likeliest", place === top);
        item.dataset.probability = probabilities[place];
      });
      const { label } = run.image;
      const right = label === undefined || label === null ? null : label === top ? "right" : `wrong: it is ${classes[label]}`;
      page.fill(verdict, "It sees ", page.element("strong", null, classes[top]), ` (${page.percent(probabilities[top], 1)})`, right ? `, ${right}` : "", ".");
      clearTimeout(saying);
      saying = setTimeout(() => verdict.isConnected && page.say(verdict.textContent), 700);
      return undefined;
    };
    draw();
    page.onImage(list, draw);
    return [verdict, list];
  }

  function pad(network, seen) {
    const { study } = network;
    const style = page.drawingStyle(study);
    const canvas = page.element("canvas", {
      ...{ width: PAD, height: PAD, class: `pad${style ? " drawable" : ""}`, role: "img" },
      "aria-label": style ? "Drawing pad: draw with mouse, finger or pen. By keyboard, pick one of the samples below" : "The image that is being tried",
    });
    const context = canvas.getContext("2d");
    let strokes = [];
    const show = () => {
      const [ground, ink] = style?.dark ? ["#ffffff", "#000000"] : ["#000000", "#ffffff"];
      context.fillStyle = ground;
      context.fillRect(0, 0, PAD, PAD);
      const image = imageOf(study);
      if (strokes.length) {
        context.strokeStyle = ink;
        context.lineWidth = style ? (PAD * style.line * 0.75) / style.extent : 1;
        page.trace(context, strokes.map((stroke) => stroke.map(([x, y]) => [x * PAD, y * PAD])));
      } else if (image) {
        context.imageSmoothingEnabled = false;
        const scale = PAD / Math.max(image.height, image.width);
        const [width, height] = [image.width * scale, image.height * scale];
        context.drawImage(page.picture(image), (PAD - width) / 2, (PAD - height) / 2, width, height);
      }
      page.fill(seen, image ? page.sized(page.picture(image, "What the network sees"), 64) : null, image ? page.element("figcaption", null, image.drawn ? "what the network sees" : image.words) : null);
    };
    page.onImage(canvas, () => {
      if (!imageOf(study)?.drawn) strokes = [];
      show();
    });
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    const update = () => setImage(study, { pixels: page.imageOfStrokes(strokes, style), height: style.height, width: style.width, channels: 1, drawn: true, words: "your drawing" });
    if (style) {
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        event.preventDefault();
        canvas.setPointerCapture(event.pointerId);
        strokes.push([place(event)]);
        update();
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!canvas.hasPointerCapture(event.pointerId) || !strokes.length) return;
        for (const part of event.getCoalescedEvents?.() ?? [event]) strokes.at(-1).push(place(part));
        update();
      });
    }
    const clear = () => {
      strokes = [];
      setImage(study, null);
    };
    show();
    return { canvas, style, clear };
  }

  function samples(network) {
    const { study } = network;
    if (!fits(study)) return null;
    const most = Math.min(study.images.samples || study.images.labels.length, 30);
    const button = (place) => {
      const image = page.albumImage(study, place);
      const words = `Try ${asSample(image, study).words}`;
      return page.element("button", { type: "button", class: "sample", title: words, "aria-label": words, on: { click: () => setImage(study, asSample(image, study)) } }, page.sized(page.picture(image), 32));
    };
    return page.element("div", { class: "samples", role: "group", "aria-label": "Samples of the classes, none of them trained on" }, d3.range(most).map(button));
  }

  function opener(network, said, node) {
    const input = page.element("input", { type: "file", accept: "image/*", class: "unseen", id: "image-file", "aria-label": "Open an image file" });
    const take = async (file) => {
      if (!file) return;
      try {
        const image = await page.imageOfFile(file, network.study);
        setImage(network.study, { ...image, words: file.name });
        said.textContent = `${file.name}. ${image.how}`;
      } catch (error) {
        said.textContent = `${file.name}: ${error.message}.`;
      }
      page.say(said.textContent);
    };
    input.addEventListener("change", () => {
      take(input.files[0]);
      input.value = "";
    });
    node.addEventListener("dragover", (event) => {
      event.preventDefault();
      node.classList.add("over");
    });
    node.addEventListener("dragleave", () => node.classList.remove("over"));
    node.addEventListener("drop", (event) => {
      event.preventDefault();
      node.classList.remove("over");
      take(event.dataTransfer.files[0]);
    });
    return [input, page.element("label", { for: "image-file", class: "quiet button" }, "Open an image …")];
  }

  page.addTab({
    name: "try",
    title: "Try it",
    has: (network) => page.canRun(network),
    make: (network) => {
      const seen = page.element("figure", { class: "seen" });
      const said = page.element("p", { class: "note" });
      const { canvas, style, clear } = pad(network, seen);
      const node = page.element("div", { class: "try" });
      const clearing = style ? page.element("button", { type: "button", class: "quiet", on: { click: clear } }, "Clear") : null;
      page.fill(
        node,
        page.element("div", { class: "try-left" }, canvas, page.element("div", { class: "try-buttons" }, clearing, opener(network, said, node)), seen),
        page.element("div", { class: "try-right" }, bars(network)),
      );
      return [
        page.element("p", { class: "note" }, style ? "Draw on the square, drop an image on it, or pick a sample. Nothing leaves this page." : "Drop an image on the square, or pick a sample. Nothing leaves this page."),
        node,
        samples(network),
        said,
        style ? page.element("p", { class: "note" }, page.styleWords(style)) : null,
      ];
    },
  });
})();
