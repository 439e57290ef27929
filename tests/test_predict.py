"""`issun predict` and `issun.predict`: folders, tables and archives; what was done to images; and doubt about them."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import issun as package
from cli_runner import Issun
from folder_of import draw
from issun.api.train import train
from issun.arch.notation import parse_network
from issun.datasets.pictures import inverted
from issun.engine.protocol import Scaling
from issun.engine.weights import initialised
from issun.errors import DataError, ModelError
from issun.model import Model
from issun.plots.classes import confusion_table
from issun.predicting.prediction import Prediction, predict
from small_study import digits

IMAGES, LABELS = digits().test_images, digits().test_labels


@pytest.fixture(scope="module")
def model() -> Model:
    return train(digits(), "conv 6, pool, dense", epochs=30, threads=1).model


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Model) -> Issun:
    model.save(tmp_path / "m.safetensors")
    return Issun(tmp_path, monkeypatch, capsys)


def write_classes(root: Path, negative: bool = False) -> None:
    for place, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        draw(root / str(label) / f"{place}.png", (255 - image if negative else image)[..., 0])


def write_flat(root: Path, count: int = 12, negative: bool = False) -> None:
    for place in range(count):
        draw(root / f"{place}.png", (255 - IMAGES[place] if negative else IMAGES[place])[..., 0])


def test_a_folder_gets_a_line_for_each_image(issun: Issun, model: Model) -> None:
    write_flat(issun.folder / "flat")
    (issun.folder / "flat" / ".hidden").write_text("x")
    (issun.folder / "flat" / "notes.txt").write_text("x")
    done = issun.run("predict", "m.safetensors", "flat")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()[2:]]
    assert [line[0] for line in lines] == [f"flat/{place}.png" for place in range(12)]
    assert [line[1] for line in lines] == [model.classes[index] for index in model.predict(IMAGES[:12])]
    assert "flat/notes.txt is not an image; skipped" in done.err
    assert "unlike" not in done.out + done.err


def test_a_folder_of_classes_gets_accuracy_and_confusion(issun: Issun, model: Model) -> None:
    write_classes(issun.folder / "test")
    text = issun.succeeds("predict", "m.safetensors", "test")
    right = int((model.predict(IMAGES) == LABELS).sum())
    assert f"({right} of 60 images), 95 % interval " in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "True class by row, predicted class by column:" in text
    found = issun.answers("predict", "m.safetensors", "test")
    evaluation = model.evaluate(IMAGES, LABELS)
    assert found["accuracy"] == pytest.approx(evaluation.accuracy)
    assert found["confusion"] == evaluation.confusion.tolist()
    assert found["interval"][0] < found["accuracy"] < found["interval"][1]
    assert [entry["support"] for entry in found["per_class"]] == np.bincount(LABELS, minlength=10).tolist()
    assert len(found["images"]) == 60
    assert {(Path(image["image"]).parent.name, image["label"]) for image in found["images"]} == {(name, name) for name in model.classes}


def test_what_is_wrong_with_a_folder_is_named_and_the_rest_goes_on(issun: Issun) -> None:
    root = issun.folder / "odd"
    write_classes(root)
    (root / "3").rename(root / "three")
    for file in (root / "7").iterdir():
        file.unlink()
    (root / "7").rmdir()
    (root / "1" / "broken.png").write_bytes(b"\x89PNG no more")
    (root / "loose.png").write_bytes(b"x")
    os.mkfifo(root / "2" / "pipe.png")
    done = issun.run("predict", "m.safetensors", "odd")
    assert done.code == 1
    assert "issun: odd/1/broken.png " in done.err
    threes = int((LABELS == 3).sum())
    assert f"the model has no class 'three' ({threes} images); its classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9." in done.err
    assert "odd/2/pipe.png is not a regular file" in done.err
    assert "odd/loose.png is not in a class folder" in done.err
    assert "No image of 3, 7." in done.out
    known = 60 - threes - int((LABELS == 7).sum())
    assert f" of {known} images)" in done.out
    found = json.loads(issun.run("predict", "m.safetensors", "odd", "--json").out)
    assert found["unknown_classes"] == {"three": threes}
    assert found["absent_classes"] == ["3", "7"]
    assert len(found["problems"]) == 1
    assert [image["label"] for image in found["images"]].count(None) == threes


def test_folders_that_are_no_class_at_all_are_answered(issun: Issun) -> None:
    write_flat(issun.folder / "scans" / "monday")
    done = issun.run("predict", "m.safetensors", "scans")
    assert "the model has no class 'monday' (12 images)" in done.err
    assert done.out.count("scans/monday/") == 12
    draw(issun.folder / "scans" / "one.png", IMAGES[0][..., 0])
    done = issun.run("predict", "m.safetensors", "scans")
    assert "scans: its folders (monday) match no class of the model and were skipped." in done.err
    assert [line.split()[0] for line in done.out.splitlines()[2:]] == ["scans/one.png"]


def test_of_parts_the_test_part_is_asked_about(issun: Issun) -> None:
    write_classes(issun.folder / "data" / "test")
    write_classes(issun.folder / "data" / "train", negative=True)
    done = issun.run("predict", "m.safetensors", "data")
    assert "data has parts; using test." in done.err
    assert " of 60 images)" in done.out
    assert "unlike" not in done.err


def test_a_table(issun: Issun, model: Model) -> None:
    write_flat(issun.folder / "flat")
    rows = "".join(f"{place}.png,{LABELS[place]}\n" for place in range(12))
    (issun.folder / "flat" / "t.csv").write_text(f"file,label\n{rows}missing.png,3\n")
    done = issun.run("predict", "m.safetensors", "flat/t.csv")
    assert done.code == 1
    assert "flat/missing.png does not exist" in done.err
    assert f"({(model.predict(IMAGES[:12]) == LABELS[:12]).sum()} of 12 images)" in done.out


def test_archives_and_named_data(issun: Issun, model: Model) -> None:
    np.savez(issun.folder / "a.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:30], y_test=LABELS[:30])
    done = issun.run("predict", "m.safetensors", "a.npz")
    assert "a.npz: using its test part." in done.err
    assert " of 30 images)" in done.out
    np.savez(issun.folder / "b.npz", x=IMAGES, y=LABELS)
    assert " of 60 images)" in issun.succeeds("predict", "m.safetensors", "b.npz")
    np.savez(issun.folder / "c.npz", x=np.zeros((40, 9, 9), np.uint8), y=np.arange(40) % 2)
    resized = issun.run("predict", "m.safetensors", "c.npz")
    assert "The images are 9x9; each was resized to 8x8" in " ".join(resized.err.split()), "as pictures are"
    assert " of 40 images)" in resized.out
    own = train("digits", "dense", epochs=1, threads=1)
    said = predict(own.model, "digits")
    assert len(said.images) == len(own.dataset.test_images)
    assert said.notes[-1].endswith("using the part that was set aside for testing.")
    assert said.accuracy == own.outcome.test_accuracy


@pytest.mark.parametrize("parts", [False, True])
def test_the_images_that_it_was_trained_on_are_said_to_be_that(issun: Issun, parts: bool) -> None:
    write_classes(issun.folder / "pictures" / ("training" if parts else ""))
    if parts:
        write_classes(issun.folder / "pictures" / "test")
    issun.succeeds("train", "pictures", "dense", "--epochs", "1", "-o", "own.safetensors")
    words = "pictures is what the model was trained on"
    assert (words in issun.run("predict", "own.safetensors", "pictures/").err) != parts
    if parts:
        assert words in issun.run("predict", "own.safetensors", "pictures/training").err
        assert words not in issun.run("predict", "own.safetensors", "pictures/test").err


def test_negatives_are_warned_of_and_inverting_helps(issun: Issun) -> None:
    write_classes(issun.folder / "negative", negative=True)
    write_classes(issun.folder / "test")
    assert "unlike" not in issun.run("predict", "m.safetensors", "test").err
    done = issun.run("predict", "m.safetensors", "negative")
    (line,) = [line for line in done.err.splitlines() if "unlike" in line]
    assert line.startswith("issun: 60 of 60 images are unlike the training images (mean 1")
    assert line.endswith(": try --invert (in Python `invert=True`)")
    helped = issun.run("predict", "m.safetensors", "negative", "--invert")
    assert "unlike" not in helped.err
    said, figures = helped.out.split("\n", 1)
    assert said == "In every image brightness was inverted (--invert)."
    assert figures == issun.succeeds("predict", "m.safetensors", "test")
    assert "try it without --invert" in issun.run("predict", "m.safetensors", "test", "--invert").err


def test_a_single_negative_is_warned_of_by_name(issun: Issun) -> None:
    write_flat(issun.folder / "flat", 3, negative=True)
    done = issun.run("predict", "m.safetensors", "flat/0.png")
    assert done.code == 0
    assert "issun: flat/0.png is unlike the training images (mean " in done.err
    assert "unlike training" in done.out
    found = issun.answers("predict", "m.safetensors", "flat/0.png")
    assert found["images"][0]["unlike"] is True
    assert (found["doubt"]["figure"], found["doubt"]["remedy"], found["doubt"]["images"]) == ("brightness", "invert", 1)


@pytest.mark.parametrize("chosen", range(0, 60, 7))
def test_each_single_negative_has_the_remedy(model: Model, chosen: int) -> None:
    said = predict(model, inverted(IMAGES[chosen : chosen + 1]))
    assert said.doubt is not None
    assert said.doubt.remedy == "invert"


def test_few_unlike_images_among_many_are_not_spoken_of(model: Model) -> None:
    images = np.concatenate([IMAGES, IMAGES, inverted(IMAGES[:1])])
    said = predict(model, images)
    assert said.doubt is not None
    assert said.unlike.sum() == said.doubt.unlike == 1
    assert said.doubt.by_chance == (1 <= 0.01 * 121)
    assert str(said.doubt).startswith("120 is unlike")


def test_fit_finds_a_small_dark_digit_on_a_large_page(issun: Issun, model: Model) -> None:
    root = issun.folder / "pages"
    for place in range(30):
        page = np.full((150, 200), 235, np.uint8)
        page[15:63, 120:168] -= np.asarray(Image.fromarray(IMAGES[place][..., 0]).resize((48, 48), Image.Resampling.BILINEAR)) // 2
        draw(root / str(LABELS[place]) / f"{place}.png", page)
    plain, fit = (predict(model, root, fit=fit) for fit in (False, True))
    assert plain.doubt is not None
    assert plain.unlike.all()
    assert plain.doubt.remedy == "fit"
    assert "--fit" in str(plain.doubt)
    assert fit.changes == ("fit",)
    assert fit.accuracy is not None
    assert plain.accuracy is not None
    assert fit.accuracy > plain.accuracy + 0.4
    assert fit.accuracy > 0.75
    assert fit.unlike.mean() < 0.2
    both = predict(model, root, fit=True, invert=True)
    assert (both.probabilities == fit.probabilities).all()
    done = issun.run("predict", "m.safetensors", "pages", "--fit")
    assert done.out.startswith("In every image the foreground was centred and scaled (--fit).\n")


def test_where_nothing_stands_out_it_is_said(model: Model, tmp_path: Path) -> None:
    draw(tmp_path / "blank.png", np.full((40, 60), 200, np.uint8))
    said = predict(model, tmp_path / "blank.png", fit=True)
    assert "blank.png: it has no foreground, so it was not fitted; cropped to its middle" in said.notes[0]
    assert predict(model, np.full((1, 8, 8, 1), 200, np.uint8), fit=True).notes == ("0: it has no foreground, so it was not fitted",)


def test_fit_is_refused_where_it_makes_no_sense(issun: Issun, model: Model) -> None:
    draw(issun.folder / "a.png", IMAGES[0][..., 0])
    appearance = model.appearance
    assert appearance is not None
    replace(model, appearance=replace(appearance, style=None)).save(issun.folder / "photos.safetensors")
    error = issun.fails("predict", "photos.safetensors", "a.png", "--fit")
    assert "`fit` (--fit) requires a model of grey images on a plain background" in error


def test_arrays_and_their_labels(model: Model) -> None:
    names = [model.classes[label] for label in LABELS]
    said = package.predict(model, IMAGES, labels=names, top=2, threads=1)
    assert said.accuracy == model.evaluate(IMAGES, LABELS).accuracy
    assert said.images[:2] == ("0", "1")
    assert said.ranked.shape == (60, 2)
    assert said.classes == tuple(model.classes[index] for index in model.predict(IMAGES))
    assert np.allclose(said.probabilities[:, 0], model.predict_proba(IMAGES).max(axis=1))
    assert json.loads(json.dumps(said.as_dict()))["accuracy"] == said.accuracy
    assert predict(model, IMAGES[0]).labels is None
    assert predict(model, digits()).accuracy == said.accuracy
    with pytest.raises(DataError, match="60 images"):
        predict(model, IMAGES, labels=names[1:])
    with pytest.raises(DataError, match="`labels` applies only to an array of images"):
        predict(model, "digits", labels=names)
    with pytest.raises(ModelError, match=r"`top` \(=0\)"):
        predict(model, IMAGES, top=0)


def test_classes_are_the_same_in_both_unicode_forms(model: Model, tmp_path: Path) -> None:
    name = unicodedata.normalize("NFC", "é")
    other = replace(model, classes=(name, *model.classes[1:]))
    draw(tmp_path / unicodedata.normalize("NFD", name) / "a.png", IMAGES[0][..., 0])
    said = predict(other, tmp_path)
    assert said.labels is not None
    assert said.labels.tolist() == [0]
    assert not said.unknown


def test_batches_make_no_difference(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path / "a")
    (tmp_path / "a" / "0" / "zz.png").write_bytes(b"nothing")
    told: list[tuple[int, int]] = []

    def facts(said: Prediction) -> str:
        return json.dumps(said.as_dict())

    whole = facts(predict(model, tmp_path / "a"))
    monkeypatch.setattr("issun.predicting.prediction._BATCH", 7)
    assert facts(predict(model, tmp_path / "a", on_progress=lambda done, total: told.append((done, total)))) == whole
    assert told[-1] == (61, 61)
    assert len(told) == 9
    assert predict(model, IMAGES).probabilities.tobytes() == predict(model, IMAGES.copy()).probabilities.tobytes()


def test_notes_on_many_images_are_counted(model: Model, tmp_path: Path) -> None:
    for place in range(7):
        draw(tmp_path / f"{place}.png", np.zeros((10, 20), np.uint8))
    said = predict(model, tmp_path)
    assert said.notes == ("7 images: cropped to its middle and resized from 10x20 to 8x8",)
    for place in range(7):
        draw(tmp_path / f"{place}.png", np.zeros((10 + place, 20), np.uint8))
    assert predict(model, tmp_path).notes == ("7 images of several sizes were resized to 8x8, 7 of them cropped to their middle.",)


def test_a_pipe_is_not_waited_for_and_an_empty_folder_is_an_error(issun: Issun) -> None:
    os.mkfifo(issun.folder / "pipe")
    (issun.folder / "empty").mkdir()
    assert "it is not a regular file" in issun.fails("predict", "m.safetensors", "pipe", code=1)
    assert "empty is an empty folder" in issun.fails("predict", "m.safetensors", "empty")


@pytest.mark.parametrize(("classes", "count", "fits"), [(2, 9, True), (10, 1000, True), (15, 99, True), (40, 1, False), (12, 10**7, False)])
@pytest.mark.parametrize("letters", [1, 9, 70])
def test_the_confusion_fits_into_80_columns_or_is_left_out(classes: int, count: int, fits: bool, letters: int) -> None:
    from rich.console import Console

    names = [f"{number:x}" * letters for number in range(classes)]
    table = confusion_table(np.full((classes, classes), count, np.int64), names)
    assert (table is not None) == fits
    if table is not None:
        console = Console(width=200, record=True)
        with console.capture() as captured:
            console.print(table)
        assert max(len(line.rstrip()) for line in captured.get().splitlines()) <= 80


def test_named_data_are_looked_for_in_a_folder(issun: Issun) -> None:
    net = parse_network("pool 7, dense", (28, 28, 1), 10)
    model = Model(net, initialised(net, "glorot", 0), Scaling((1 / 255,), (0.0,)), tuple("0123456789"))
    model.save(issun.folder / "large.safetensors")
    images = np.pad(IMAGES, ((0, 0), (10, 10), (10, 10), (0, 0)))
    at = issun.folder / "data"
    at.mkdir()
    np.savez(at / "mnist.npz", x_train=images[20:], y_train=LABELS[20:], x_test=images[:20], y_test=LABELS[:20])
    said = predict(model, "mnist", data_dir=at)
    assert (len(said.images), said.accuracy) == (20, (model.predict(images[:20]) == LABELS[:20]).mean())
    told = json.loads(issun.succeeds("predict", "large.safetensors", "mnist", "--data-dir", "data", "--json"))
    assert told["accuracy"] == said.accuracy
