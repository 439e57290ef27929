"""A space says what a search may make networks of: every network that is proposed keeps to it, and what it cannot say is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import issun
from cli_runner import Issun
from issun.arch.layers import Branch, Classifier, Group, Layer, Normalise, Pool
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.arch.ops import Kind
from issun.arch.space import ANYTHING, KINDS, Space
from issun.errors import IssunError, NetworkError, SelectionError, SpaceError, StudyError, StudyFileError
from issun.nas.changes import neighbour
from issun.nas.evolution import Evolution
from issun.nas.known import Judged, Known
from issun.nas.starts import starts, starts_within
from issun.study import Query, Study
from issun.study.file import read_study_file
from issun.study.space_file import read_space

CHOICES: dict[str, list[Any]] = {
    "layers": ["conv", "sepconv", "dwconv", "pool", "avgpool", "gap", "dense", "norm", "res", "tied", "concat"],
    "windows": [1, 2, 3, 5, 7, "1x3", "3x1"],
    "strides": [1, 2, 3],
    "pools": [2, 3, 4],
    "activations": ["relu", "leaky 0.2", "tanh", "linear", "gelu"],
    "norms": ["none", "norm", "norm image", "norm layer one"],
}


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a file may say."""
    values: dict[str, Any] = {}
    for key, known in CHOICES.items():
        if draw(st.booleans()):
            values[key] = draw(st.lists(st.sampled_from(known), min_size=1, max_size=5, unique=True))
    if draw(st.booleans()):
        values["most_layers"] = draw(st.integers(1, 12))
    if draw(st.booleans()):
        values["widest"] = draw(st.integers(1, 24))
    return values


