"""Shrinking a trained network: cut weights compute what the whole network does, and what has seen other parts is refused or marked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import issun
from cli_runner import Issun
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.cutting import Original, cut_weights, is_cut
from issun.datasets.split import Split
from issun.datasets.usual_split import CONFIRMATION, JUDGE
from issun.engine import Scaling
from issun.engine.weights import initialised
from issun.errors import Cancelled, IssunError, ModelError, RecipeError, StudyError
from issun.model import Model
from issun.nas import confirming, searching
from issun.nas.pruning import cuts, narrower, shrinking
from issun.recipe import Recipe
from issun.training import train_network
from issun.webpage import content
from test_search import finalists, proposals, scrambled

SHAPE, CLASSES = (12, 12, 2), 5
LARGE = "conv 6 same, pool, conv 8 same, pool, dense"

#: Small enough for seconds.
QUICK: dict[str, Any] = {"epochs": 4, "trials": 40, "target": 0.6, "max_macs": 40_000}


def net(text: str) -> Net:
    return parse_network(text, SHAPE, CLASSES)


def is_cut_of_large(text: str) -> bool:
    return is_cut(*(parse_network(one, (8, 8, 1), 10) for one in (text, LARGE)))


def random_weights(of: Net) -> np.ndarray[Any, np.dtype[np.float32]]:
    return initialised(of, "glorot", 1) + np.random.default_rng(0).normal(0, 0.1, of.stored).astype(np.float32)


def model_of(of: Net, weights: np.ndarray[Any, np.dtype[np.float32]]) -> Model:
    return Model(of, weights, Scaling((1 / 255, 1 / 255), (0.0, 0.0)), tuple("abcde"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on the images that a search trains on, as its file."""
    path = tmp_path_factory.mktemp("large") / "large.safetensors"
    issun.train("digits", LARGE, output=path, for_search=True, epochs=15)
    return path


@pytest.fixture(scope="module")
def found(large: Path) -> issun.Study:
    return issun.search("digits", start=large, study=large.with_name("one.sqlite"), threads=2, **QUICK)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("conv 8, pool, conv 6, pool, dense 9, dense", "conv 5, pool, conv 4, pool, dense 3, dense"),
        ("conv 8, res (conv 8 same, conv 8 same), sepconv 7, gap, dense", "conv 5, res (conv 3 same, conv 5 same), sepconv 4, gap, dense"),
        ("conv 8, tied 3 (conv 8 same), pool, dense", "conv 3, tied 3 (conv 3 same), pool, dense"),
        ("conv 8, concat (conv 4 1x1 | conv 6 1x1), conv 5, dense", "conv 6, concat (conv 2 1x1 | conv 3 1x1), conv 4, dense"),
        ("conv 8 prelu, res scaled (conv 8 same rational), dense", "conv 6 prelu, res scaled (conv 6 same rational), dense"),
        ("conv 8 norm, dwconv 2, conv 5, gap", "conv 4 norm, dwconv 2, conv 5, gap"),
    ],
)
def test_what_loses_only_channels_that_are_zero_computes_the_same(before: str, after: str) -> None:
    of, cut = net(before), net(after)
    weights = random_weights(of)
    narrow = {op.index: op.output[-1] for op in cut.ops}
    for op in of.ops:  # the last channels of each layer are zero
        for tensor in op.own:
            if tensor.role in ("kernel", "bias", "factor", "shift") and tensor.shape[0] == op.output[-1]:
                weights[tensor.slice].reshape(tensor.shape)[narrow[op.index] :] = 0
    given = cut_weights(cut, of, weights)
    assert given is not None
    images = np.random.default_rng(1).integers(0, 256, (20, *SHAPE), np.uint8)
    np.testing.assert_allclose(model_of(cut, given).logits(images), model_of(of, weights).logits(images), rtol=1e-5, atol=1e-5)


def test_the_channels_with_the_largest_norms_stay_in_their_order() -> None:
    of, cut = net("conv 4 1x1 nobias, gap, dense"), net("conv 2 1x1 nobias, gap, dense")
    weights = np.zeros(of.stored, np.float32)
    weights[:8] = [1, 0, -5, 0, 0, 2, 3, 3]  # norms 1, 5, 2, 6
    given = cut_weights(cut, of, weights)
    assert given is not None
    assert given[:4].tolist() == [-5, 0, 3, 3]


