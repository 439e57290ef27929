// What do the results rest on? Data, splits, seeds, recipes, machine, versions, time, and the command that made them, in a fold.
(() => {
  "use strict";

  const SPACE = "\u00a0";

  /** A value of any form as text: lists with commas, records as name and value. */
  function written(value) {
    if (value === null || value === undefined || value === "") return "";
    if (Array.isArray(value)) return value.map(written).filter(Boolean).join(", ");
    if (typeof value === "object") return Object.entries(value).map(([name, entry]) => [name, written(entry)]).filter(([, text]) => text).map(([name, text]) => `${name.replaceAll("_", " ")} ${text}`).join(", ");
    return typeof value === "number" && Number.isInteger(value) ? page.whole(value) : String(value);
  }

  const joined = (between, ...parts) => parts.filter(Boolean).join(between);

  const line = (name, ...content) => (content.flat().some((part) => part !== "" && part !== null && part !== undefined) ? [page.element("dt", null, name), page.element("dd", null, content)] : []);

  function command(text) {
    if (!text) return [];
    const button = page.element("button", { type: "button", class: "quiet small", on: { click: () => page.copy(text, button) } }, "Copy");
    return [page.element("dt", null, "Made by"), page.element("dd", null, page.element("code", { class: "command" }, text), button)];
  }

  function recipe({ text, settings }) {
    return page.element("details", { class: "small-fold" }, page.element("summary", null, text), page.element("p", { class: "note" }, written(settings)));
  }

  function protocol(study) {
    const { about } = study;
    const seeds = about.seeds ?? [];
    const classes = about.classes?.length ?? 0;
    const images = `${page.whole(about.images)} to train and validate on, ${about.test_images ? `${page.whole(about.test_images)} to test` : "none to test"}`;
    const splits = (about.splits ?? []).map(({ fraction, seed, images: held }) => `${page.roundPercent(fraction)} of the training images (${page.whole(held)}) held back for validation, stratified, drawn with seed ${seed}`);
    return page.element(
      "dl",
      { class: "protocol" },
      line("Question", about.question),
      line("Found before", about.found),
      line("Data", joined(", ", about.data, about.input?.join("x"), classes === 1 ? "1 class" : `${page.whole(classes)} classes`)),
      line("Images", images),
      line("Classes", about.classes?.length ? page.element("span", { class: "class-names" }, written(about.classes)) : ""),
      line("Split", splits.join("; ")),
      line("Watched", about.watched),
      line("Seeds", seeds.length ? `${seeds.length}: ${written(seeds)}` : ""),
      line(about.recipes?.length > 1 ? "Recipes" : "Recipe", (about.recipes ?? []).map(recipe)),
      line("Trials", joined("; ", written(about.trials), about.seconds && `${page.duration(about.seconds)} of training in all`)),
      line("Machine", joined(", ", written(about.machine), about.threads && `${page.counted(about.threads, "thread")} used`)),
      line("Versions", written(about.versions)),
      line("Begun", about.created ? `${about.created.slice(0, 16).replace("T", " ")}${SPACE}UTC` : ""),
      line("Fingerprint", about.fingerprint ? page.element("code", null, about.fingerprint) : ""),
      line("Notes", (about.notes ?? []).map((note) => page.element("p", null, note))),
      line("Remedies tried", written(study.remedies)),
      line("Left out here", (study.left_out ?? []).map((text) => page.element("p", null, `${text[0].toUpperCase()}${text.slice(1)}.`))),
      command(about.command),
    );
  }

  page.listen(["content", "study"], () => {
    const section = page.byId("protocol");
    const open = section.querySelector("details.fold")?.open ?? false;
    const studies = page.shownStudies().filter(({ about }) => about);
    page.fill(
      section,
      page.element(
        "details",
        { class: "fold", open },
        page.element("summary", null, page.element("h2", { id: "protocol-title" }, "Protocol")),
        studies.map((study) => [studies.length > 1 ? page.element("h3", null, study.name) : null, protocol(study)]),
        studies.some(page.onTest) ? null : page.element("p", { class: "note" }, "Everything is chosen on validation. A test figure is measured once, when a trial ends, and nothing that chooses reads it."),
      ),
    );
  });
})();