def layers_of(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        if isinstance(layer, Group):
            yield from layers_of(layer.layers)


def sides(values: list[Any]) -> set[tuple[int, int]]:
    return {tuple(map(int, value.split("x"))) if isinstance(value, str) else (value, value) for value in values}  # type: ignore[misc]


def check(net: Net, values: dict[str, Any]) -> None:
    """Check a network by looking at it: at its text, layer by layer, and at the shapes of what it computes."""
    ending = net.layers[-2] if len(net.layers) > 1 and net.ops[-1].kind is Kind.GAP else None
    count = 0
    for layer in layers_of(net.layers):
        if isinstance(layer, Branch):
            continue
        word, *_ = str(layer).split()
        count += not isinstance(layer, Group)
        if isinstance(layer, Classifier):
            continue
        if "layers" in values:
            assert word in values["layers"], str(layer)
        if word in ("conv", "sepconv", "dwconv"):
            assert "windows" not in values or layer.kernel in sides(values["windows"])  # type: ignore[attr-defined]
            assert "strides" not in values or layer.stride in sides(values["strides"])  # type: ignore[attr-defined]
        if isinstance(layer, Pool):
            assert "pools" not in values or layer.window in sides(values["pools"])
        if "activations" in values and hasattr(layer, "activation"):
            linear = layer is ending and str(layer.activation) == "linear"
            assert linear or str(layer.activation) in values["activations"], str(layer)
        if "norms" in values and (hasattr(layer, "norm") or isinstance(layer, Normalise)):
            norm = layer if isinstance(layer, Normalise) else layer.norm
            assert ({True: "norm", False: "none"}[norm] if isinstance(norm, bool) else str(norm)) in values["norms"], str(layer)
    assert count <= values.get("most_layers", count)
    if "widest" in values:
        hidden = list(net.ops[:-1])
        if ending is not None:
            while hidden.pop().kind is not Kind.CONV:
                pass
        assert all(op.output[-1] <= values["widest"] for op in hidden), str(net)


@settings(deadline=None, max_examples=60)
@given(values=spaces(), seed=st.integers(0, 2**32), shape=st.sampled_from([(8, 8, 1), (16, 24, 3), (28, 28, 1)]))
def test_whatever_is_proposed_keeps_to_the_space(values: dict[str, Any], seed: int, shape: tuple[int, int, int]) -> None:
    space, random = Space.of(values), np.random.default_rng(seed)
    some = starts_within(space, shape, 5)
    assert some
    for net in some:
        check(net, values)
        assert not space.refusal(net)
    now = some[seed % len(some)]
    for _ in range(12):
        try:
            now, _ = neighbour(now, random, lambda other: other.macs < 1_000_000, space)
        except NetworkError:  # a space may be so small
            break
        check(now, values)


def test_without_limits_nothing_is_refused_or_changed() -> None:
    assert ANYTHING.lines == ()
    for net in starts((28, 28, 1), 10):
        assert ANYTHING.adapted(net) == net
        assert not ANYTHING.refusal(net)
    assert starts_within(ANYTHING, (28, 28, 1), 10) == starts((28, 28, 1), 10)


def test_a_search_proposes_nothing_else_and_windows_that_are_rarely_tried() -> None:
    values = {"windows": [6, 7], "layers": ["conv", "pool", "gap", "dense", "res"], "norms": "none", "most_layers": 7, "widest": 20}
    space = Space.of(values)
    evolution = Evolution(
        Query(max_macs=300_000),
        starts_within(space, (16, 16, 1), 5),
        neighbours=lambda net, random, allowed: neighbour(net, random, allowed, space),
    )
    known, texts = Known(), []
    for number in range(150):
        if number >= 4:
            before = known.proposed[number - 4]
            known.learn(Judged(before, min(0.99, 0.2 + before.net.parameters / 5_000 + 0.1 * before.full)))
        known.note(evolution.propose(number, known))
        check(known.proposed[-1].net, values | {"norms": ["none"]})
        texts.append(str(known.proposed[-1].net))
    assert any("7x7" in text for text in texts)
    assert any("res" in text for text in texts)
    assert not any("sepconv" in text for text in texts)


def test_equal_spaces_are_equal_however_they_are_written() -> None:
    one = Space.of({"windows": [3, 1, 3], "activations": "relu", "layers": ["dense", "residual", "conv"]})
    other = Space.of({"layers": ["conv", "res", "dense"], "activations": ["relu"], "windows": ("1x1", "3x3")})
    assert one == other
    assert one.lines == ("layers: conv, dense, res", "windows: 1, 3", "activations: relu")


@pytest.mark.parametrize(
    ("text", "network", "words"),
    [
        ("layers: conv", "conv 4, gap, dense", "it has `gap`, and `layers` allows conv alone"),
        ("windows: 3", "conv 4 5x5, dense", "it has `conv 4 5x5`, and `windows` allows 3 alone"),
        ("strides: 1", "conv 4 stride 2, dense", "`strides` allows 1 alone"),
        ("pools: 2", "pool 3, dense", "`pools` allows 2 alone"),
        ("activations: relu", "res (conv 4 same tanh), dense", "it has `conv 4 same tanh`, and `activations` allows relu alone"),
        ("activations: relu", "conv 4, tanh, dense", "`activations` allows relu alone"),
        ("activations: relu", "conv 4, conv 5 linear, gap", ""),
        ("activations: relu", "conv 4, gate (gap, dense 4 sigmoid), dense", ""),
        ("norms: none", "conv 4 norm, dense", "`norms` allows none alone"),
        ("norms: none", "conv 4, norm layer, dense", "`norms` allows none alone"),
        ("most_layers: 2", "conv 4, pool, dense", "it has 3 layers, and `most_layers` is 2"),
        ("widest: 6", "conv 4 same, concat (| conv 4 same), dense", "it has a layer of 8 channels or units, and `widest` is 6"),
        ("widest: 4", "conv 4, conv 5 1x1 linear, gap", ""),
        ("widest: 4", "conv 5, conv 5 1x1 linear, gap", "channels or units"),
    ],
)
def test_a_refusal_says_why(text: str, network: str, words: str) -> None:
    key, value = text.split(": ")
    said = Space.of({key: int(value) if value.isdecimal() else value}).refusal(parse_network(network, (8, 8, 1), 5))
    assert words in said
    assert bool(words) == bool(said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layer = []", "line 1, `layer`: is not a known key; did you mean `layers`? the keys are start, families, layers"),
        ('\nlayers = ["conv", "sep"]', "line 2, `layers[1]`: (='sep') is no kind of layer; did you mean `sepconv`?"),
        ('layers = [\n "conv",\n "relu"]', "line 3, `layers[1]`: (='relu') is no kind of layer; for activations"),
        ("layers = []", "line 1, `layers`: is empty"),
        ("windows = [0]", "line 1, `windows[0]`: (=0) must be a whole number from 1, or rows and columns"),
        ('windows = ["1x3x3"]', "`windows[0]`"),
        ("windows = [true]", "`windows[0]`"),
        ('activations = ["rely"]', "did you mean `relu`?"),
        ('activations = ["relu nobias"]', "`activations[0]`"),
        ('activations = ["leaky x"]', "`activations[0]`: (='leaky x') cannot be read"),
        ('activations = ["relu, conv 8"]', "`activations[0]`"),
        ('norms = ["batch"]', "the norms are none, norm, norm image"),
        ("most_layers = 0", "`most_layers`: (=0) must be a whole number"),
        ('widest = "8"', "`widest`: (='8') must be a whole number"),
        ("start = [3]", "`start[0]`: (=3) must be a text"),
    ],
)
def test_what_a_file_cannot_say(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(SpaceError) as caught:
        read_space(path)
    assert str(caught.value).startswith(f"{path}, line ")
    assert words in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"none.toml"):
        read_space(tmp_path / "none.toml")
    path = tmp_path / "space.toml"
    path.write_text("layers = [")
    with pytest.raises(StudyFileError, match="is not valid TOML"):
        read_space(path)
    with pytest.raises(SpaceError, match=r"the space, `layers\[0\]`"):
        read_space({"layers": [3]})


