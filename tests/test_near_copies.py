"""Which images are nearly the same: scaled, compressed, moved a little; and which of them would stand on both sides of a split?"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli_runner import Issun
from folder_of import draw
from issun.datasets.dataset import Dataset, Split
from issun.datasets.duplicates import duplicates
from issun.datasets.near_copies import near_pairs

Images = NDArray[np.uint8]


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    return Issun(tmp_path, monkeypatch, capsys)


def scenes(count: int, side: int, channels: int, seed: int = 0) -> Images:
    """Return pictures of soft spots: what is near in them is of one colour, as in photographs."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in small]
    return np.stack(large)[..., :channels]


def changed(images: Images, how: str) -> Images:
    return np.stack([_changed(image, how) for image in images])


def _changed(image: Images, how: str) -> Images:
    picture = Image.fromarray(image.squeeze())
    if how == "jpeg":
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=60)
        picture = Image.open(stream)
    elif how == "scaled":
        width, height = picture.size
        picture = picture.resize((round(0.8 * width), round(0.8 * height)), Image.Resampling.BILINEAR)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    elif how == "brighter":
        picture = picture.point(lambda value: min(255, int(0.8 * value + 30)))
    return np.asarray(picture).reshape(image.shape)


def found(images: Images, copies: Images) -> float:
    """Return which share of the copies is found, and check that nothing else is."""
    both = near_pairs([images, copies], np.zeros(len(images) + len(copies), np.int32))
    pairs = set(zip(both.first.tolist(), both.second.tolist(), strict=True))
    right = {(index, len(images) + index) for index in range(len(images))}
    assert not pairs - right
    return len(pairs & right) / len(images)


@pytest.mark.parametrize("how", ["jpeg", "scaled", "brighter"])
@pytest.mark.parametrize("channels", [1, 3])
def test_copies_are_found_and_nothing_else(how: str, channels: int) -> None:
    images = scenes(150, 40, channels)
    assert found(images, changed(images, how)) >= 0.95


def test_a_negative_and_other_colours_are_other_pictures() -> None:
    images = scenes(40, 32, 3)
    assert found(images, 255 - images) == 0
    grey = np.repeat(scenes(40, 32, 1) // 2, 3, axis=3)
    tinted = grey.astype(np.int64) + np.array([60, 0, -118])  # as bright, but orange
    assert found(grey, np.clip(tinted, 0, 255).astype(np.uint8)) == 0


def test_blank_images_are_no_copies() -> None:
    blank = np.full((20, 16, 16, 1), 7, np.uint8)
    blank[np.arange(20), 3, 3, 0] = np.arange(20)
    assert len(near_pairs([blank], np.zeros(20, np.int32)).first) == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 3), (1, 40, 4), (5, 5, 2), (3, 100, 1)])
def test_every_size_of_image(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, *shape), dtype=np.uint8)
    pairs = near_pairs([noise[:29], noise[29:]], np.arange(30, dtype=np.int32) % 3)
    assert ((pairs.first >= 0) & (pairs.first < pairs.second) & (pairs.second < 30)).all()


def test_pairs_do_not_depend_on_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    images = scenes(60, 24, 1)
    both = [images, changed(images, "scaled")]
    labels = np.tile(np.arange(2, dtype=np.int32), 60)
    whole = near_pairs(both, labels)
    monkeypatch.setattr("issun.datasets.near_copies._TILE", 7)
    monkeypatch.setattr("issun.datasets.near_copies._PAIRS", 3)
    parts = near_pairs(both, labels)
    assert all(np.array_equal(one, other) for one, other in zip(whole[:2], parts[:2], strict=True))


def test_too_many_candidates_are_cut_to_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """All images are alike, and only their copies are nearer: neither memory nor time may explode."""
    base = scenes(1, 24, 1).astype(np.int64)
    noise = np.random.default_rng(1).normal(0, 12, (300, 24, 24, 1))
    images = np.clip(base + noise, 0, 255).astype(np.uint8)
    calls = []
    from issun.datasets import near_copies as near

    real = near._candidates
    monkeypatch.setattr(near, "_CANDIDATES", 1)
    monkeypatch.setattr(near, "_candidates", lambda *given: calls.append(real(*given)) or calls[-1])
    near_pairs([images], np.zeros(300, np.int32))
    assert len(calls[0][0]) < 300 * 299 / 2 / 5


