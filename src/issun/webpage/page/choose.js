// Which network? The rule of issun.study.frontier, in the browser: mean validation accuracy meets the target, ties as there.
(() => {
  "use strict";

  // The page carries fractions with six digits: a target of 0.97 must be met by what was rounded to 0.97.
  const ROUNDING = 1e-6;
  const MARGIN = 0.01;

  const usable = (network) => network.validation.mean !== null && network.diverged < network.validation.n;

  /** What does not beat guessing is never an answer. */
  const choosable = (network) => usable(network) && network.beats_guessing !== false;

  const text = (first, second) => (first < second ? -1 : first > second ? 1 : 0);

  /** Order by size, then by accuracy, best first; then as Python does: of equals the one with fewer MACs, then by its text. */
  const bySize = (size, accuracy = (network) => network.validation.mean) => (first, second) =>
    first[size] - second[size] ||
    accuracy(second) - accuracy(first) ||
    (size === "parameters" ? first.macs - second.macs : first.parameters - second.parameters) ||
    text(first.network, second.network);

  /** The accuracy that is good enough where none is asked for: 0.01 below the best mean. */
  function defaultTarget(networks) {
    const means = networks.filter(choosable).map((network) => network.validation.mean);
    return means.length ? Math.max(Math.max(...means) - MARGIN, ROUNDING) : null;
  }

  /** The smallest network that meets a target, by its mean or by its lower 95 % bound; null where none does. */
  function smallest(networks, target, { size = "parameters", lower = false } = {}) {
    const measure = (network) => (lower ? network.validation.low : network.validation.mean);
    const meeting = networks.filter((network) => choosable(network) && measure(network) >= target - ROUNDING);
    return meeting.sort(bySize(size))[0] ?? null;
  }

  /** The best network under a budget, the smaller of equals; null where none is that small. */
  function best(networks, budget = Infinity, size = "parameters") {
    const fitting = networks.filter((network) => choosable(network) && network[size] <= budget);
    return fitting.sort((first, second) => second.validation.mean - first.validation.mean || bySize(size)(first, second))[0] ?? null;
  }

  /** The networks that no smaller one beats, smallest first. */
  function frontier(networks, size = "parameters") {
    let highest = -Infinity;
    return networks
      .filter(usable)
      .sort(bySize(size))
      .filter((network) => {
        const better = network.validation.mean > highest + ROUNDING;
        highest = Math.max(highest, network.validation.mean);
        return better;
      });
  }

  page.choose = { usable, choosable, defaultTarget, smallest, best, frontier, bySize, ROUNDING };
})();
