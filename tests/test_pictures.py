"""What becomes of one picture on its way into a network, and which files are none?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from issun.datasets.pictures import read_image
from issun.errors import DataError

GREY = np.random.default_rng(1).integers(0, 256, (12, 10), dtype=np.uint8)
COLOUR = np.random.default_rng(2).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def saved(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("kind", ["png", "bmp", "tif", "webp", "ppm", "gif"])
def test_a_fitting_picture_is_kept_to_the_bit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"picture.{kind}"
    if kind == "webp":
        Image.fromarray(COLOUR).save(path, lossless=True)
        pixels, note = read_image(path, (12, 10, 3))
        assert np.array_equal(pixels, COLOUR)
    else:
        pixels, note = read_image(saved(path, GREY), (12, 10, 1))
        assert np.array_equal(pixels[..., 0], GREY)
    assert pixels.dtype == np.uint8
    assert not any(note)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    saved(tmp_path / "picture.png", GREY).rename(tmp_path / "picture.jpg")
    assert np.array_equal(read_image(str(tmp_path / "picture.jpg"), (12, 10, 1))[0][..., 0], GREY)


def test_grey_and_colour_become_what_the_network_takes(tmp_path: Path) -> None:
    pixels, _ = read_image(saved(tmp_path / "grey.png", GREY), (12, 10, 3))
    assert np.array_equal(pixels, np.repeat(GREY[..., None], 3, axis=2))
    pixels, _ = read_image(saved(tmp_path / "colour.png", COLOUR), (12, 10, 1))
    assert np.abs(pixels[..., 0] - COLOUR @ [0.299, 0.587, 0.114]).max() <= 1


def test_another_size_is_resized_and_noted(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    pixels, note = read_image(saved(tmp_path / "stripes.png", stripes), (8, 8, 1))
    assert pixels.shape == (8, 8, 1)
    assert np.abs(pixels.astype(int) - 127).max() < 20  # averaged, not sampled
    assert str(note) == "resized from 64x64 to 8x8"


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    image, note = read_image(saved(tmp_path / "half.png", pixels), (4, 4, 1))
    assert (image[:2] == 0).all()
    assert (image[2:] == 255).all()
    assert str(note) == "transparent parts were made white"


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    image, _ = read_image(saved(tmp_path / "deep.png", GREY.astype(np.uint16) * 257), (12, 10, 1))
    assert np.array_equal(image[..., 0], GREY)


def test_a_turned_photograph_is_turned_back(tmp_path: Path) -> None:
    photograph = Image.fromarray(GREY)
    exif = photograph.getexif()
    exif[0x0112] = 3  # upside down
    photograph.save(tmp_path / "photograph.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "photograph.png", (12, 10, 1))[0][..., 0], GREY[::-1, ::-1])


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "program.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    for name in ("text.png", "empty.png", "program.eps"):
        with pytest.raises(DataError, match=rf"{name} is not an image file; supported are PNG, JPEG"):
            read_image(tmp_path / name, (12, 10, 1))
    with pytest.raises(DataError, match=r"missing.png cannot be read as an image: No such file"):
        read_image(tmp_path / "missing.png", (12, 10, 1))
    with pytest.raises(DataError, match="cannot be read as an image: Is a directory"):
        read_image(tmp_path, (12, 10, 1))


def test_a_truncated_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "cut.png", COLOUR)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cut.png cannot be read as an image"):
        read_image(path, (12, 10, 3))


@pytest.mark.parametrize("limit", [100, 40])
def test_a_picture_of_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # beyond twice the limit Pillow raises, below it warns
    with pytest.raises(DataError, match=rf"has more pixels than the limit of {limit}"):
        read_image(saved(tmp_path / "large.png", GREY), (12, 10, 1))


def test_a_network_for_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the network's input has 7 channels"):
        read_image(saved(tmp_path / "grey.png", GREY), (12, 10, 7))