SMALL = 'layers = ["conv", "pool", "gap", "dense"]\nwindows = [1, 2]\nwidest = 12\nmost_layers = 6\n'
QUICK: dict[str, Any] = {"epochs": 2, "trials": 30, "max_macs": 20_000, "finalists": 1}


def test_a_search_keeps_to_its_space_and_goes_on_with_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Issun(tmp_path, monkeypatch, capsys)
    (tmp_path / "small.toml").write_text(SMALL)
    quick = ("--epochs", "2", "--max-macs", "20000", "--finalists", "1", "--study", "one.sqlite")
    shown = command.succeeds("search", "digits", "--space", "small.toml", "--dry-run", *quick)
    assert "space of layers: conv, pool, gap, dense; windows: 1, 2; most_layers: 6; widest: 12" in " ".join(shown.split())
    command.succeeds("search", "digits", "--space", "small.toml", "--trials", "30", *quick)
    study = Study(tmp_path / "one.sqlite")
    values = {"layers": ["conv", "pool", "gap", "dense"], "windows": [1, 2], "widest": 12, "most_layers": 6}
    assert len(study.entries) > 10
    for entry in study.entries:
        check(study.net(entry), values)
    more = issun.search("digits", study=study.path, space=values, **QUICK | {"trials": 32})
    assert more.facts.search is not None
    assert len(more.facts.search.proposals) == 32
    assert more.findings.as_dict()["choices"] == list(Space.of(values).lines)
    for other in (None, {**values, "widest": 16}):
        with pytest.raises(StudyError, match=r"holds another search \(networks made of layers: conv, .*; .*|networks made of layers"):
            issun.search("digits", study=study.path, space=other, **QUICK)
    with pytest.raises(StudyError, match="holds another search"):
        issun.search("digits", study=study.path, space={"layers": ["sepconv"]}, **QUICK)


