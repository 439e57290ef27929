"""Changes of networks: whatever comes of them is a network that the notation writes and reads, and the same seed gives the same."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issun.arch.notation import parse_network
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import CHANGES, neighbour
from issun.nas.evolution import Evolution, Judged, Known, Proposal, Tried, fronts, tried
from issun.nas.finalists import finalists
from issun.nas.starts import stages_for, starts
from issun.study import Query
from issun.study.query import within

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


def evolved(query: Query, count: int, lag: int = 4, seed: int = 0) -> list[Proposal]:
    """Return proposals where a network's accuracy grows with its parameters."""
    evolution, known = Evolution(query, starts((12, 12, 1), 5), seed), Known()
    for number in range(count):
        if number >= lag:
            known.learn(judged(known.proposed[number - lag]))
        known.note(evolution.propose(number, known))
    return known.proposed


def judged(one: Proposal) -> Judged:
    return Judged(one, min(0.99, 0.2 + one.net.parameters / 5_000 + one.seed / 1_000 + 0.1 * one.full))


def test_proposals_depend_on_what_was_judged_alone() -> None:
    query = Query(max_macs=300_000)
    assert evolved(query, 60) == evolved(query, 60)
    assert evolved(query, 60) != evolved(query, 60, seed=1)
    assert evolved(query, 60)[:40] == evolved(query, 40)


@pytest.mark.parametrize("rungs", [True, False])
def test_what_is_known_step_by_step_is_what_is_found_of_all(rungs: bool) -> None:
    evolution, known = Evolution(Query(max_macs=300_000), starts((12, 12, 1), 5), rungs=rungs), Known()
    for number in range(120):
        one = evolution.propose(number, known)
        known.note(one)
        known.learn(judged(one))
        if number % 7 == 0:
            assert known.fronts(4) == fronts(tried(map(judged, known.proposed)), 4)
    assert sum(known.seeds.values()) == sum(one.full for one in known.proposed)


@pytest.mark.parametrize("query", [Query(max_params=400, max_macs=30_000), Query(target=0.25, max_memory=4_000), Query(max_bytes=2_000)])
def test_nothing_over_a_budget_is_proposed_and_nothing_twice(query: Query) -> None:
    proposed = evolved(query, 80)
    assert all(within(query, one.net) for one in proposed)
    assert len({(*one.key, one.seed, one.full) for one in proposed}) == len(proposed)
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
    found = [
        Judged(Proposal(number, nets[size], 0, None, "start"), accuracy)
        for number, (size, accuracy) in enumerate(zip(sizes, accuracies, strict=True))
    ]
    found.append(Judged(Proposal(4, nets[sizes[0]], 1, 0, "another seed"), 0.3))
    networks = tried(found)
    assert (networks[0].short, networks[0].full) == ((0.5, 0.3), ())
    assert [[one.number for one in front] for front in fronts(networks, 5)] == [[0, 2], [1, 3]]
    assert len(fronts(networks, 1)) == 1


def test_the_short_recipe_is_made_comparable_by_what_both_recipes_gave() -> None:
    nets = starts((12, 12, 1), 5)[:3]
    short = [Judged(Proposal(number, net, 0, None, "start"), 0.8) for number, net in enumerate(nets)]
    assert [one.accuracy for one in tried(short)] == pytest.approx([0.88] * 3)  # the usual ratio, before any was seen
    full = [Judged(Proposal(3 + number, net, 0, number, "the full recipe", True), 0.95) for number, net in enumerate(nets[:2])]
    found = tried([*short, *full])
    assert [one.accuracy for one in found[:2]] == pytest.approx([0.95] * 2)
    assert found[2].accuracy == pytest.approx(1 - 0.2 * (0.25 * 0.6) ** 0.5)  # two errors were a quarter of those before; two are usual


def test_finalists_go_down_from_one_that_is_safe() -> None:
    nets = sorted((net for net in starts((12, 12, 1), 5)), key=lambda net: net.parameters)
    sizes = list({net.parameters: net for net in nets}.values())[:5]
    means = (0.88, 0.899, 0.905, 0.93, 0.97)
    networks = [Tried(net, 0, number, (), (mean,) * 3, mean) for number, (net, mean) in enumerate(zip(sizes, means, strict=True))]
    lucky = Tried(nets[-1], 1, 9, (), (0.999,), 0.999)  # a single seed is never a finalist where others have three
    found = finalists(Query(target=0.9), [*networks, lucky], 1_000)
    assert [fmean(one.full) for one in found] == pytest.approx([0.97, 0.93, 0.905, 0.899])
    assert [fmean(one.full) for one in finalists(Query(max_params=10**6), networks, 1_000)] == pytest.approx([0.97])
    assert len(finalists(Query(), networks, 1_000, pareto=True)) == 5
    assert finalists(Query(target=0.98), networks, 1_000) == []
    # Two trainings that both reach the target are enough, two of which one does not are not.
    both, one = (Tried(sizes[0], 2 + n, 20 + n, (), some, fmean(some)) for n, some in enumerate(((0.95, 0.91), (0.97, 0.89))))
    assert finalists(Query(target=0.9), [*networks, both, one], 1_000)[-1] == both
    # The bound must reach the target where that is asked for.
    assert [fmean(one.full) for one in finalists(Query(target=0.9), networks, 1_000, sure=True)][-1] >= 0.905
    assert finalists(Query(target=0.5), [], 1_000) == []


@pytest.mark.parametrize("ways", [("usual",), ("usual", "longer")])
def test_the_way_of_training_is_changed_only_where_there_are_several(ways: tuple[str, ...]) -> None:
    evolution = Evolution(Query(max_macs=30_000), starts((12, 12, 1), 5), ways=ways, epochs=((1, 4),) * len(ways))
    known = Known()
    for number in range(80):
        one = evolution.propose(number, known)
        known.note(one)
        known.learn(Judged(one, 0.5 + 0.1 * one.way + min(0.3, one.net.parameters / 10_000)))
    proposed = known.proposed
    assert {one.way for one in proposed} == set(range(len(ways)))
    assert any(one.full for one in proposed)
