// The rule by which a network is chosen, that of issun.study.frontier: mean validation accuracy meets the target, ties as there.

// The page carries fractions with six digits: a target of 0.97 must be met by what was rounded to 0.97.
const ROUNDING = 1e-6;
const MARGIN = 0.01;

/** Whether a network has a mean that says something: it was measured, and did not diverge with every seed. */
export const isUsable = (network) => network.validation.mean !== null && network.diverged < network.validation.n;

/** What does not beat guessing, or may have learnt from the validation images, is never an answer. */
export const isChoosable = (network) => isUsable(network) && network.beats_guessing !== false && network.independent !== false;

const text = (first, second) => (first < second ? -1 : first > second ? 1 : 0);

/** Order by size, then by accuracy, best first; then as Python does: of equals the one with fewer MACs, then by its text. */
const bySize = (size, accuracy = (network) => network.validation.mean) => (first, second) =>
  first[size] - second[size] ||
  accuracy(second) - accuracy(first) ||
  (size === "parameters" ? first.macs - second.macs : first.parameters - second.parameters) ||
  text(first.network, second.network);

/** The accuracy that is good enough where none is asked for: 0.01 below the best mean. */
export function defaultTarget(networks) {
  const means = networks.filter(isChoosable).map((network) => network.validation.mean);
  return means.length ? Math.max(Math.max(...means) - MARGIN, ROUNDING) : null;
}

/** The smallest network that meets a target, by its mean or by its lower 95 % bound; null where none does. */
export function smallestNetwork(networks, target, { size = "parameters", lower = false } = {}) {
  const measure = (network) => (lower ? network.validation.low : network.validation.mean);
  const meeting = networks.filter((network) => isChoosable(network) && measure(network) >= target - ROUNDING);
  return meeting.sort(bySize(size))[0] ?? null;
}

/** The best network under a budget, the smaller of equals; null where none is that small. */
export function bestNetwork(networks, budget = Infinity, size = "parameters") {
  const fitting = networks.filter((network) => isChoosable(network) && network[size] <= budget);
  return fitting.sort((first, second) => second.validation.mean - first.validation.mean || bySize(size)(first, second))[0] ?? null;
}

/** The networks that no smaller one beats, smallest first. */
export function frontierOf(networks, size = "parameters") {
  let highest = -Infinity;
  return networks
    .filter((network) => isUsable(network) && network.independent !== false)
    .sort(bySize(size))
    .filter((network) => {
      const better = network.validation.mean > highest + ROUNDING;
      highest = Math.max(highest, network.validation.mean);
      return better;
    });
}
