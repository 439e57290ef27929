// What Python wrote about studies and networks, and how the page reads it.

import { knobsText } from "../common/numbers.js";

/** Take in a content: number its studies, networks and series: a family at an input of a study or, where studies lie over each other, a
 * study. A network's view is its study with the images of its own input. */
export function takeIn(content) {
  const seriesByKey = new Map();
  content.studies.forEach((study, number) => {
    study.number = number;
    study.series = { key: `study ${number}`, study, number, label: study.name, family: study.name, networks: study.networks };
    const views = (study.inputs ?? []).map(({ input, images }, i) => (i ? Object.assign(Object.create(study), { images, about: { ...study.about, input } }) : study));
    study.networks.forEach((network, place) => {
      const key = `${number} ${network.at} ${network.label}`;
      if (!seriesByKey.has(key)) {
        seriesByKey.set(key, { key, study, number: seriesByKey.size, label: network.label, family: network.family, at: network.at, networks: [] });
      }
      const series = seriesByKey.get(key);
      series.networks.push(network);
      Object.assign(network, { study, view: views[network.input] ?? study, place, series, key: `${number} ${network.id}` });
    });
  });
  content.series = [...seriesByKey.values()];
  return content;
}

/** Target and budgets that were asked for when the page was made; of several studies, those that all have. */
export function askedOf(content) {
  const same = (name) => {
    const values = new Set(content.studies.map((study) => study[name] ?? null));
    return values.size === 1 ? [...values][0] : null;
  };
  const names = { parameters: "max_params", macs: "max_macs", bytes: "max_bytes", peak_memory: "max_memory" };
  const budgets = Object.fromEntries(Object.entries(names).map(([size, name]) => [size, same(name)]).filter(([, value]) => value !== null));
  return { target: same("target"), budgets };
}

/** The data of a study, and the input of its networks: digits 8x8 gray, or how many inputs they have. */
export const dataOf = ({ data, inputs, networks }) => {
  const used = [...new Set(networks.map((network) => network.input))];
  return [data, used.length > 1 ? `at ${used.length} inputs` : inputs?.[used[0] ?? 0]?.name].filter(Boolean).join(" ");
};

/** What must stand beside every figure of a study. */
export const marksOf = ({ about }) => [about?.mark, about?.quick ? "a quick run, whose figures are not meaningful" : ""].filter(Boolean);

/** Whether a study watched its test part, as what it repeats once did: then its figures are no validation figures. */
export const onTest = (study) => Boolean(study.about?.as_published) && study.about.watched === "the test part";

/** What is known of a network beyond its figures; null where the page does not have it. */
export const detailOf = (network) => (network.detail === null || network.detail === undefined ? null : network.study.details[network.detail]);

export const classesOf = (network) => network.study.about?.classes ?? [];

/** Whether seeds failed, which its mean includes. */
export const hasFailed = (network) => network.diverged + network.chance > 0;

/** A text about a network, and beside it the seeds that failed. */
export const withFailed = (text, network) => `${text}${network.failed ? ` (${network.failed})` : ""}`;

/** A text about a network behind its input, where networks of its study have several. */
export const withInput = (text, network) => (network.at ? `${network.at}: ${text}` : text);

/** The name by which people know a network within its study: its family's name, where it has one, and its knobs. */
export function nameOf(network) {
  const knobs = knobsText(network.knobs);
  return withInput(network.label === network.family ? network.network : `${network.label}${knobs ? ` ${knobs}` : ""}`, network);
}
