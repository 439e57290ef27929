"""Nothing is handed over that answers otherwise than the model, and whatever goes wrong leaves no file behind."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine_cases import unit
from issun.arch.notation import parse_network
from issun.engine.weights import initialised
from issun.errors import ExportError, MismatchError, ModelError
from issun.exporters import FORMATS, Exported, export_model
from issun.exporters.check import Answers, agrees, noise
from issun.exporters.writing import Format, Written
from issun.model import Model

NET = parse_network("conv 3 norm, pool, dense", (6, 5, 1), 3)
MODEL = Model(NET, initialised(NET, "he", 0), unit(NET), ("ant", "bee", "cat"))
IMAGES = noise(MODEL, 40)
LABELS = np.arange(40) % 3


class Plain(ModuleType):
    """A format that writes two files and answers through the model; `wrong` is what happens to the answers."""

    def __init__(self) -> None:
        super().__init__("plain_format")
        self.wrong: Any = lambda found: found
        self.lacks: list[str] = []
        self.crash: BaseException | None = None
        self.model: Model | None = None

    def lacking(self, net: object) -> list[str]:
        return self.lacks

    def write(self, model: Model, target: Path, loud: bool = False) -> Written:
        self.model = model
        other = target.with_suffix(".b")
        target.write_text("first" + "!" * loud)
        other.write_text("second")
        (target.parent / "scratch").write_text("not to be kept")
        if self.crash is not None:
            raise self.crash
        return Written((target, other), lambda images: self.wrong(model.predict_proba(images)), facts={"flash": "11 bytes"})


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Plain:
    module = Plain()
    monkeypatch.setitem(sys.modules, "plain_format", module)
    monkeypatch.setitem(FORMATS, "plain", Format("Plain", (".a", ".b"), "plain_format", ("loud",)))
    return module


def write(folder: Path, **options: Any) -> Exported:
    return export_model(MODEL, folder / "net", "plain", IMAGES, LABELS, **options)


def test_what_was_written_is_told(plain: Plain, tmp_path: Path) -> None:
    done = write(tmp_path, loud=True)
    assert done.files == (tmp_path / "net.a", tmp_path / "net.b")
    assert sorted(tmp_path.iterdir()) == list(done.files)
    assert done.files[0].read_text() == "first!"
    assert (done.bytes, done.facts) == (12, {"flash": "11 bytes"})
    accuracy = MODEL.evaluate(IMAGES, LABELS).accuracy
    assert (done.agreement.images, done.agreement.before, done.agreement.after) == (40, accuracy, accuracy)
    assert done.agreement.difference == 0
    assert not done.agreement.drawn
    assert plain.model is not None
    assert str(plain.model.net) == "conv 3, pool, dense"


def shifted(found: NDArray[np.float32]) -> NDArray[np.float32]:
    found[7, 1] += 0.001
    return found


def not_a_number(found: NDArray[np.float32]) -> NDArray[np.float32]:
    found[3] = np.nan
    return found


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (shifted, "a probability of image 7 is 0.001 off, where at most 0.0001 is allowed; it was not saved"),
        (not_a_number, "a probability of image 3 is nan off"),
        (lambda found: found[:, :2], r"returns an array of shape \(40, 2\), not \(40, 3\)"),
        (lambda found: found[1:], r"returns an array of shape \(39, 3\), not \(40, 3\)"),
    ],
)
def test_a_mismatch_leaves_nothing_behind(plain: Plain, tmp_path: Path, wrong: Any, message: str) -> None:
    plain.wrong = wrong
    with pytest.raises(MismatchError, match=message):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mismatch_leaves_what_was_there(plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "net.a").write_text("older")
    plain.wrong = shifted
    with pytest.raises(MismatchError):
        write(tmp_path, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.a", "older")]


@pytest.mark.parametrize("crash", [RuntimeError("bug"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_crash_leaves_nothing_behind(plain: Plain, tmp_path: Path, crash: BaseException) -> None:
    plain.crash = crash
    kind, message = (ExportError, "No space left") if isinstance(crash, OSError) else (type(crash), None)
    with pytest.raises(kind, match=message):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_with_force(plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "net.b").write_text("older")
    with pytest.raises(ExportError, match=r"net.b already exists: choose another name, or overwrite it with --force"):
        write(tmp_path)
    assert plain.model is None
    write(tmp_path, force=True)
    assert (tmp_path / "net.b").read_text() == "second"


def test_places_that_cannot_be(plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "net.b").mkdir()
    for path, message in [
        (tmp_path / "folder", r"folder is a directory: name a file in it, such as .*model\.a"),
        (tmp_path / "net", r"net.b cannot be written: it is a directory; name a file"),
        (tmp_path / "none" / "net", "the folder .*none does not exist; create it first"),
        (tmp_path / "net.onnx", "has the ending of another format: Plain files end in .a and .b"),
        (tmp_path / "model.safetensors", "has the ending of another format"),
    ]:
        with pytest.raises(ExportError, match=message):
            export_model(MODEL, path, "plain", force=True)
    assert plain.model is None


def test_endings(plain: Plain, tmp_path: Path) -> None:
    for number, (given, made) in enumerate([("v1.2", "v1.2.a"), ("one.a", "one.a"), ("two.b", "two.a")]):
        (tmp_path / str(number)).mkdir()
        assert export_model(MODEL, tmp_path / str(number) / given, "plain").files[0].name == made


def test_layers_that_a_format_lacks_are_named(plain: Plain, tmp_path: Path) -> None:
    plain.lacks = ["gelu", "scale", "gelu"]
    with pytest.raises(ExportError, match="Plain does not support `gelu`, `scale`;"):
        write(tmp_path)
    assert plain.model is None


def test_formats_and_options_that_do_not_exist(plain: Plain, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"unknown format 'tflite': choose one of onnx, .*plain"):
        export_model(MODEL, tmp_path / "net", "tflite")
    with pytest.raises(ExportError, match="Plain has no option `quiet`; its options: loud"):
        write(tmp_path, quiet=True)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FORMATS, "plain", Format("Plain", (".a",), "no_such_package_here", packages='"issun[plain]"'))
    with pytest.raises(ExportError, match=r'Plain needs a package .*no_such_package_here.*pip install "issun\[plain\]"'):
        write(tmp_path)


def test_without_images_noise_is_used_and_told(plain: Plain, tmp_path: Path) -> None:
    agreement = export_model(MODEL, tmp_path / "net", "plain").agreement
    assert agreement.drawn
    assert agreement.images > 100
    assert agreement.before is agreement.after is None


def test_images_that_do_not_fit() -> None:
    def same(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return MODEL.predict_proba(images)

    with pytest.raises(ModelError, match="images must have the shape"):
        agrees(MODEL, same, np.zeros((3, 6, 6, 1), np.uint8))
    with pytest.raises(ExportError, match="`images` is empty"):
        agrees(MODEL, same, np.zeros((0, 6, 5, 1), np.uint8))
    with pytest.raises(ExportError, match=r"`labels` must have one label for each of the 40 images, not 2"):
        agrees(MODEL, same, IMAGES, LABELS[:2])
    assert agrees(MODEL, same, IMAGES[..., 0], LABELS).images == 40


def test_near_ties_may_fall_either_way_and_others_not() -> None:
    def fixed(*rows: list[float]) -> Answers:
        return lambda images: np.array(rows, np.float32)[: len(images)]

    wanted = fixed([0.4, 0.39995, 0.20005])
    two = IMAGES[:1]
    assert agrees(MODEL, fixed([0.39995, 0.4, 0.20005]), two, expected=wanted).near_ties == 1
    with pytest.raises(MismatchError, match="predicts another label than the model for image 0"):
        agrees(MODEL, fixed([0.3, 0.5, 0.2]), two, expected=fixed([0.5, 0.3, 0.2]), tolerance=1.0)
    with pytest.raises(MismatchError, match="where at most 0 is allowed"):
        agrees(MODEL, fixed([0.4, 0.39996, 0.20005]), two, expected=wanted, tolerance=0)
