// What is being looked at: one record that every part of the page reads, a way to be told when it changes, and what follows from it.

import { bestNetwork, defaultTarget, smallestNetwork } from "./choose.js";

const listeners = [];

export const state = {
  content: null, // as Python wrote it
  study: null, // number of the study that is shown, null: all of them
  size: "parameters", // what accuracy is drawn against
  target: null, // a fraction; null: within 1 % of the best
  budgets: {}, // the most of each size
  asked: {}, // target and budgets of the command that made the page
  hidden: new Set(), // series that are switched off
  chosen: null, // the network whose page is open
  theme: "auto", // as the system, light or dark
  pinned: false, // whether a person chose it, and not the answer
};

/** Call a function with what changed, a set of names, each time any of `names` does. */
export const listen = (names, listener) => listeners.push([names, listener]);

/** Change the record, and tell those who asked to be told. */
export function change(changes) {
  const changed = new Set(Object.keys(changes));
  Object.assign(state, changes);
  for (const [names, listener] of listeners) if (names.some((name) => changed.has(name))) listener(changed);
}

/** The studies that are looked at. */
export const shownStudies = () => state.content.studies.filter((study) => state.study === null || state.study === study.number);

/** Whether several studies lie over each other: then each is a series; otherwise each family is one. */
export const overlaid = () => state.content.studies.length > 1 && state.study === null;

/** The series that a network belongs to, by which it has its mark. */
export const seriesOf = (network) => (overlaid() ? network.study.series : network.series);

/** All series that are looked at. */
export const shownSeries = () => (overlaid() ? shownStudies().map(({ series }) => series) : state.content.series.filter(({ study }) => shownStudies().includes(study)));

/** The networks of a study that are not switched off. */
export const networksOf = (study) => study.networks.filter((network) => !state.hidden.has(seriesOf(network).key));

/** The networks that are looked at. */
export const shownNetworks = () => shownStudies().flatMap(networksOf);

/** The accuracy that is asked of a study, and whether that is "within 1 % of the best", the study's own. */
export function targetOf(study) {
  if (state.target !== null) return { value: state.target, own: false };
  return { value: defaultTarget(networksOf(study)), own: true };
}

/** Where the line stands: at what is asked, before that at what is asked of the first study. */
export function targetLine() {
  const targets = shownStudies().map((study) => ({ ...targetOf(study), study })).filter(({ value }) => value !== null);
  return targets[0] ?? { value: null, own: true, study: null };
}

/** The most that the size which is looked at may be, or null. */
export const currentBudget = () => state.budgets[state.size] ?? null;

/** Open a network's page; `from` is what is left, to come back to on a narrow screen. */
export const openNetwork = (network, from = null) => change({ chosen: network, pinned: true, from });

/** The network that the answer is about, or the best there is: of several studies the one that reaches their common target with least. */
export function answerNetwork() {
  if (overlaid() && state.target !== null) {
    const found = shownStudies().map((study) => smallestNetwork(networksOf(study), state.target, { size: state.size })).filter(Boolean);
    if (found.length) return found.reduce((least, network) => (network[state.size] < least[state.size] ? network : least));
  }
  for (const study of shownStudies()) {
    const target = targetOf(study).value;
    const networks = networksOf(study);
    const found = (target !== null && smallestNetwork(networks, target, { size: state.size })) || bestNetwork(networks);
    if (found) return found;
  }
  return shownNetworks()[0] ?? null;
}
