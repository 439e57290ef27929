"""What a search looks for, in numbers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.arch.notation import parse_network
from issun.nas.goals import Corner, MostAccurate, Smallest, WholeFrontier, goal_of
from issun.nas.known import Tried
from issun.study.query import Query

INPUT, CLASSES = (12, 12, 1), 5
NETS = [parse_network(f"conv {width}, gap, dense", INPUT, CLASSES) for width in range(1, 30)]
CORNER = Corner(math.log(500), math.log(0.8))

points = st.lists(st.tuples(st.sampled_from(range(len(NETS))), st.floats(0.01, 0.99)), max_size=8)


def tried(number: int, width: int, accuracy: float, seeds: int = 1) -> Tried:
    return Tried(NETS[width], 0, number, (accuracy,) * seeds, accuracy)


def area(networks: list[Tried]) -> float:
    """Return the dominated area by its definition: of each strip between two sizes the height down to the best error that is as small."""
    edges = sorted({*(min(math.log(one.net.parameters), CORNER.size) for one in networks), CORNER.size})
    total = 0.0
    for left, right in pairwise(edges):
        errors = [math.log(1 - one.accuracy) for one in networks if math.log(one.net.parameters) <= left]
        total += (right - left) * max(0.0, CORNER.error - min(errors, default=CORNER.error))
    return total


@given(points, st.tuples(st.sampled_from(range(len(NETS))), st.floats(0.01, 0.99)))
def test_what_a_network_gains_is_the_difference_of_areas(frontier: list[tuple[int, float]], new: tuple[int, float]) -> None:
    known = [tried(number, *one) for number, one in enumerate(frontier)]
    one = tried(99, *new)
    found = CORNER.gained(np.array([math.log(one.net.parameters)]), np.array([math.log(1 - one.accuracy)]), known)
    assert found[0] == pytest.approx(area([*known, one]) - area(known), abs=1e-9)


def test_the_query_decides_what_is_looked_for() -> None:
    assert isinstance(goal_of(Query(target=0.9, max_params=500), NETS, pareto=True), Smallest)
    nearer = goal_of(Query(target=0.9), NETS, False, more=1.2)  # confirmation trains on more images, which bring something
    assert isinstance(nearer, Smallest)
    assert nearer.target == pytest.approx(1 - 0.1 * 1.2**0.3)
    assert 0.88 < nearer.target < 0.9
    assert isinstance(goal_of(Query(max_params=500), NETS, pareto=False), MostAccurate)
    assert isinstance(goal_of(Query(), NETS, pareto=False), WholeFrontier)
    whole = goal_of(Query(max_params=500), NETS, pareto=True)
    assert isinstance(whole, WholeFrontier)
    assert whole.guessing.size == math.log(500)


def test_with_a_target_parents_are_those_whose_like_reaches_it_with_fewest_parameters() -> None:
    goal = Smallest(0.9, cheap=1e9)  # so that time plays no part
    small, large, worse = tried(0, 5, 0.9), tried(1, 20, 0.9), tried(2, 5, 0.7)
    wanted = goal.parents([small, large, worse], [small])
    assert wanted[0] > wanted[1] > 0
    assert wanted[0] > wanted[2] > 0
    near = tried(3, 4, 0.885)
    assert goal.leaders([worse, near, small, large]) == [small, near]
    assert goal.leaders([worse, near]) == ()
    assert goal.worth_a_seed(tried(0, 5, 0.89), 1)
    assert not goal.worth_a_seed(tried(0, 5, 0.87), 1)
    assert not goal.worth_a_seed(tried(0, 5, 0.89), 2)


def test_the_whole_frontier_wants_what_is_missing() -> None:
    goal = WholeFrontier(CORNER, cheap=1e9, useless=0.0)
    front = [tried(0, 3, 0.5), tried(1, 4, 0.52), tried(2, 20, 0.8)]
    # Between the second and the third there is room: a network as good as the third, but smaller, adds most.
    promises = goal.promises([NETS[3], NETS[10], NETS[25]], np.log([0.5, 0.2, 0.2]), 0.05, front)
    assert int(np.argmax(promises)) == 1
    wanted = goal.parents(front, front)
    assert wanted[1] > wanted[2]
    # A network that only a first look has seen comes before further seeds, one that adds nothing comes last.
    looked, settled, nothing = Tried(NETS[10], 0, 4, (), 0.8), tried(2, 20, 0.8, 2), Tried(NETS[12], 0, 5, (), 0.51)
    again = goal.again([looked, settled, nothing], [*front, looked, nothing])
    assert again[0] > again[1] > again[2]


def test_networks_that_hardly_beat_guessing_do_not_count() -> None:
    goal = WholeFrontier(CORNER, cheap=1e9)
    good = tried(0, 20, 0.96)
    assert goal.corner([good]).error == pytest.approx(0.75 * math.log(0.8) + 0.25 * math.log(0.04))
    poor, better = goal.promises([NETS[0], NETS[3]], np.log([0.6, 0.3]), 1e-3, [good])
    assert poor == pytest.approx(0, abs=1e-9)
    assert better > 0