@pytest.mark.parametrize(
    "text",
    [
        "conv 9, pool, conv 6, dense",  # more channels
        "conv 5 5x5, pool, conv 6, dense",
        "conv 5 leaky, pool, conv 6, dense",
        "conv 5, avgpool, conv 6, dense",
        "conv 5 nobias, pool, conv 6, dense",
        "conv 5, conv 6, dense",
    ],
)
def test_other_networks_are_not_cut(text: str) -> None:
    assert is_cut(net("conv 5, pool, conv 6, dense"), net("conv 8, pool, conv 6, dense"))
    assert not is_cut(net(text), net("conv 8, pool, conv 6, dense"))


def test_sums_of_what_is_put_together_and_groups_are_not_cut() -> None:
    assert not is_cut(net("conv 4 same, conv 4 groups 2, dense"), net("conv 8 same, conv 8 groups 2, dense"))
    joined = "conv {0} same, res (concat (conv {1} same | conv {1} 1x1)), dense"
    assert not is_cut(net(joined.format(6, 3)), net(joined.format(8, 4)))
    assert is_cut(net(joined.format(8, 4)), net(joined.format(8, 4)))


def test_a_search_begins_with_fewer_and_fewer_channels() -> None:
    of = net("conv 10 same, res (conv 8 same, conv 10 same), pool, conv 5, gap")
    some = cuts(of)
    assert some[0] == of
    assert [one.parameters for one in some] == sorted({one.parameters for one in some}, reverse=True)
    assert all(is_cut(one, of) for one in some)
    assert str(narrower(of, 0.5)) == "conv 5 same, res (conv 4 same, conv 5 same), pool, conv 5, gap"
    random, names = np.random.default_rng(0), set()
    for _ in range(60):
        other, name = shrinking(of)(of, random, lambda one: True)
        names.add(name)
        assert is_cut(other, of) or not name.startswith("fewer channels")
    assert {"fewer channels", "fewer channels everywhere"} < names


def test_training_begins_with_the_inherited_weights_and_the_id_says_so(large: Path) -> None:
    digits, original = issun.load("digits"), Original(Model.load(large))
    cut = narrower(original.model.net, 0.5)
    recipe = Recipe(epochs=1, learning_rate=1e-9, cut_from=original.fingerprint, scaling="raw")
    split = Split(JUDGE, aside=CONFIRMATION)
    outcome = train_network(cut, recipe, digits, split, original=original, test=False)
    inherited = original.weights_of(cut)
    assert inherited is not None
    np.testing.assert_allclose(outcome.weights, inherited, atol=1e-5)
    assert outcome.scaling == original.model.scaling
    drawn = train_network(
        net_like := issun.parse_network("conv 3 5x5, gap, dense", digits.input, 10), recipe, digits, split, original=original
    )
    assert drawn.weights.tobytes() == train_network(net_like, recipe.model_copy(update={"cut_from": None}), digits, split).weights.tobytes()
    with pytest.raises(RecipeError, match="cut_from"):
        train_network(cut, recipe, digits, split)
    with pytest.raises(RecipeError, match="cut_from"):
        train_network(cut, Recipe(epochs=1), digits, split, original=original)
    with pytest.raises(RecipeError, match="cut_from"):
        issun.sweep("digits", ["dense"], recipe={"cut_from": original.fingerprint}, plot=False, study=large.with_name("no.sqlite"))