def test_sides_of_the_split_and_groups() -> None:
    images = scenes(200, 24, 1)
    labels = np.arange(200, dtype=np.int32) % 2
    copies = changed(images[:40], "scaled")
    dataset = Dataset(
        "drawn",
        np.concatenate([images[:150], copies[:30]]),
        np.concatenate([labels[:150], labels[:30]]),
        np.concatenate([images[150:], copies[30:]]),
        np.concatenate([labels[150:], labels[30:40]]),
        ("a", "b"),
    )
    held = duplicates(dataset, Split(0.3), near=True)
    assert held.near is not None
    assert held.groups == ()
    _, validation = dataset.parts(Split(0.3))
    sides = {("test", place): "test" for place in range(60)}
    sides |= {("train", place): "validation" if place in set(validation) else "train" for place in range(180)}
    for pair in held.near:
        assert pair.sides == tuple(sides[copy.part, copy.place] for copy in pair[:2])
    assert len(held.near) == 40 == held.near_images / 2
    torn = [pair for pair in held.near if pair.sides[0] != pair.sides[1]]
    assert list(held.near_across_sides) == torn
    assert {frozenset(pair.sides) for pair in torn} >= {frozenset({"train", "validation"}), frozenset({"train", "test"})}
    assert held.split == "0.3 of the training images, split seed 0"
    assert duplicates(dataset).near is None


def test_equal_images_on_both_sides_are_told_and_are_no_near_copies() -> None:
    images = scenes(60, 24, 1)
    labels = np.zeros(90, np.int32)
    labels[::2] = 1
    dataset = Dataset("drawn", np.concatenate([images, images[:30]]), labels, scenes(4, 24, 1, seed=9), labels[:4], ("a", "b"))
    held = duplicates(dataset, Split(0.3), near=True)
    assert held.near == ()
    assert len(held.groups) == 30
    validation = set(dataset.parts(Split(0.3))[1].tolist())
    torn = [group for group in held.groups if len({copy.place in validation for copy in group}) == 2]
    assert torn
    assert list(held.torn) == torn


def test_at_80_columns_and_for_programs(issun: Issun) -> None:
    images = scenes(60, 32, 3)
    for index, image in enumerate(images):
        draw(issun.folder / "photos" / ("owl" if index % 2 else "hawk") / f"holiday at the sea {index}.png", image)
        if index < 20:
            draw(issun.folder / "photos" / ("owl" if index % 2 else "hawk") / f"web {index}.jpg", image, quality=60)
    facts = issun.answers("data", "photos")
    near = facts["near_copies"]
    assert len(near["pairs"]) >= 19
    assert near["across_sides"] == sum(len({image["side"] for image in pair["images"]}) == 2 for pair in near["pairs"]) > 0
    for pair in near["pairs"]:
        names = sorted(Path(image["file"]).stem for image in pair["images"])
        assert names[0].rsplit(" ", 1)[-1] == names[1].rsplit(" ", 1)[-1]
    out = issun.succeeds("data", "photos")
    assert max(len(line) for line in out.splitlines() if not line.startswith("/")) <= 80  # where pytest's folders are
    assert f"Near-duplicate images (scaled, compressed or taken a moment later): {len(near['pairs'])} pairs" in out.replace("\n", " ")
    assert "In two parts (accuracies will be too high): " in out
    assert "No near-duplicate images." in issun.succeeds("data", "digits")


def test_one_in_a_thousand_of_mnist_at_most(real_data: Path) -> None:
    """A part of it; `benchmarks/near_duplicates.py` measures all of it, and which copies are found."""
    with np.load(real_data / "mnist.npz") as held:
        images, labels = held["x_train"][:6_000, ..., None], held["y_train"][:6_000].astype(np.int32)
    pairs = near_pairs([images], labels)
    assert len(set(pairs.first.tolist()) | set(pairs.second.tolist())) <= 6
    for how in ("jpeg", "scaled"):
        some = near_pairs([images[:1000], changed(images[:200], how)], np.concatenate([labels[:1000], labels[:200]]))
        both = set(zip(some.first.tolist(), some.second.tolist(), strict=True))
        assert sum((index, 1000 + index) in both for index in range(200)) >= 190
