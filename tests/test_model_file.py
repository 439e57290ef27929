"""Does a model come back from its file to the bit, and is every file that is none turned away with a reason?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save

from cli_runner import Issun
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling
from issun.engine.weights import as_tensors, initialised
from issun.errors import ModelError
from issun.model import Model
from issun.model_file import read_model
from issun.provenance import Provenance
from strategies import OPERATORS, nets

NET = parse_network("conv 3, pool, dense", (6, 5, 1), 3)
WEIGHTS = initialised(NET, "he", 0)
METADATA = {
    "issun.model": "1",
    "issun.network": "conv 3, pool, dense",
    "issun.input": "6x5x1",
    "issun.classes": '["ant", "bee", "cat"]',
    "issun.scaling": '{"factor": [0.02], "offset": [-1]}',
    "issun.about": '{"seed": "7"}',
}


def model(**about: str) -> Model:
    return Model(NET, WEIGHTS, Scaling((1 / 50,), (-1.0,)), ("ant", "bee", "cat"), Provenance.read(about))


@settings(max_examples=40)
@given(nets(operators=OPERATORS), st.integers(0, 1000), st.dictionaries(st.text(), st.text(), max_size=4), st.data())
def test_what_was_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, net: Net, seed: int, about: dict[str, str], data: st.DataObject
) -> None:
    classes = data.draw(st.lists(st.text(max_size=8), min_size=net.classes, max_size=net.classes, unique=True))
    numbers = st.floats(-1000, 1000)
    factor, offset = (tuple(data.draw(st.lists(numbers, min_size=net.input[2], max_size=net.input[2]))) for _ in range(2))
    path = tmp_path_factory.mktemp("models") / "some.safetensors"
    given = Model(net, initialised(net, "he", seed), Scaling(factor, offset), tuple(classes), Provenance.read(about))
    given.save(path)
    back, kept = Model.load(path), given.folded()
    assert (back.net, back.scaling, back.classes, back.about) == (kept.net, kept.scaling, kept.classes, kept.about)
    assert back.weights.tobytes() == kept.weights.tobytes()
    assert back.weights.flags.owndata
    # A model that was read can be written again, and is the same.
    back.save(path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = set()
    for number in range(10):
        facts = {"seed": "3", "data": "digits", "recipe": "{}"}
        model(**dict(sorted(facts.items(), reverse=bool(number % 2)))).save(tmp_path / f"{number}")
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    model(seed="7").save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        assert sorted(file.keys()) == ["0.bias", "0.kernel", "2.bias", "2.kernel"]
        assert np.array_equal(file.get_tensor("0.kernel"), as_tensors(NET, WEIGHTS)["0.kernel"])
    assert {name: metadata[name] for name in ("issun.model", "issun.network", "issun.input")} == {
        "issun.model": "1",
        "issun.network": "conv 3, pool, dense",
        "issun.input": "6x5x1",
    }
    assert json.loads(metadata["issun.classes"]) == ["ant", "bee", "cat"]
    assert json.loads(metadata["issun.about"]) == {"seed": "7"}


def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_text("older")
    model().save(str(path))
    assert Model.load(str(path)).classes == ("ant", "bee", "cat")
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    model().save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match=r"m.safetensors cannot be written \(No space left on device\)"):
        model(seed="8").save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be written: the folder .*missing does not exist; create it first"):
        model().save(tmp_path / "missing" / "m.safetensors")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="folder cannot be written"):
        model().save(tmp_path / "folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as error:
        Model.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700 + len(str(path))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "none", "none cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it may be incomplete"),
        (b"1234567", "it may be incomplete"),
        (b"just a text that is no model", r"declare a header of [\d,]+ bytes, but the file has 28"),
        ((2**63).to_bytes(8, "little") + b"{}", "declare a header of 9,223,372,036,854,775,808 bytes"),
        ((2).to_bytes(8, "little") + b"{}", "a safetensors file without a network"),
        ((4).to_bytes(8, "little") + b"{{{{", "or is damaged"),
        ((2000).to_bytes(8, "little") + b'{"a":' * 400, "or is damaged"),
        ((20 * 2**20).to_bytes(8, "little") + b" " * (20 * 2**20), "is longer than 16,777,216"),
    ],
)
def test_contents_that_are_no_model(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    refused(path, message)


@given(st.data())
def test_a_file_cut_off_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "m.safetensors"
    model().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refused(path, "is not an issun model, or is damaged")


@settings(max_examples=300)
@given(st.data())
def test_a_changed_byte_never_breaks_more_than_the_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Either the file is refused with `ModelError`, or what comes out is a model that answers."""
    path = tmp_path_factory.mktemp("changed") / "m.safetensors"
    model().save(path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        loaded = Model.load(path)
    except ModelError:
        return
    assert np.isfinite(loaded.weights).all()
    assert loaded.weights.shape == (loaded.net.parameters,)


def written(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> Path:
    """Write a safetensors file like a model's, with metadata and tensors as `change` leaves them."""
    metadata, tensors = dict(METADATA), {name: tensor.copy() for name, tensor in as_tensors(NET, WEIGHTS).items()}
    change(metadata, tensors)
    path.write_bytes(save(tensors, {name: value for name, value in metadata.items() if value is not None}))
    return path


def test_the_pattern_of_the_following_tests_is_a_model(tmp_path: Path) -> None:
    parts = read_model(written(tmp_path / "m", lambda metadata, tensors: None))
    assert np.array_equal(parts.weights, WEIGHTS)
    assert parts.scaling == Scaling((0.02,), (-1.0,))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("issun.model", None, "a safetensors file without a network"),
        ("issun.model", "2", r"has format version '2', but this issun reads 1: update issun"),
        ("issun.model", "x" * 10_000, "update issun"),
        ("issun.network", None, "is damaged"),
        ("issun.network", "cnov 3, pool, dense", "cnov"),
        ("issun.network", "conv n, pool, dense", "knob"),
        ("issun.network", "conv 4, pool, dense", "its network has 67 weights of 4 bytes, but the file has 204 bytes"),
        ("issun.network", "conv 999999999, dense 999999999, dense", "or is damaged"),
        ("issun.network", "9999 * (9999 * (9999 * (relu))), conv 3, pool, dense", "or is damaged"),
        ("issun.network", "frozen (" * 5000 + "relu" + ")" * 5000 + ", dense", "or is damaged"),
        ("issun.network", "conv " + "9" * 9000 + ", dense", "or is damaged"),
        ("issun.network", "relu, " * 20_000 + "dense", "is longer than 100,000"),
        ("issun.network", "conv 3, pool, dense nobias", "its network has 48 weights"),
        ("issun.input", None, r"its input must be like 28x28x1, not ''"),
        ("issun.input", "6x5", "its input must be like"),
        ("issun.input", "6x5x0", "its input must be like"),
        ("issun.input", "99999999999x5x1", "its input must be like"),
        ("issun.input", "99999x99999x1", "is larger than"),
        ("issun.input", "6x5x2", "scaling must have a factor and an offset for each of its 2 channels"),
        ("issun.input", "8x5x1", "is damaged: its network has"),
        ("issun.classes", None, "class names must be a list"),
        ("issun.classes", "{", "is damaged"),
        ("issun.classes", '["ant", "bee"]', "its network has 44 weights"),
        ("issun.classes", '["ant"]', "at least 2"),
        ("issun.classes", "[]", "at least 2"),
        ("issun.classes", '["ant", "bee", "bee"]', "different strings"),
        ("issun.classes", '["ant", "bee", 3]', "different strings"),
        ("issun.classes", "[" * 100_000, "is damaged"),
        ("issun.scaling", None, "must have a factor and an offset"),
        ("issun.scaling", '{"factor": [1]}', "must have a factor and an offset"),
        ("issun.scaling", '{"factor": [1, 2], "offset": [1, 2]}', "for each of its 1 channels"),
        ("issun.scaling", '{"factor": [NaN], "offset": [0]}', "the factor of its scaling must be a list of finite numbers"),
        ("issun.scaling", '{"factor": [1], "offset": [Infinity]}', "the offset of its scaling"),
        ("issun.scaling", '{"factor": ["1"], "offset": [0]}', "finite numbers"),
        ("issun.scaling", '{"factor": 1, "offset": 0}', "finite numbers"),
        ("issun.about", "[]", "must be strings by name"),
        ("issun.about", '{"seed": 7}', "must be strings by name"),
    ],
)
def test_metadata_that_cannot_be(tmp_path: Path, name: str, value: str | None, message: str) -> None:
    def change(metadata: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        metadata[name] = value

    refused(written(tmp_path / "m.safetensors", change), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.kernel": None}, "its network has 51 weights"),
        ({"extra": np.zeros(3, np.float32)}, "its network has 51 weights"),
        (
            {"0.bias": None, "0.prejudice": np.zeros(3, np.float32)},
            "its tensors must be 0.kernel, 0.bias, 2.kernel, 2.bias, not 0.kernel, 0.prej",
        ),
        (
            {"0.kernel": np.zeros((1, 3, 3, 3), np.float32)},
            r"its tensor 0.kernel must be F32 of shape \(3, 1, 3, 3\), not F32 of shape \(1, 3",
        ),
        ({"0.kernel": np.zeros((3, 1, 3, 3), np.int32)}, r"not I32 of shape"),
        ({"0.bias": np.array([0, np.nan, 0], np.float32)}, "weights that are not finite"),
        ({"0.bias": np.array([0, np.inf, 0], np.float32)}, "weights that are not finite"),
    ],
)
def test_tensors_that_cannot_be(tmp_path: Path, changes: dict[str, np.ndarray | None], message: str) -> None:
    def change(metadata: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        for name, tensor in changes.items():
            if tensor is None:
                del tensors[name]
            else:
                tensors[name] = tensor

    refused(written(tmp_path / "m.safetensors", change), message)


def test_names_that_nothing_can_print(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(save(as_tensors(NET, WEIGHTS), METADATA | {"issun.classes": r'["ant", "\ud800", "cat"]'}))
    refused(path, "is not valid Unicode: export the model again")
    with pytest.raises(ModelError, match=r"has an unpaired surrogate .* rename the class"):
        Model(NET, WEIGHTS, Scaling((1.0,), (0.0,)), ("ant", "\udcff", "cat")).save(path)
    # A file's name may hold bytes that are no text: no reason to lose a training, nor to refuse an older model.
    model(data="caf\udce9.npz (0123)").save(path)
    assert Model.load(path).about == {"data": r"caf\udce9.npz (0123)"}
    path.write_bytes(save(as_tensors(NET, WEIGHTS), METADATA | {"issun.about": r'{"data": "caf\udce9.npz"}'}))
    assert Model.load(path).about == {"data": r"caf\udce9.npz"}


def test_names_that_steer_a_terminal_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    classes = ("a\x1b[2J\x07", "b\x00", "c\nd\r\x9b")
    Model(NET, WEIGHTS, Scaling((1 / 50,), (-1.0,)), classes).save(tmp_path / "m.safetensors")
    Image.fromarray(np.zeros((6, 5), np.uint8)).save(tmp_path / "a.png")
    out = issun.succeeds("predict", "m.safetensors", "a.png")
    assert r"a\x1b[2J" in out
    assert r"b\x00" in out
    assert not set(out) & {"\x1b", "\x00", "\x07", "\x9b"}
    (answer,) = issun.answers("predict", "m.safetensors", "a.png")["images"]
    assert {entry["class"] for entry in answer["classes"]} == set(classes)
