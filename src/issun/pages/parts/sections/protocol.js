// What the results rest on: data, splits, seeds, recipes, machine, versions, time, and the command that made them, in a fold.

import { byId, copyText, element, fill } from "../common/element.js";
import { SPACE, capital, counted, duration, roundPercent, whole } from "../common/numbers.js";
import { onTest } from "../study/content.js";
import { listen, shownStudies } from "../study/state.js";

/** A value of any form as text: lists with commas, records as name and value. */
function written(value) {
  if (value === null || value === undefined || value === "") return "";
  if (Array.isArray(value)) return value.map(written).filter(Boolean).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([name, entry]) => [name, written(entry)]).filter(([, text]) => text).map(([name, text]) => `${name.replaceAll("_", " ")} ${text}`).join(", ");
  return typeof value === "number" && Number.isInteger(value) ? whole(value) : String(value);
}

const joined = (between, ...parts) => parts.filter(Boolean).join(between);

const line = (name, ...content) => (content.flat().some((part) => part !== "" && part !== null && part !== undefined) ? [element("dt", null, name), element("dd", null, content)] : []);

function command(text) {
  if (!text) return [];
  const button = element("button", { type: "button", class: "quiet small", on: { click: () => copyText(text, button) } }, "Copy");
  return [element("dt", null, "Made by"), element("dd", null, element("code", { class: "command" }, text), button)];
}

function recipe({ text, settings }) {
  return element("details", { class: "small-fold" }, element("summary", null, text), element("p", { class: "note" }, written(settings)));
}

/** What computed trials, where the study says it. */
function origin({ instruction_set: set, compiler, processor, trials }) {
  return element("p", null, `${counted(trials, "trial")} on ${processor}, instruction set ${set}, compiled by ${compiler}`);
}

function protocol(study) {
  const { about } = study;
  const seeds = about.seeds ?? [];
  const classes = about.classes?.length ?? 0;
  const images = `${whole(about.images)} for training and validation, ${about.test_images ? `${whole(about.test_images)} for testing` : "none for testing"}`;
  const splits = (about.splits ?? []).map(({ fraction, seed, images: held }) => `${roundPercent(fraction)} of the training images (${whole(held)}) set aside for validation, stratified, with seed ${seed}`);
  return element(
    "dl",
    { class: "protocol" },
    line("Question", about.question),
    line("Found before", about.found),
    line("Data", joined(", ", about.data, (study.inputs?.length > 1 ? study.inputs.map(({ name }) => name).join(", ") : about.input?.join("x")), classes === 1 ? "1 class" : `${whole(classes)} classes`)),
    line("Images", images),
    line("Classes", about.classes?.length ? element("span", { class: "class-names" }, written(about.classes)) : ""),
    line("Split", splits.join("; ")),
    line("Watched", about.watched),
    line("Seeds", seeds.length ? `${seeds.length}: ${written(seeds)}` : ""),
    line(about.recipes?.length > 1 ? "Recipes" : "Recipe", (about.recipes ?? []).map(recipe)),
    line("Trials", joined("; ", written(about.trials), about.seconds && `${duration(about.seconds)} of training in all`)),
    line("Machine", joined(", ", written(about.machine), about.threads && `${counted(about.threads, "thread")} used`)),
    line("Builds", (about.origins ?? []).filter(({ instruction_set: set }) => set).map(origin)),
    line("Versions", written(about.versions)),
    line("Started", about.created ? `${about.created.slice(0, 16).replace("T", " ")}${SPACE}UTC` : ""),
    line("Fingerprint", about.fingerprint ? element("code", null, about.fingerprint) : ""),
    line("Notes", (about.notes ?? []).map((note) => element("p", null, note))),
    line("Remedies", written(study.remedies)),
    line("Left out of this page", (study.left_out ?? []).map((text) => element("p", null, `${capital(text)}.`))),
    command(about.command),
  );
}

/** Write the protocol of the studies that are shown. */
export function startProtocol() {
  listen(["content", "study"], () => {
    const section = byId("protocol");
    const open = section.querySelector("details.fold")?.open ?? false;
    const studies = shownStudies().filter(({ about }) => about);
    fill(
      section,
      element(
        "details",
        { class: "fold", open },
        element("summary", null, element("h2", { id: "protocol-title" }, "Protocol")),
        studies.map((study) => [studies.length > 1 ? element("h3", null, study.name) : null, protocol(study)]),
        studies.some(onTest) ? null : element("p", { class: "note" }, "All choices are made on validation. Test figures are measured once, when a trial ends, and are never used to choose."),
      ),
    );
  });
}