def test_a_search_shrinks_a_network(found: issun.Study, large: Path) -> None:
    searched = found.searched
    assert searched is not None
    [start] = searched.settings.given
    assert (start.role, start.name, start.network, start.seen) == ("start", "large.safetensors", LARGE, "")
    assert all(entry.independent == entry.confirms for entry in found.entries)
    assert searched.winner is not None
    assert searched.winner.confirmed is not None
    steps = searched.descent(searched.winner)
    assert all(step.cut == (step.proposal.network != LARGE and is_cut_of_large(step.proposal.network)) for step in steps)
    assert steps[0].change == ("cut from the start" if steps[0].cut else "start")
    assert all(step.change.endswith("cut from the start") == step.cut for step in steps)
    changes = {one.change for one in searched.facts.proposals}
    assert any(change.startswith("fewer channels") for change in changes)
    assert "training: taught by the start" in {way.name and f"training: {way.name}" for way in searched.settings.ways}
    said = found.findings.as_dict()
    assert said["dependence"] == ""
    assert said["given"][0]["fingerprint"] == Original(Model.load(large)).fingerprint


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_for_any_number_of_threads(found: issun.Study, large: Path, tmp_path: Path, threads: int) -> None:
    again = issun.search("digits", start=[Model.load(large)], study=tmp_path / "again.sqlite", threads=threads, **QUICK)
    assert proposals(again.path) == proposals(found.path)
    assert finalists(again.path) == finalists(found.path)


def test_a_stopped_search_goes_on_with_its_network_alone(found: issun.Study, large: Path, tmp_path: Path) -> None:
    path = tmp_path / "stopped.sqlite"

    def stop(event: object) -> None:
        if isinstance(event, searching.SearchProgress) and event.trainings >= 12:
            raise KeyboardInterrupt

    with pytest.raises(Cancelled):
        issun.search("digits", start=large, study=path, on_progress=stop, **QUICK)
    with pytest.raises(StudyError, match=r"begun with the start large.safetensors .*give its file with --start"):
        issun.search("digits", study=path, **QUICK)
    other = tmp_path / "other.safetensors"
    issun.train("digits", LARGE, output=other, for_search=True, epochs=1)
    with pytest.raises(StudyError, match=r"was begun with large.safetensors .* give another path"):
        issun.search("digits", start=other, study=path, **QUICK)
    with pytest.raises(ModelError, match="give a model file"):
        issun.search("digits", start=str(tmp_path / "gone.safetensors"), study=path, **QUICK)
    with pytest.raises(ModelError, match="is not an issun model"):
        issun.search("digits", start=str(path), study=path, **QUICK)  # a study, and no network with a dot in it
    issun.search("digits", start=large.rename(large.with_name("moved.safetensors")), study=path, **QUICK)
    large.with_name("moved.safetensors").rename(large)
    assert proposals(path) == proposals(found.path)
    assert finalists(path) == finalists(found.path)


