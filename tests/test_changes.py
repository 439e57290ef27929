"""Changes of networks: whatever comes of them is a network that the notation writes and reads, and the same seed gives the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issun.arch.notation import parse_network
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import CHANGES, neighbour
from issun.nas.evolution import Evolution, Judged, Proposal, fronts, tried, within
from issun.nas.starts import stages_for, starts
from issun.study import Query

SHAPES = st.sampled_from([(8, 8, 1), (28, 28, 1), (16, 24, 3), (3, 5, 2), (48, 48, 1)])


@settings(deadline=None, max_examples=60)
@given(shape=SHAPES, classes=st.integers(2, 12), seed=st.integers(0, 2**32), steps=st.integers(1, 12))
def test_whatever_changes_make_is_a_network_that_can_be_written(shape: tuple[int, int, int], classes: int, seed: int, steps: int) -> None:
    some = starts(shape, classes)
    net = some[seed % len(some)]
    walks = []
    for _ in range(2):  # the same twice
        random, now, names = np.random.default_rng(seed), net, []
        for _ in range(steps):
            now, name = neighbour(now, random, lambda other: other.parameters < 20_000 and other.macs < 2_000_000)
            assert parse_network(str(now), shape, classes) == now
            assert now.trainable_params
            assert now.parameters < 20_000
            names.append(name)
        walks.append((now, names))
    assert walks[0] == walks[1]
    assert set(walks[0][1]) <= set(CHANGES)


def test_every_change_happens() -> None:
    random, seen = np.random.default_rng(0), set()
    for start in starts((28, 28, 1), 10):
        net = start
        for _ in range(150):
            net, name = neighbour(net, random, lambda other: other.parameters < 5_000 and other.macs < 1_000_000)
            seen.add(name)
    assert seen == set(CHANGES)


def test_a_network_without_neighbours_says_so() -> None:
    with pytest.raises(NetworkError, match="no neighbour within the budgets"):
        neighbour(starts((8, 8, 1), 10)[0], np.random.default_rng(0), lambda other: False)


def test_starts_follow_from_size_and_classes_alone() -> None:
    assert [stages_for((side, side, 1)) for side in (4, 8, 28, 32, 48, 96)] == [1, 1, 2, 2, 3, 4]
    assert stages_for((96, 8, 3)) == 1
    found = starts((28, 28, 1), 10)
    assert len(set(found)) == len(found)
    assert str(found[0]) == "conv 4 same, pool, conv 6 same, pool, conv 8 same, gap, dense"
    assert [str(net) for net in starts((1, 1, 1), 2)] == ["dense"]


def evolved(query: Query, count: int, lag: int = 4, seed: int = 0, order: int = 1) -> list[Proposal]:
    """Return proposals where a network's accuracy grows with its parameters; `order` -1 hands over what was judged backwards."""
    evolution = Evolution(query, starts((12, 12, 1), 5), seed)
    proposed: list[Proposal] = []
    for number in range(count):
        known = proposed[: max(0, number - lag + 1)]
        judged = [Judged(one, min(0.99, 0.2 + one.net.parameters / 5_000 + one.seed / 1_000)) for one in known]
        proposed.append(evolution.propose(number, judged[::order], proposed))
    return proposed


def test_proposals_depend_on_what_was_judged_alone() -> None:
    query = Query(max_macs=300_000)
    assert evolved(query, 60) == evolved(query, 60, order=-1)
    assert evolved(query, 60) != evolved(query, 60, seed=1)
    assert evolved(query, 60)[:40] == evolved(query, 40)


@pytest.mark.parametrize("query", [Query(max_params=400, max_macs=30_000), Query(target=0.25, max_memory=4_000), Query(max_bytes=2_000)])
def test_nothing_over_a_budget_is_proposed_and_nothing_twice(query: Query) -> None:
    proposed = evolved(query, 80)
    assert all(within(query, one.net) for one in proposed)
    assert len({(one.net.id, one.seed) for one in proposed}) == len(proposed)
    assert [one.number for one in proposed] == list(range(80))
    for one in proposed:
        assert one.parent is None if one.change == "start" else one.parent is not None and one.parent < one.number
    assert any(one.seed for one in proposed)


def test_budgets_below_every_start_are_an_error() -> None:
    with pytest.raises(SelectionError, match="keeps within the budgets"):
        Evolution(Query(max_params=3), starts((12, 12, 1), 5))


def test_parents_are_near_the_target() -> None:
    low, high = (evolved(Query(target=target, max_macs=300_000), 120) for target in (0.25, 0.6))
    mean = [np.mean([one.net.parameters for one in some[60:]]) for some in (low, high)]
    assert mean[0] < mean[1]


def test_fronts_are_sorted_by_what_beats_them() -> None:
    nets = {net.parameters: net for net in starts((12, 12, 1), 5)}
    sizes = sorted(nets)[:4]
    accuracies = (0.5, 0.4, 0.7, 0.6)
    judged = [
        Judged(Proposal(number, nets[size], 0, None, "start"), accuracy)
        for number, (size, accuracy) in enumerate(zip(sizes, accuracies, strict=True))
    ]
    judged.append(Judged(Proposal(4, nets[sizes[0]], 1, 0, "another seed"), 0.3))
    found = tried(judged)
    assert found[0].accuracies == (0.5, 0.3)
    assert [[one.number for one in front] for front in fronts(found, 5)] == [[0, 2], [1, 3]]
    assert len(fronts(found, 1)) == 1
