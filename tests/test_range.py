"""Which number is white where images have more than 8 bits: said, kept in study and model, used again, and never guessed in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Issun
from folder_of import draw
from issun.api.sweep import sweep
from issun.datasets.named import load
from issun.datasets.pictures import read_image
from issun.errors import DataError, StudyError
from issun.model import Model
from issun.provenance import Provenance
from issun.study import DataFacts, Store, Study
from issun.study.images import study_images

SIDE = 8


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


def numbers(index: int, top: int, kind: str) -> np.ndarray:
    """Return an image of numbers from 0 to `top`, both of which occur."""
    image = np.random.default_rng(index).integers(0, top + 1, (SIDE, SIDE))
    image[0, :2] = 0, top
    return image.astype(kind)


def write(root: Path, top: int, kind: str, ending: str = "tif", count: int = 6) -> Path:
    for index in range(2 * count):
        draw(root / "ab"[index // count] / f"{index}.{ending}", numbers(index, top, kind))
    return root


def first(dataset: object, index: int) -> np.ndarray:
    """Return the pixels of the file with that number."""
    names = {Path(file).stem: place for place, file in enumerate(dataset.files)}
    tests = {Path(file).stem: place for place, file in enumerate(dataset.test_files)}
    image = dataset.images[names[str(index)]] if str(index) in names else dataset.test_images[tests[str(index)]]
    return image[..., 0]


@pytest.mark.parametrize(("kind", "ending"), [("int32", "tif"), ("uint16", "tif"), ("uint16", "png")])
def test_whole_numbers_up_to_255_stay_as_they_are(tmp_path: Path, kind: str, ending: str) -> None:
    dataset = load(write(tmp_path / "some", 255, kind, ending))
    assert np.array_equal(first(dataset, 3), numbers(3, 255, kind))
    assert "Numbers of more than 8 bits are 255 at most and stay as they are." in dataset.notes
    assert dataset.range == 255


def test_the_whole_data_set_decides(tmp_path: Path) -> None:
    root = write(tmp_path / "some", 200, "uint16")
    draw(root / "b" / "bright.tif", numbers(0, 60_000, "uint16"))
    dataset = load(root)
    assert dataset.range == 65535
    assert first(dataset, 3).max() == 0  # 200 of 65,535: now it is dark, as the bright one says
    draw(root / "b" / "bright.tif", numbers(0, 60_000, "int32"))
    with pytest.raises(DataError, match=r"b/bright\.tif cannot be used: it holds whole numbers up to 60,000 .* --range 65535 or the like"):
        load(root)


def test_files_of_16_bits_that_use_fewer_are_said(tmp_path: Path) -> None:
    root = write(tmp_path / "some", 4095, "uint16")
    dataset = load(root)
    assert np.array_equal(first(dataset, 3), numbers(3, 4095, "uint16") // 257)
    assert any(note.startswith("Files of 16 bits use 12 (numbers up to 4,095)") and "--range 4095" in note for note in dataset.notes)
    bright = load(root, range=4095)
    assert np.array_equal(first(bright, 3), numbers(3, 4095, "int64") * 255 // 4095)
    assert bright.range == 4095
    assert bright.fingerprint != dataset.fingerprint
    assert not any("16 bits" in note for note in bright.notes)
    assert load(root, range=65535).fingerprint == dataset.fingerprint


def test_files_that_use_all_of_16_bits_are_as_before(tmp_path: Path) -> None:
    dataset = load(write(tmp_path / "some", 65535, "uint16", "png"))
    assert np.array_equal(first(dataset, 3), numbers(3, 65535, "uint16") // 257)
    assert not any("bits" in note for note in dataset.notes)


def test_larger_numbers_need_a_range(tmp_path: Path) -> None:
    root = write(tmp_path / "some", 4095, "int32")
    with pytest.raises(DataError, match=r"whole numbers up to 4,095 and does not say which is white: say it with --range 4095"):
        load(root)
    assert np.array_equal(first(load(root, range=4095), 3), numbers(3, 4095, "int64") * 255 // 4095)
    with pytest.raises(DataError, match=r"\.tif holds numbers up to 4,095, more than --range 4000: give a larger one"):
        load(root, range=4000)


def test_floats_in_files_need_a_range(tmp_path: Path) -> None:
    root = write(tmp_path / "some", 1, "float32")
    with pytest.raises(DataError, match=r"floating-point numbers \(mode F\): say which is white with --range"):
        load(root)
    assert np.array_equal(first(load(root, range=1), 3), numbers(3, 1, "uint8") * 255)


def test_files_of_8_bits_do_not_change(tmp_path: Path) -> None:
    root = write(tmp_path / "some", 200, "uint8", "png")
    dataset = load(root, range=4095)
    assert np.array_equal(first(dataset, 3), numbers(3, 200, "uint8"))
    assert dataset.range is None
    assert "No file has more than 8 bits: --range changes nothing." in dataset.notes
    assert "The images have 8 bits: --range changes nothing." in load("digits", range=16).notes


@pytest.mark.parametrize("range", [0, -1, float("nan"), float("inf"), 2**41, True, "4095"])
def test_ranges_that_are_none(tmp_path: Path, range: object) -> None:
    for data in (write(tmp_path / "some", 255, "int32"), "digits", write_arrays(tmp_path / "some.npz", 255, "int32")):
        with pytest.raises(DataError, match=r"`range` \(=.*\) must be the number that is white"):
            load(data, range=range)


def write_arrays(path: Path, top: int, kind: str, test: str = "") -> Path:
    images = np.stack([numbers(index, top, kind) for index in range(20)])
    labels = np.arange(10) % 2
    np.savez(path, x_train=images[:10], y_train=labels, x_test=images[10:].astype(test or kind), y_test=labels)
    return path


@pytest.mark.parametrize("kind", ["int64", "uint16", "int16", "uint8", ">u4"])
def test_arrays_of_whole_numbers_up_to_255_stay_as_they_are(tmp_path: Path, kind: str) -> None:
    dataset = load(write_arrays(tmp_path / "some.npz", 255, kind))
    assert np.array_equal(dataset.images[3, ..., 0], numbers(3, 255, kind))
    assert dataset.range == (None if kind == "uint8" else 255)


@pytest.mark.parametrize("kind", ["int64", "uint16", "float32", "float64"])
def test_arrays_of_larger_numbers_need_a_range(tmp_path: Path, kind: str) -> None:
    path = write_arrays(tmp_path / "some.npz", 4095, kind)
    with pytest.raises(DataError, match=r"--range 4095 or the like"):
        load(path)
    dataset = load(path, range=4095)
    exact = numbers(3, 4095, "int64") * 255 / 4095
    assert np.array_equal(dataset.images[3, ..., 0], np.rint(exact) if kind.startswith("float") else np.floor(exact))
    assert dataset.range == 4095
    with pytest.raises(DataError, match=r"holds numbers from 0 to 4,095; with --range 4000 they must lie between 0 and that"):
        load(path, range=4000)
    mixed = write_arrays(tmp_path / "mixed.npz", 255, kind, test="uint8")
    with pytest.raises(DataError, match=r"one has 8 bits, the other more"):
        load(mixed, range=4095)


def test_a_study_keeps_it_and_finds_its_images_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder, archive = write(tmp_path / "some", 4095, "int32"), write_arrays(tmp_path / "arrays.npz", 1000, "uint16")
    deep = write(tmp_path / "deep", 65535, "uint16", "png")
    for data, range in ((folder, 4095), (archive, 1023), (deep, None)):
        study = sweep(data, "conv 2, gap, dense", epochs=1, seeds=1, threads=1, study=f"{data.stem}.sqlite", range=range)
        assert study.about["range"] == (range or 65535)
        assert study_images(study).fingerprint == load(data, range=range).fingerprint
        model = study.model()
        model.save(tmp_path / "model.safetensors")
        assert Model.load(tmp_path / "model.safetensors").provenance.range == (range or 65535)
    with pytest.raises(StudyError, match=r"8x8 grey with 4095 as white, these are 8x8 grey with 5000 as white: add --range 4095"):
        Store(tmp_path / "some.sqlite", DataFacts.of(load(folder, range=5000)))


def test_studies_and_models_of_images_of_8_bits_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = sweep("digits", "dense", epochs=1, seeds=1, threads=1)
    assert study.about["range"] is None
    assert "range" not in study.model().about
    assert [Provenance.read({"range": text}).range for text in ("", "none", "nan", "-1", "1e99", "4095")] == [None] * 5 + [4095]
    assert Study(study.path).about["range"] is None


def test_predict_uses_it(tmp_path: Path, issun: Issun) -> None:
    write(tmp_path / "some", 4095, "int32")
    issun.succeeds("train", "some", "conv 2, gap, dense", "--range", "4095", "--epochs", "1", "-o", "m.safetensors")
    assert "say it with --range 4095" in " ".join(issun.fails("train", "some", "dense", "--epochs", "1").split())
    model = Model.load(tmp_path / "m.safetensors")
    assert model.about["range"] == "4095"
    image = load(tmp_path / "some", range=4095).images[:1]
    file = load(tmp_path / "some", range=4095).files[0]
    said = issun.answers("predict", "m.safetensors", f"some/{file}")["images"][0]["classes"]
    probabilities = {entry["class"]: entry["probability"] for entry in said}
    assert probabilities == pytest.approx(dict(zip(model.classes, model.predict_proba(image)[0].tolist(), strict=True)))
    draw(tmp_path / "bright.tif", numbers(0, 60_000, "uint16"))
    done = issun.run("predict", "m.safetensors", "bright.tif")
    assert done.code == 1
    assert "numbers up to 60,000 (mode I;16), more than the 4,095 that is white" in " ".join(done.err.split())
    issun.succeeds("predict", "m.safetensors", "bright.tif", "--range", "60000")
    assert "must be the number that is white" in issun.fails("predict", "m.safetensors", "bright.tif", "--range", "0")
    issun.succeeds("export", "m.safetensors", "--to", "c")  # finds its images again


def test_predict_says_what_it_made_of_a_file_in_doubt(tmp_path: Path) -> None:
    shape = (SIDE, SIDE, 1)
    draw(tmp_path / "small.tif", numbers(1, 200, "uint16"))
    pixels, note = read_image(tmp_path / "small.tif", shape)
    assert np.array_equal(pixels[..., 0], numbers(1, 200, "uint8"))
    assert str(note) == "its numbers, up to 200, were read as 0 (black) to 255 (white)"
    dark, note = read_image(tmp_path / "small.tif", shape, 65535)
    assert dark.max() == 0
    assert str(note) == "its numbers, up to 200, were read as 0 (black) to 65,535 (white)"
    draw(tmp_path / "large.tif", numbers(1, 4095, "int32"))
    with pytest.raises(DataError, match=r"large\.tif cannot be read as a picture: it holds whole numbers up to 4,095"):
        read_image(tmp_path / "large.tif", shape)
    draw(tmp_path / "full.png", numbers(1, 65535, "uint16"))
    assert not any(read_image(tmp_path / "full.png", shape)[1])


def test_the_cache_knows_the_range(tmp_path: Path) -> None:
    root = write(tmp_path / "some", 4095, "uint16")
    found = [load(root, range=range) for range in (None, 4095, None, 4095)]
    assert [dataset.range for dataset in found] == [65535, 4095, 65535, 4095]
    assert len({dataset.fingerprint for dataset in found}) == 2


def test_data_says_it(tmp_path: Path, issun: Issun) -> None:
    write(tmp_path / "some", 4095, "uint16")
    assert "--range 4095 brightens them" in " ".join(issun.succeeds("data", "some").split())
    assert "mean" in issun.succeeds("data", "some", "--range", "4095")
    assert issun.answers("data", "some", "--range", "4095")["sweep"]["words"][-2:] == ["--range", "4095"]
    assert issun.answers("data", "some", "--range", "5000.5")["sweep"]["words"][-2:] == ["--range", "5000.5"]
    assert "--range" not in issun.answers("data", "some")["sweep"]["words"]
    assert "`range` (=0)" in issun.fails("data", "some", "--range", "0")