def test_ids_differ_with_the_network_that_is_shrunk(found: issun.Study, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    issun.train("digits", LARGE, output=other, for_search=True, epochs=2)
    again = issun.search("digits", start=other, study=tmp_path / "again.sqlite", **QUICK)
    plain = issun.search("digits", start=LARGE, study=tmp_path / "plain.sqlite", **QUICK)

    def ids(study: issun.Study) -> set[str]:
        with closing(sqlite3.connect(study.path)) as connection:
            return {row[0] for row in connection.execute("SELECT id FROM trials")}

    assert not ids(found) & ids(again)
    assert not ids(found) & ids(plain)


def test_no_choice_depends_on_confirmation(found: issun.Study, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(confirming.confirm.__kwdefaults__, "train", scrambled(train_network))
    path = tmp_path / "scrambled.sqlite"
    issun.search("digits", start=large, study=path, **QUICK)
    assert proposals(path) == proposals(found.path)
    assert finalists(path) == finalists(found.path)


def test_what_has_seen_other_parts_is_refused_or_marked(command: Issun, tmp_path: Path) -> None:
    command.succeeds("train", "digits", LARGE, "--epochs", "15", "--output", "seen.safetensors")
    asked = ("search", "digits", "--start", "seen.safetensors", "--target", "40%", "--trials", "40", "--epochs", "4")
    refused = command.run(*asked)
    assert refused.code == 2
    assert "217 of the 217 that judge and" in refused.err
    assert "--allow-dependent" in refused.err
    assert not (command.folder / "digits-search.sqlite").exists()
    done = command.succeeds(*asked, "--max-macs", "40k", "--allow-dependent")
    assert "Not independent" in done
    study = issun.Study(command.folder / "digits-search.sqlite")
    assert not any(entry.independent for entry in study.entries)
    assert study.searched is not None
    assert study.searched.winner is not None
    assert "not independent" in study.model().provenance.as_dict()
    for name, *others in (("show",), ("show", "--all"), ("report",), ("plot", "frontier"), ("export", "--to", "onnx")):
        ended = command.run(name, "digits-search.sqlite", *others)
        assert ended.code == 0, ended.err
    assert "Not independent" in command.succeeds("show", "digits-search.sqlite")
    assert "217 of the 217" in json.loads(command.succeeds("show", "digits-search.sqlite", "--json"))["search"]["dependence"]
    assert "217 of the 217" in content([study])["studies"][0]["search"]["dependence"]
    # The same for a teacher.
    with pytest.raises(IssunError, match="--teacher"):
        issun.search("digits", teacher=command.folder / "seen.safetensors", study=tmp_path / "no.sqlite", trials=3)


def test_a_teacher_teaches_in_all_trainings(large: Path, tmp_path: Path) -> None:
    study = issun.search("digits", teacher=large, study=tmp_path / "taught.sqlite", trials=8, epochs=4, target=0.2, max_macs=20_000)
    recipes = [json.loads(text) for text in study.facts.recipes.values()]
    assert recipes
    assert all("teacher" in recipe and "cut_from" not in recipe for recipe in recipes)
    assert all(entry.independent for entry in study.entries if entry.confirms)
    with pytest.raises(StudyError, match="begun with the teacher"):
        issun.search("digits", study=tmp_path / "taught.sqlite", trials=8, epochs=4, target=0.2, max_macs=20_000)


def test_what_models_tell_of_their_images(large: Path, tmp_path: Path) -> None:
    digits, model = issun.load("digits"), Model.load(large)

    def refused(dataset: Any = digits, **changes: Any) -> str:
        given = replace(model, provenance=replace(model.provenance, **changes))
        try:
            issun.search(dataset, start=given, dry_run=True, trials=3)
        except IssunError as error:
            return str(error)
        return ""

    assert refused() == ""
    assert "does not tell on which images" in refused(data=None)
    assert "does not tell on which of its images" in refused(split="")
    assert "does not tell on which of its images" in refused(validation_images="3 0123456789abcdef")
    assert "is not independent itself (taught)" in refused(dependence="taught")
    assert "read in another way" in refused(replace(digits, images=255 - digits.images))
    assert refused(replace(digits, images=255 - digits.images, name="others")) == ""
    head = refused(head="svm")
    assert "217 of the 217 that judge." in head
    told: list[Any] = []
    others = replace(digits, images=255 - digits.images, name="others")
    issun.search(others, start=model, study=tmp_path / "others.sqlite", trials=2, epochs=1, on_progress=told.append)
    assert any("cannot be known" in getattr(event, "text", "") for event in told)


def test_wrong_starts(large: Path, tmp_path: Path) -> None:
    def search(**options: Any) -> None:
        issun.search("digits", **{"study": tmp_path / "wrong.sqlite", "trials": 3, "epochs": 1} | options)

    model = Model.load(large)
    with pytest.raises(IssunError, match=r"2 trained networks \(large.safetensors, large.safetensors\)"):
        search(start=[large, large])
    with pytest.raises(ModelError, match="`start` takes 8x8x1 images"):
        search(start=large, size=6)
    with pytest.raises(ModelError, match="`start` knows the classes"):
        search(start=replace(model, classes=tuple("abcdefghij")))
    with pytest.raises(IssunError, match="one size and colour"):
        search(start=large, size=[6, 8])
    with pytest.raises(IssunError, match="--start and families"):
        search(start=large, families=["conv n, dense", "n=1,2"])
    with pytest.raises(ModelError, match="give a model file"):
        search(start="none.safetensors")
    with pytest.raises(IssunError, match="--for-search"):
        issun.train("digits", "dense", for_search=True, folds=2)
    assert not (tmp_path / "wrong.sqlite").exists()


def test_a_study_file_names_the_model(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shrink.toml").write_text(
        f"""title = "Smaller"
question = "How small?"
data = "digits"
[find]
target = 0.3
max_macs = 40_000
recipe = {{ epochs = 4 }}
search = {{ trials = 8, start = '{large}' }}
"""
    )
    issun.run("shrink.toml", plot=False)
    searched = issun.Study("shrink-find.sqlite").searched
    assert searched is not None
    assert [one.name for one in searched.settings.given] == ["large.safetensors"]
