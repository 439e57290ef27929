"""Which networks of a search are confirmed: fixed by the search's own figures, before any image of confirmation is looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from issun.nas.evolution import SETTLED_SEEDS
from issun.nas.goals import judged_target
from issun.nas.known import Tried, fronts
from issun.study.query import Query
from issun.study.statistics import lower_bound

#: How many finalists there are at most where the whole frontier is looked for.
MOST_OF_FRONTIER = 12

#: With a target, how many finalists may be larger and smaller than the smallest that reaches it by the search's own figures; and for how
#: many time is kept: the first that fails is the last.
_ABOVE, _BELOW, USUAL_FINALISTS = 3, 8, 8

#: From how many trainings on a smaller network may be a finalist.
_SEEDS_BELOW = 2

#: How many standard errors of the images that judge smaller finalists may be below the target. Confirmation judges on others.
_ERRORS_BELOW = 2.0

#: A finalist has at least so many times the parameters of the next smaller one.
_STEP = 1.05


def finalists(
    query: Query,
    networks: Sequence[Tried],
    images: int,
    *,
    folds: int = 1,
    pareto: bool = False,
    sure: bool = False,
    more: float = 1.0,
) -> list[Tried]:
    """Return the networks that are to be confirmed, in the order in which they are tried.

    Parameters
    ----------
    query : Query
        What is looked for.
    networks : sequence of Tried
        All that the full recipe has trained.
    images : int
        How many images have judged them.
    folds : int
        In how many folds.
    pareto : bool
        Whether the whole frontier is looked for.
    sure : bool
        Whether the lower 95 % bound must reach the target.
    more : float
        How many times as many images confirmation trains on as the search. What these are expected to bring is seen to (`judged_target`);
        where the error falls as one over the number of images, they bring so many times fewer errors, and hardly ever more.

    Returns
    -------
    list of Tried
        With a target from the largest to the smallest, beginning with one that reaches it safely where there is one; none where no network
        can be expected to reach it. With budgets alone the most accurate network. Otherwise the frontier, largest first.
    """

    def figure(one: Tried) -> float:
        return lower_bound(one.full, images, folds) if sure else fmean(one.full)

    if query.target is None and pareto:
        front = fronts(networks, 1)
        return _spread(front[0][::-1], MOST_OF_FRONTIER) if front else []
    target = 0.0 if query.target is None else judged_target(query.target, more)
    for seeds in range(SETTLED_SEEDS, 0, -1):
        front = fronts([one for one in networks if len(one.full) >= seeds or _sure_enough(one, query.target)], 1)
        settled = front[0] if front else []  # smallest first
        reaching = [one for one in settled if figure(one) >= target]
        if reaching:
            break
    else:
        return []
    if query.target is None:
        return settled[-1:]
    # Smaller ones are tried from fresh seeds in any case: two trainings are enough, where a single one may be luck.
    front = fronts([one for one in networks if len(one.full) >= min(seeds, _SEEDS_BELOW)], 1)
    smaller = [one for one in front[0] if one.net.parameters < reaching[0].net.parameters]
    least = 1 - more * (1 - query.target) - _ERRORS_BELOW * math.sqrt(query.target * (1 - query.target) / images)
    below = _spread([reaching[0], *(one for one in smaller[::-1] if figure(one) >= least)], 1 + _BELOW)[1:]
    # Larger ones are for the case that it fails: none beyond the first that reaches the target safely.
    safe = next((place for place, one in enumerate(reaching) if lower_bound(one.full, images, folds) >= query.target), len(reaching) - 1)
    larger = _spread(reaching[1 : max(safe, 1) + 1], _ABOVE)
    if safe and larger[-1] is not reaching[safe]:
        larger = [*larger[: _ABOVE - 1], reaching[safe]]
    return [*larger[::-1], reaching[0], *below]


def _sure_enough(one: Tried, target: float | None) -> bool:
    """Whether two trainings already tell that a network reaches the target: both do."""
    return target is not None and len(one.full) > 1 and min(one.full) >= target


def _spread(networks: Sequence[Tried], most: int) -> list[Tried]:
    """Return networks in their order, without those whose size is too near to that of the one before."""
    found: list[Tried] = []
    for one in networks:
        if len(found) == most:
            break
        if found:
            small, large = sorted((found[-1].net.parameters, one.net.parameters))
            if large < small * _STEP:
                continue
        found.append(one)
    return found
