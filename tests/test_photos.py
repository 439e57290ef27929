"""Photographs as they come from a phone: large, turned by EXIF, of any shape, HEIC, with a date; and the cache of decoded ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

import issun as package
from cli_runner import TINY, Issun
from folder_of import draw, draw_classes, pixels
from issun.datasets import kept_images, load, picture_formats, read_image
from issun.datasets.decode import decode, decode_each, pixels_of
from issun.datasets.resizing import RESIZES, Fitting, Resize, resized
from issun.errors import DataError
from issun.model import Model

#: Where EXIF keeps the orientation, the directory of the camera, and the two dates.
ORIENTATION, CAMERA, ORIGINAL, WRITTEN = 0x0112, 0x8769, 0x9003, 0x0132


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ISSUN_IMAGE_CACHE", raising=False)
    return tmp_path / "cache" / "folders"


def photo(seed: int, height: int, width: int) -> np.ndarray:
    """Return soft shapes, edges and noise, as photographs have them."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 90), (24, 50), (160, 25)):
        small = Image.fromarray(random.integers(0, 256, (cells * 3 // 4, cells, 3), dtype=np.uint8))
        kind = Image.Resampling.NEAREST if cells == 24 else Image.Resampling.BICUBIC
        total += (np.asarray(small.resize((width, height), kind), np.float32) / 255 - 0.5) * strength
    return np.clip(128 + total + random.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8)


def exif_of(orientation: int = 1, original: str = "", written: str = "") -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if original:
        exif.get_ifd(CAMERA)[ORIGINAL] = original
    if written:
        exif[WRITTEN] = written
    return exif


def draw_photos(root: Path, count: int = 6, height: int = 240, width: int = 320) -> None:
    for number in range(2 * count):
        draw(root / "ab"[number % 2] / f"IMG_{number}.jpg", photo(number, height, width), quality=90, exif=exif_of(1 + number % 8))


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_decoded_at_less_than_its_size_is_as_the_whole_one(tmp_path: Path, orientation: int, resize: Resize) -> None:
    """Sizes are no multiples of eight, so that the last pixels cover less than a whole one."""
    path = str(draw(tmp_path / "x.jpg", photo(1, 603, 801), quality=90, exif=exif_of(orientation)))
    for height, width in ((24, 32), (32, 32), (60, 40)):
        whole, reduced = decode(path, 3), decode(path, 3, None, (height, width))
        assert whole.extent is None
        assert reduced.extent is not None
        assert reduced.picture.width >= 2 * width
        assert reduced.picture.height >= 2 * height
        assert 4 * reduced.picture.width * reduced.picture.height <= 1.1 * whole.picture.width * whole.picture.height
        first, second = (pixels_of(resized(one.picture, height, width, resize, one.extent)).astype(int) for one in (whole, reduced))
        assert np.abs(first - second).mean() < 0.5
        assert np.abs(first - second).max() <= 4


def test_a_jpeg_less_than_four_times_as_large_is_decoded_whole(tmp_path: Path) -> None:
    path = str(draw(tmp_path / "x.jpg", photo(1, 127, 200), quality=90))
    assert decode(path, 3, None, (32, 32)).extent is None
    assert decode(path, 3, None, (31, 31)).extent is not None
    assert decode(str(draw(tmp_path / "x.png", photo(1, 200, 200))), 3, None, (8, 8)).extent is None


@pytest.mark.parametrize("kind", ["grey", "CMYK", "progressive", "several pictures"])
def test_kinds_of_jpeg_from_phones_and_print_shops(tmp_path: Path, kind: str) -> None:
    picture = Image.fromarray(photo(2, 300, 400))
    options: dict[str, Any] = {"quality": 90, "format": "JPEG"}
    if kind == "grey":
        picture = picture.convert("L")
    elif kind == "CMYK":
        picture = picture.convert("CMYK")
    elif kind == "progressive":
        options["progressive"] = True
    else:
        options |= {"format": "MPO", "save_all": True, "append_images": [Image.fromarray(photo(3, 60, 80))]}
    picture.save(tmp_path / "x.jpg", **options)
    whole, _ = read_image(tmp_path / "x.jpg", (32, 32, 3))
    reduced, changes = read_image(tmp_path / "x.jpg", (32, 32, 3), fitting=Fitting("crop", True))
    assert np.abs(whole.astype(int) - reduced).mean() < 0.6
    assert str(changes) == "cropped to its middle and resized from 300x400 to 32x32"


def test_odd_files_beside_photos(tmp_path: Path) -> None:
    """Huge, tiny, 16-bit grey, animated and truncated ones, and one that is no picture."""
    root = tmp_path / "odd"
    draw_photos(root, 4)
    draw(root / "a" / "tiny.png", pixels(1, 1, 1, 3))
    draw(root / "a" / "long.jpg", photo(3, 20, 3000))
    Image.fromarray(np.linspace(0, 65535, 900).astype(np.uint16).reshape(30, 30)).save(root / "b" / "deep.png")
    frames = [Image.fromarray(pixels(number, 20, 20, 3)) for number in range(3)]
    frames[0].save(root / "b" / "moving.gif", save_all=True, append_images=frames[1:])
    cut = draw(root / "b" / "cut.jpg", photo(4, 300, 400), quality=90)
    cut.write_bytes(cut.read_bytes()[:3000])
    (root / "b" / "letter.jpg").write_text("Dear Sir")
    dataset = load(root, size=(16, 16))
    assert len(dataset.images) + len(dataset.test_images) == 12
    assert {entry.path for entry in dataset.skipped} == {"b/cut.jpg", "b/letter.jpg"}
    assert dataset.fitting == Fitting("crop", True)


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of files that are decoded from now on."""
    decoded: list[str] = []

    def noted(path: str, *arguments: Any) -> Any:
        decoded.append(Path(path).name)
        return decode_each(path, *arguments)

    monkeypatch.setattr("issun.datasets.decode_listed.decode_each", noted)
    return decoded


def test_only_changed_files_are_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "photos"
    draw_photos(root)
    Image.fromarray(np.linspace(0, 40000, 900).astype(np.uint16).reshape(30, 30)).save(root / "a" / "deep.png")
    decoded = counting(monkeypatch)
    first = load(root, size=(16, 16))
    assert len(decoded) == 13
    decoded.clear()
    assert load(root, size=(16, 16)).fingerprint == first.fingerprint
    assert decoded == []
    draw(root / "a" / "IMG_0.jpg", photo(99, 240, 320), quality=90)
    draw(root / "b" / "new.jpg", photo(98, 240, 320), quality=90)
    (root / "a" / "IMG_2.jpg").unlink()
    changed = load(root, size=(16, 16))
    assert sorted(decoded) == ["IMG_0.jpg", "new.jpg"]
    monkeypatch.setenv("ISSUN_IMAGE_CACHE", "off")
    anew = load(root, size=(16, 16))
    assert len(decoded) == 2 + 13
    assert changed.fingerprint == anew.fingerprint
    assert changed.fitting == anew.fitting
    assert changed.sizes == anew.sizes
    assert changed.range == anew.range == 65535
    assert (changed.cache, anew.cache) == (str(tmp_path / "cache" / "folders"), "")


def test_images_are_decoded_again_for_what_is_asked_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "photos"
    draw_photos(root, 4)
    draw(root / "a" / "small.png", pixels(5, 16, 16, 3))
    decoded = counting(monkeypatch)
    load(root, size=(16, 16))
    for count, options in ((9, {"size": (12, 12)}), (9, {"size": (16, 16), "resize": "pad"}), (9, {"size": (16, 16), "gray": True})):
        decoded.clear()
        load(root, **options)  # type: ignore[arg-type]
        assert len(decoded) == count
    load(root, size=(16, 16))
    decoded.clear()
    whole = load(root, size=(16, 16), whole=True)
    assert len(decoded) == 8, "the small one is the same"
    assert not whole.fitting.reduced
    decoded.clear()
    load(root, size=(16, 16), groups="^IMG_([0-9])")
    assert decoded == [], "groups change no pixel"


@pytest.mark.parametrize("damage", ["cut", "flipped", "facts", "empty"])
def test_a_damaged_cache_gives_no_wrong_image(tmp_path: Path, cache: Path, damage: str) -> None:
    root = tmp_path / "photos"
    draw_photos(root, 4)
    first = load(root, size=(16, 16))
    (archive,) = cache.iterdir()
    content = bytearray(archive.read_bytes())
    if damage == "flipped":
        content[content.index(first.images[0].tobytes()) + 7] ^= 1
    archive.write_bytes(
        {"cut": content[: len(content) // 2], "flipped": content, "facts": content.replace(b'"records"', b'"recorbs"'), "empty": b""}[
            damage
        ]
    )
    draw(root / "a" / "new.jpg", photo(98, 240, 320), quality=90)
    after = load(root, size=(16, 16))
    kept = dict(zip([*first.files, *first.test_files], [*first.images, *first.test_images], strict=True))
    for file, image in zip([*after.files, *after.test_files], [*after.images, *after.test_images], strict=True):
        assert file == "a/new.jpg" or np.array_equal(image, kept[file])


def test_the_cache_has_a_limit_and_the_oldest_leave_first(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        draw_classes(tmp_path / str(number), {"a": 10, "b": 10}, (32, 32, 3), seed=number)
    load(tmp_path / "0")
    (first,) = cache.iterdir()
    monkeypatch.setattr(kept_images, "LIMIT", 2.5 * first.stat().st_size)
    os.utime(first, (1, 1))
    load(tmp_path / "1")
    (second,) = set(cache.iterdir()) - {first}
    os.utime(second, (2, 2))
    load(tmp_path / "0")  # used, so that it is the newer one
    (abandoned := cache / ".issun-0123").write_bytes(b"begun by a program that was killed")
    os.utime(abandoned, (1, 1))
    load(tmp_path / "2")
    assert first.exists()
    assert not second.exists()
    assert not abandoned.exists()
    assert sum(archive.stat().st_size for archive in cache.iterdir()) <= kept_images.LIMIT
    monkeypatch.setattr(kept_images, "LIMIT", 1000)
    assert "could not be cached" in load(tmp_path / "3").notes[-1]


def test_the_cache_can_be_moved(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_classes(tmp_path / "d", {"a": 5, "b": 5})
    monkeypatch.setenv("ISSUN_IMAGE_CACHE", str(tmp_path / "elsewhere"))
    assert package.data(tmp_path / "d").as_dict()["cache"] == str(tmp_path / "elsewhere")
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1
    assert not cache.exists()


def test_a_study_over_large_jpegs_that_were_decoded_whole_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_photos(tmp_path / "photos", 10)
    before = load("photos", size=(16, 16), whole=True)  # as older versions read them, whose studies say nothing about it
    assert before.fingerprint != load("photos", size=(16, 16)).fingerprint
    study = package.sweep(before, list(TINY[:2]), epochs=1, seeds=1, threads=1, folds=1, study="old.sqlite")
    assert study.about["reduced"] is False
    study.model(study.entries[0].network).save("old.safetensors")
    options = ("photos", TINY[0], "n=1,2,3", "--epochs", "1", "--seeds", "1", "--size", "16x16", "--study", "old.sqlite", "--no-plot")
    done = issun.run("sweep", *options)
    assert done.code == 0, done.err
    assert "started when every JPEG was decoded at its full size" in " ".join(done.err.split())
    assert len(package.Study("old.sqlite").entries) == 3
    issun.succeeds("plot", "old.sqlite", "gallery", "--output", "gallery.png")
    issun.succeeds("features", "photos", "old.safetensors", "--size", "16x16", "--head", "ridge")
    answered = package.predict("old.safetensors", "photos/a/IMG_0.jpg").figures
    whole, _ = read_image("photos/a/IMG_0.jpg", (16, 16, 3))
    assert answered[0, 0] == pytest.approx(whole.mean())
    new = issun.run("sweep", *[word.replace("old", "new") for word in options])
    assert package.Study("new.sqlite").about["reduced"] is True
    assert "full size" not in new.err


@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 9), (9, 5)])
def test_what_becomes_of_another_shape(height: int, width: int) -> None:
    """A picture of three stripes: the middle one alone, all within bars, or all of it."""
    stripes = np.repeat(np.array([[[200, 0, 0], [0, 200, 0], [0, 0, 200]]], np.uint8), 30, axis=1).repeat(30, axis=0)
    picture = Image.fromarray(stripes)
    assert picture.size == (90, 30)
    cropped, padded, stretched = (np.asarray(resized(picture, height, width, way)).astype(int) for way in RESIZES)
    assert cropped.shape == padded.shape == stretched.shape == (height, width, 3)
    assert cropped[height // 2, width // 2, 1] > 190
    assert (padded[0] == 0).all()
    assert (padded[-1] == 0).all()
    for framed in (padded, stretched):
        assert framed[height // 2, 0, 0] > 150
        assert framed[height // 2, -1, 2] > 150
    assert (stretched.sum(axis=2) > 100).all()


def test_the_choice_is_stored_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_photos(tmp_path / "photos", 10, 120, 240)
    sets = {way: load("photos", size=(16, 16), resize=way) for way in RESIZES}
    assert len({dataset.fingerprint for dataset in sets.values()}) == 3
    assert sets["crop"].fingerprint == load("photos", size=(16, 16)).fingerprint
    for way, words in (("pad", "resized with black bars"), ("stretch", "stretched"), ("crop", "cropped to its middle and resized")):
        name = f"{way}.sqlite"
        issun.succeeds("sweep", "photos", *TINY, "--size", "16", "--resize", way, "--study", name, "--no-plot")
        study = package.Study(name)
        assert study.about["resize"] == way
        study.model(study.entries[0].network).save(f"{way}.safetensors")
        assert Model.load(f"{way}.safetensors").provenance.fitting == Fitting(way, True)
        done = issun.run("predict", f"{way}.safetensors", "photos/a/IMG_0.jpg")
        assert words in " ".join(done.err.split())
        # What the model was validated on is found again, from the model alone and from the study.
        assert "other images" not in issun.succeeds("export", f"{way}.safetensors", "--to", "c", "--output", way)
        issun.succeeds("plot", name, "gallery", "--output", "gallery.png")
    message = issun.fails("sweep", "photos", *TINY, "--size", "16", "--study", "pad.sqlite", "--no-plot")
    assert "add --resize pad" in " ".join(message.split())


def test_arrays_are_resized_by_the_same_arithmetic(tmp_path: Path) -> None:
    drawn = draw_classes(tmp_path / "d", {"a": 5, "b": 5}, (12, 20, 3))
    np.savez(tmp_path / "d.npz", x=np.stack(list(drawn.values())), y=np.repeat([0, 1], 5))
    for way in RESIZES:
        files, arrays = (load(tmp_path / name, size=(8, 8), resize=way) for name in ("d", "d.npz"))
        assert np.array_equal(files.images, arrays.images)


def test_a_model_of_an_older_issun_crops() -> None:
    from issun.provenance import Provenance

    assert Provenance.read({}).fitting == Fitting("crop", False)
    assert Provenance.read({"resize": "pad, reduced JPEG"}).fitting == Fitting("pad", True)
    assert Provenance(fitting=Fitting("pad", True)).as_dict() == {"resize": "pad, reduced JPEG"}
    assert Provenance().as_dict() == {}
    assert Provenance.read({"resize": "zoom"}).as_dict() == {"resize": "zoom"}


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without pillow-heif, and with a Pillow that does not read AVIF."""
    monkeypatch.setattr(picture_formats, "find_spec", lambda name: None)
    monkeypatch.setattr(picture_formats.features, "check_module", lambda name: False)
    picture_formats.picture_formats.cache_clear()
    yield
    monkeypatch.undo()
    picture_formats.picture_formats.cache_clear()


def write_head(path: Path, brand: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1" + brand + bytes(100))


@pytest.mark.usefixtures("without_extras")
def test_one_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_photos(tmp_path / "photos", 6)
    package.train(load("photos", size=(8, 8)), "dense", epochs=1, threads=1).model.save("m.safetensors")
    for number in range(12):
        write_head(tmp_path / "photos" / "a" / f"IMG_{number}.HEIC", b"heic")
    write_head(tmp_path / "photos" / "b" / "x.avif", b"avif")
    heic = (
        "12 files (photos/a/IMG_0.HEIC, …) are HEIC, which cannot be read here: install the package pillow-heif (pip install pillow-heif)"
    )
    said = " ".join(issun.succeeds("data", "photos").split())
    assert heic.replace("photos/", "") + "." in said
    assert "b/x.avif is AVIF, which cannot be read here: install a Pillow" in said
    assert said.count("package pillow-heif") == 1
    assert "IMG_7.HEIC" not in said
    failed = " ".join(issun.fails("data", "photos", "--strict").split())
    assert "13 images cannot be read" in failed
    assert failed.count("package pillow-heif") == 1
    asked = issun.run("predict", "m.safetensors", "photos/a")
    assert asked.code == 1
    assert heic in " ".join(asked.err.split())
    assert asked.err.count("package") == 1
    for number in range(4):
        write_head(tmp_path / "all" / "ab"[number % 2] / f"{number}.heic", b"mif1")
    assert "4 files (a/0.heic, …) are HEIC" in issun.fails("data", "all")
    with pytest.raises(DataError, match="is HEIC, which cannot be read here: install the package pillow-heif"):
        read_image("all/a/0.heic", (8, 8, 3))


def test_heic(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    root = tmp_path / "photos"
    draw_photos(root, 4)
    picture = Image.fromarray(photo(7, 120, 160))
    picture.save(root / "a" / "x.heic", quality=95, exif=exif_of(1, "2026:05:06 07:08:09"))
    dataset = load(root, size=(16, 16), groups="day")
    place = [*dataset.files, *dataset.test_files].index("a/x.heic")
    expected = np.asarray(resized(picture, 16, 16, "crop"), int)
    assert np.abs([*dataset.images, *dataset.test_images][place] - expected).mean() < 3
    assert [*dataset.groups, *dataset.test_groups][place] == "2026-05-06"
    assert ("120x160", 1) in dataset.sizes


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_avif(tmp_path: Path) -> None:
    picture = Image.fromarray(photo(7, 120, 160))
    picture.save(tmp_path / "x.avif", quality=95)
    image, _ = read_image(tmp_path / "x.avif", (16, 16, 3))
    assert np.abs(image - np.asarray(resized(picture, 16, 16, "crop"), int)).mean() < 3


def draw_days(root: Path, days: int, dated: int = 60) -> None:
    """Draw 60 photographs; the first `dated` of them say when they were taken, in one of the two ways."""
    for number in range(60):
        day = f"2026:03:{1 + number // 2 % days:02}"
        original, written = (f"{day} 10:00:00", "2026:12:24 18:00:00") if number % 3 else ("", f"{day} 11:00:00")
        exif = exif_of(1, original, written) if number < dated else exif_of(1, "0000:00:00 00:00:00", "    ")
        draw(root / "ab"[number % 2] / f"{number}.jpg", pixels(number, 9, 9, 3), quality=95, exif=exif)


def test_photos_of_one_day_stay_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_days(tmp_path / "photos", 10, 50)
    for _ in range(2):  # decoded, and from the cache
        dataset = load("photos", groups="day")
        groups, test = set(dataset.groups) - {""}, set(dataset.test_groups) - {""}
        assert len(groups | test) == 10
        assert not groups & test
        assert "10 groups in 50 images, the largest '2026-03-01' (6); they stay together in a split." in dataset.notes
        assert "10 photos have no date; each of these images is a group of its own." in dataset.notes
        train, validation = dataset.parts(package.Split(0.2))
        assert not {dataset.groups[index] for index in train} & {dataset.groups[index] for index in validation} - {""}
    out = issun.run("sweep", "photos", *TINY, "--groups", "day", "--no-plot")
    assert out.code == 0, out.err
    issun.succeeds("sweep", "photos", *TINY, "--groups", "day", "--no-plot")


def test_days_that_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_days(tmp_path / "photos", 10, 0)
    for _ in range(2):
        message = " ".join(issun.fails("data", "photos", "--groups", "day").split())
        assert "`groups` (=day) needs the day on which a photo was taken" in message
        assert "no file has one" in message
    draw_days(tmp_path / "one", 1)
    assert "group" in issun.fails("data", "one", "--groups", "day")
    np.savez(tmp_path / "x.npz", x=pixels(1, 20, 8, 8), y=np.arange(20) % 2)
    assert "--groups requires image files" in issun.fails("data", "x.npz", "--groups", "day")


@pytest.mark.parametrize("command", [("data", "photos"), ("sweep", "photos", *TINY), ("train", "photos", "dense")])
def test_no_such_way_to_resize(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_classes(tmp_path / "photos", {"a": 5, "b": 5})
    message = issun.fails(*command, "--resize", "bogus")
    assert message.startswith("issun: `resize` (=bogus) must be crop")