def test_starts_and_families_of_a_space(tmp_path: Path) -> None:
    def search(space: dict[str, Any], *families: str, **options: Any) -> Any:
        return issun.search("digits", families or None, dry_run=True, space=space, study=tmp_path / "one.sqlite", **QUICK | options)

    begun = search({"start": "conv 3, gap, dense", "windows": [3]})
    assert [str(net) for net in begun.starts] == ["conv 3, gap, dense"]
    with pytest.raises(SelectionError, match=r"the start `conv 3 5x5, dense` is not in the space: it has `conv 3 5x5`, and `windows`"):
        search({"start": ["conv 3 5x5, dense"], "windows": [3]})
    with pytest.raises(SelectionError, match=r"the start `conv 3, gap, dense` is not in the space"):
        search({"layers": ["conv"]}, start="conv 3, gap, dense")
    families = search({"families": ["conv n, gap, dense", "n=2,4,30"], "widest": 8})
    assert [str(net) for net in families.starts] == ["conv 2, gap, dense", "conv 4, gap, dense"]
    assert families.as_dict()["space"] == ["conv n, gap, dense", "n=2,4,30"]
    assert search({"widest": 8}, "conv n, gap, dense", "n=2,4,30").starts == families.starts
    with pytest.raises(
        SelectionError, match=r"none of the networks of these families is in the space \(of `conv 20, gap, dense`: it has a"
    ):
        search({"widest": 8}, "conv n, gap, dense", "n=20,30")
    with pytest.raises(IssunError, match="--start and `start` of the space"):
        search({"start": ["dense"]}, start="dense")
    with pytest.raises(IssunError, match="families and `families` of the space"):
        search({"families": ["conv n, dense", "n=2"]}, "conv n, gap, dense", "n=20,30")
    with pytest.raises(SelectionError, match="keeps within the budgets"):
        search({"layers": ["dense"]}, max_params=100)


def test_a_space_of_a_single_network_is_searched_to_its_end(tmp_path: Path) -> None:
    one = {"layers": ["gap"], "most_layers": 1, "norms": "none"}
    study = issun.search("digits", space=one, study=tmp_path / "one.sqlite", **QUICK | {"trials": 200})
    assert study.facts.search is not None
    assert {entry.network.removesuffix(" nobias") for entry in study.entries} == {"dense"}
    assert len(study.facts.search.proposals) < 200


def test_a_part_of_a_study_file_has_a_space(tmp_path: Path) -> None:
    text = (
        'title = "Small"\nquestion = "How small?"\ndata = "digits"\n\n[find]\nmax_macs = 20_000\nrecipe = { epochs = 2 }\n'
        "search = { trials = 12, finalists = 1, space = SPACE }\n"
    )
    path = tmp_path / "find.toml"
    (tmp_path / "small.toml").write_text(SMALL)
    for number, space in enumerate(('{ layers = ["conv", "gap", "dense"] }', f'"{(tmp_path / "small.toml").as_posix()}"')):
        path.write_text(text.replace("SPACE", space))
        issun.run(path, output=tmp_path / str(number))
        study = Study(tmp_path / str(number) / "find-find.sqlite")
        words = ["conv", "gap", "dense", *(["pool"] if number else [])]
        for entry in study.entries:
            check(study.net(entry), {"layers": words})
        assert study.facts.search is not None
        assert study.facts.search.settings.choices[0].startswith("layers: conv, ")
    path.write_text(text.replace("SPACE", '{ layers = ["conv", "gab"] }'))
    with pytest.raises(StudyFileError, match=r"line 8, `find.search.space.layers\[1\]`: .*did you mean `gap`"):
        read_study_file(path)


def test_the_kinds_are_the_words_of_the_notation() -> None:
    from issun.arch.knobs import GROUP_WORDS, LAYER_WORDS
    from issun.arch.layers import ACTIVATION_KINDS

    assert set(KINDS) == set(LAYER_WORDS) - set(ACTIVATION_KINDS)
    assert set(GROUP_WORDS) <= set(KINDS)
