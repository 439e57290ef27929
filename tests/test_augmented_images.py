"""Does the reference change images as is said, and are the draws those that are said?"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy import interpolate, ndimage, stats

from issun.augmentation import Augmentation
from issun.engine.augmenting import CELLS, FIELDS, PARTS, POINTS, displacements, draw, splines
from issun.engine.reference.augment import augmented, mirrored
from issun.errors import DataError, RecipeError
from issun.randomness import draws32, keys32, stream

PLACE = {name: place for place, name in enumerate(FIELDS)}


GOLDEN = [[-98008, 76315, 21843, 385567, 22406, -76154, 0, 1, 1, 1, 3, 3, PARTS, 0, 0, 0]]
GOLDEN_PHOTOGRAPH = [[-20633, 39451, 11292, 100320, -11544, 40332, 0, 0, 0, 0, 0, 0, 76911, -2684, -23473, 1601792619]]
GOLDEN_BENDS = [[17229, -56446, 16416], [-53074, -68751, -58193]]
GOLDEN_MIX = 0.927033543586731


def images(count: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)


def test_shift_moves_rows_and_columns_and_fills_what_is_left_empty() -> None:
    shape, moved = (5, 7, 2), set()
    before = images(60, *shape)
    after = augmented(before, "shift 2, fill 77", seed=3)
    for old, new in zip(before, after, strict=True):
        padded = np.pad(old, ((2, 2), (2, 2), (0, 0)), constant_values=77)
        found = [(r, c) for r in range(5) for c in range(5) if (padded[r : r + 5, c : c + 7] == new).all()]
        assert len(found) == 1
        moved |= set(found)
    assert len(moved) > 20  # of 25


@pytest.mark.parametrize(("edge", "mode"), [("mirror", "reflect"), ("repeat", "edge")])
def test_shift_finds_the_plane_beyond_the_edge(edge: str, mode: Literal["reflect", "edge"]) -> None:
    before = images(60, 5, 7, 2)
    for old, new in zip(before, augmented(before, f"shift 4, edge {edge}", seed=3), strict=True):
        padded = np.pad(old, ((4, 4), (4, 4), (0, 0)), mode=mode)
        assert any((padded[r : r + 5, c : c + 7] == new).all() for r in range(9) for c in range(9))


def test_crop_moves_and_mirrors() -> None:
    before, moved = images(60, 6, 5, 3), set()
    for old, new in zip(before, augmented(before, "crop 3", seed=3), strict=True):
        padded = np.pad(old, ((3, 3), (3, 3), (0, 0)), mode="reflect")
        found = [(r, c) for r in range(7) for c in range(7) if (padded[r : r + 6, c : c + 5] == new).all()]
        assert len(found) == 1
        moved |= set(found)
    assert len(moved) > 30  # of 49


def test_flip_mirrors_every_other_image() -> None:
    before = images(400, 3, 4, 1)
    after = augmented(before, "flip")
    flipped = (after == before[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (flipped | (after == before).all(axis=(1, 2, 3))).all()
    assert 150 < flipped.sum() < 250


def weights_of_colours(text: str, shape: tuple[int, int, int], count: int) -> NDArray[np.float64]:
    places = draw(Augmentation.parse(text), shape, 3, 1, np.arange(count)).places / PARTS
    return places[:, [PLACE["own"], PLACE["gray"], PLACE["mean"]]]


def test_colours_are_those_of_pillow() -> None:
    shape = (9, 8, 3)
    before = images(40, *shape)
    known = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}
    for name, enhance in known.items():
        factors = weights_of_colours(f"{name} 1", shape, 40)[:, 0]
        assert factors.min() < 0.2
        assert factors.max() > 1.8
        for old, new, factor in zip(before, augmented(before, f"{name} 1", seed=3, epoch=1), factors, strict=True):
            right = np.asarray(enhance(Image.fromarray(old)).enhance(factor)).astype(float)
            assert np.abs(new - right).max() <= 1  # it cuts fractions off


def test_colours_come_in_the_order_that_is_said() -> None:
    """Saturation, contrast, brightness, with one rounding at the end."""
    shape, count = (6, 7, 3), 50
    before, text = images(count, *shape), "brightness 0.6, contrast 0.7, saturation 0.8"
    own, by_gray, by_mean = (weights[:, None, None, None] for weights in weights_of_colours(text, shape, count).T)
    bright = own + by_gray + by_mean
    contrast, saturation = 1 - by_mean / bright, own / (own + by_gray)
    gray = np.array([np.asarray(Image.fromarray(image).convert("L")) for image in before])[..., None].astype(float)
    right = saturation * before + (1 - saturation) * gray
    right = contrast * right + (1 - contrast) * np.floor(gray.mean(axis=(1, 2, 3), keepdims=True) + 0.5)
    right = (bright * right).clip(0, 255)
    found = augmented(before, text, seed=3, epoch=1)
    assert np.abs(found - right).max() <= 0.51
    assert (found == np.rint(found)).all()
    single = [stats.uniform(1 - most, 2 * most) for most in (0.6, 0.7, 0.8)]
    many = weights_of_colours(text, shape, 20_000)
    drawn = (many.sum(axis=1), 1 - many[:, 2] / many.sum(axis=1), many[:, 0] / (many[:, 0] + many[:, 1]))
    assert all(stats.kstest(values, expected.cdf).pvalue > 1e-4 for values, expected in zip(drawn, single, strict=True))


def test_some_images_become_gray() -> None:
    before = images(600, 4, 3, 3)
    after = augmented(before, "gray 0.25", seed=5)
    gray = (after == after[..., :1]).all(axis=(1, 2, 3))
    assert (after[~gray] == before[~gray]).all()
    assert 110 < gray.sum() < 190
    right = [np.asarray(Image.fromarray(image).convert("L")) for image in before[gray]]
    assert (after[gray][..., 0] == right).all()


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels_have_brightness_and_contrast(channels: int) -> None:
    shape = (5, 4, channels)
    before, text = images(30, *shape), "brightness 0.5, contrast 0.9"
    own, by_gray, by_mean = (weights[:, None, None, None] for weights in weights_of_colours(text, shape, 30).T)
    assert not by_gray.any()
    right = own * before + by_mean * np.rint(before.mean(axis=(1, 2, 3), keepdims=True))
    assert np.abs(augmented(before, text, seed=3, epoch=1) - right.clip(0, 255)).max() < 1


def test_colours_leave_the_fill_value_and_the_places_alone() -> None:
    before, text = images(40, 8, 8, 3), "shift 3, cutout 3, fill 200"
    plain, coloured = augmented(before, text), augmented(before, f"{text}, brightness 0.5, saturation 1")
    filled = (plain == 200).all(axis=3)
    assert filled.any()
    assert (coloured[filled] == 200).all()
    moved = augmented(augmented(before, "brightness 0.5, saturation 1").astype(np.uint8), text)
    assert (coloured == moved).all()


def test_cutout_fills_a_square_that_may_reach_over_the_edge() -> None:
    before = images(300, 8, 6, 3) // 2
    cut = (augmented(before, "cutout 3, fill 255") == 255).all(axis=3)
    assert ((augmented(before, "cutout 3, fill 255") == before) == ~cut[..., None]).all()
    sizes = {(int(one.any(axis=1).sum()), int(one.any(axis=0).sum())) for one in cut}
    assert sizes == {(3, 3), (3, 2), (2, 3), (2, 2)}
    assert (cut.sum(axis=(1, 2)) == cut.any(axis=2).sum(axis=1) * cut.any(axis=1).sum(axis=1)).all()
    assert cut.any(axis=0).all()


@pytest.mark.parametrize("edge", ["fill 100", "edge repeat", "edge mirror"])
@pytest.mark.parametrize(
    "text",
    ["rotate 40", "zoom 0.5", "shear 35", "rotate 90, zoom 0.3, shear 20, shift 3, flip", "crop 0.2, rotate 20, shift 2, zoom 0.1, flip"],
)
def test_affine_maps_sample_as_scipy_does(text: str, edge: str) -> None:
    shape = (9, 12, 1)
    before, augmentation = images(40, *shape), Augmentation.parse(f"{text}, {edge}")
    after = augmented(before, augmentation, seed=2, epoch=5)
    drawn = draw(augmentation, shape, 2, 5, np.arange(40)).places / PARTS
    for old, new, place in zip(before, after, drawn, strict=True):
        matrix = [[place[PLACE["y_by_row"]], place[PLACE["y_by_column"]]], [place[PLACE["x_by_row"]], place[PLACE["x_by_column"]]]]
        offset = [place[PLACE["y"]], place[PLACE["x"]]]
        if augmentation.edge == "fill":
            padded = np.pad(old[..., 0].astype(float), 1, constant_values=100)  # so that the edge blends into the fill
            right = ndimage.affine_transform(padded, np.array(matrix), np.array(offset) + 1, (9, 12), order=1, cval=100)
        else:
            mode = "nearest" if augmentation.edge == "repeat" else "mirror"
            right = ndimage.affine_transform(old[..., 0].astype(float), np.array(matrix), offset, (9, 12), order=1, mode=mode)
        assert np.abs(new[..., 0] - right).max() < 1e-4


def measured(text: str, shape: tuple[int, int, int] = (9, 13, 1)) -> dict[str, NDArray[np.float64]]:
    places = draw(Augmentation.parse(text), shape, 1, 0, np.arange(20_000)).places / PARTS
    return {name: places[:, place] for name, place in PLACE.items()}


def test_angles_factors_and_slants_are_even_between_their_ends() -> None:
    turned = measured("rotate 30")
    angle = np.rad2deg(np.arctan2(-turned["y_by_column"], turned["y_by_row"]))
    assert stats.kstest(angle, stats.uniform(-30, 60).cdf).pvalue > 1e-4
    assert np.abs(np.hypot(turned["y_by_column"], turned["y_by_row"]) - 1).max() < 1e-4
    zoomed = measured("zoom 0.4")
    assert stats.kstest(1 / zoomed["x_by_column"], stats.uniform(0.6, 0.8).cdf).pvalue > 1e-4
    assert (zoomed["y_by_row"] == zoomed["x_by_column"]).all()
    assert not zoomed["x_by_row"].any()
    slanted = measured("shear 20")
    assert stats.kstest(np.rad2deg(np.arctan(-slanted["x_by_row"])), stats.uniform(-20, 40).cdf).pvalue > 1e-4
    assert (slanted["y_by_row"] == 1).all()


def test_parts_have_the_areas_the_forms_and_the_places_that_are_said() -> None:
    found = measured("crop 0.3")
    tall, wide = found["y_by_row"], found["x_by_column"]
    assert not found["y_by_column"].any()
    assert not found["x_by_row"].any()
    area = tall * wide
    assert stats.kstest(area, stats.uniform(0.3, 0.7).cdf).pvalue > 1e-4
    assert max(tall.max(), wide.max()) <= 1
    # Even in the logarithm, up to 4/3 or as far as there is room.
    most = np.minimum(np.log(4 / 3), -np.log(area))
    free = area < 0.999
    assert stats.kstest((np.log(wide / tall) / most)[free], stats.uniform(-1, 2).cdf).pvalue > 1e-4
    free = tall < 0.99
    assert stats.kstest(found["y"][free] / (8 - 8 * tall[free]), stats.uniform(0, 1).cdf).pvalue > 1e-4
    for start, side, size in ((found["y"], tall, 9), (found["x"], wide, 13)):
        assert start.min() > -1e-3
        assert (start + side * (size - 1)).max() < size - 1 + 1e-3


def test_a_part_of_an_image_is_enlarged_as_pytorch_does() -> None:
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    shape, text = (10, 10, 3), "crop 0.1"
    before = images(200, *shape)
    after = augmented(before, text, seed=2)
    places = draw(Augmentation.parse(text), shape, 2, 0, np.arange(200)).places / PARTS
    tall, wide = places[:, PLACE["y_by_row"]], places[:, PLACE["x_by_column"]]
    # From -1 to 1 between the middles of the outermost pixels.
    middle = [2 * (places[:, PLACE[name]] + 4.5 * side) / 9 - 1 for name, side in (("x", wide), ("y", tall))]
    nothing = np.zeros(200)
    theta = np.stack([wide, nothing, middle[0], nothing, tall, middle[1]], axis=1).reshape(200, 2, 3)
    grid = functional.affine_grid(torch.tensor(theta), (200, 3, 10, 10), align_corners=True)
    given = torch.tensor(before.transpose(0, 3, 1, 2).astype(np.float64))
    right = functional.grid_sample(given, grid, padding_mode="border", align_corners=True).numpy().transpose(0, 2, 3, 1)
    assert np.abs(after - right).max() < 0.05


@pytest.mark.parametrize("text", ["rotate 50", "zoom 0.5", "shear 40", "flip", "rotate 50, zoom 0.3, shear 20, flip"])
def test_the_middle_of_the_image_stays_where_it_is(text: str) -> None:
    found = measured(text)
    assert np.abs(found["y"] + 4 * found["y_by_row"] + 6 * found["y_by_column"] - 4).max() < 1e-4
    assert np.abs(found["x"] + 4 * found["x_by_row"] + 6 * found["x_by_column"] - 6).max() < 1e-4


def bends(shape: tuple[int, int, int], most: float, count: int = 400) -> NDArray[np.float64]:
    places = draw(Augmentation(elastic=most), shape, 4, 1, np.arange(count)).places
    return displacements(places, most, shape) / PARTS


def test_displacements_are_smooth_and_as_large_as_is_said() -> None:
    found = bends((28, 28, 1), 5)
    assert np.abs(found).max() < 5
    assert np.abs(found.mean()) < 0.1
    assert 1.3 < np.sqrt((found**2).mean()) < 1.5
    # Between two pixels it changes by no more than the steepest spline between -5 and 5, which takes a cell for two thirds of the way.
    assert max(np.abs(np.diff(found, axis=axis)).max() for axis in (2, 3)) < 5 * 4 / 27 * 2
    rows, columns = found.reshape(2, -1)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.05


def test_the_draws_of_one_image_are_unrelated_and_even() -> None:
    bits = draws32(keys32(stream(3, 1), np.arange(20_000)), 2 * POINTS * POINTS) >> np.uint32(21)
    correlation = np.corrcoef(bits.T.astype(float)) - np.eye(2 * POINTS * POINTS)
    assert np.abs(correlation).max() < 6 / 20_000**0.5
    assert stats.kstest((bits.ravel() + 0.5) / 2048, stats.uniform(0, 1).cdf).statistic < 0.002


@pytest.mark.parametrize("size", [1, 2, 5, 28, 29, 1024])
def test_splines_are_those_of_scipy(size: int) -> None:
    first, weights = splines(size)
    assert (weights.sum(axis=1) == 1024).all()
    assert weights.min() >= 0
    values = np.random.default_rng(size).normal(size=POINTS)
    spline = interpolate.BSpline(np.arange(-3, CELLS + 4), values, 3)
    right = spline(CELLS * np.arange(size) / max(1, size - 1))
    found = sum(values[first + k] * weights[:, k] / 1024 for k in range(4))
    assert np.abs(found - right).max() < 4 / 1024 * np.abs(values).max()


def test_bent_images_are_sampled_as_scipy_does() -> None:
    shape = (12, 9, 1)
    before = images(30, *shape)
    after = augmented(before, "elastic 3, edge repeat", seed=4, epoch=1)
    rows, columns = np.mgrid[:12, :9]
    for old, new, down, right in zip(before, after, *bends(shape, 3, 30), strict=True):
        found = ndimage.map_coordinates(old[..., 0].astype(float), [rows + down, columns + right], order=1, mode="nearest")
        assert np.abs(new[..., 0] - found).max() < 1e-3
    assert np.abs(after - before).mean() > 10


def test_a_bent_image_is_bent_as_drawn_whatever_else_moves_it() -> None:
    text = "elastic 3, edge repeat"
    before = images(30, 8, 8, 1)
    whole = augmented(before, f"{text}, shift 2, crop 2", seed=4)
    assert whole.shape == before.shape
    flat = np.full_like(before, 7)
    assert (augmented(flat, f"{text}, shift 2, rotate 5", seed=4) == 7).all()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0])
def test_mixup_draws_the_larger_share_of_a_beta_distribution(alpha: float) -> None:
    mix = draw(Augmentation(mixup=alpha), (1, 1, 1), 0, 0, np.arange(20_000)).mix
    assert mix is not None
    assert mix.min() >= 0.5
    assert mix.max() <= 1
    # Where float32 rounds to 1 the distribution has a step; below it the largest distance is passed by chance once in a thousand.
    shares = np.linspace(0.5, 0.9999, 500)
    right = 2 * stats.beta(alpha, alpha).cdf(shares) - 1
    assert np.abs((mix[:, None] <= shares).mean(axis=0) - right).max() < 1.95 / 20_000**0.5 + 1 / 4096


def test_mixup_mixes_with_the_next_image() -> None:
    before = images(5, 3, 2, 1)
    mix = draw(Augmentation(mixup=1), (3, 2, 1), 9, 1, np.arange(5)).mix
    assert mix is not None
    share = mix.astype(float)[:, None, None, None]
    right = share * before + (1 - share) * before[[1, 2, 3, 4, 0]]
    assert np.abs(augmented(before, "mixup 1", seed=9, epoch=1) - right).max() < 1e-4


EVERYTHING = Augmentation.parse("shift 2, flip, rotate 20, zoom 0.2, shear 5, crop 2, cutout 2, mixup 0.3")


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.permutations(range(9)))
def test_a_draw_depends_on_seed_epoch_and_image_alone(seed: int, epoch: int, order: list[int]) -> None:
    together = draw(EVERYTHING, (5, 6, 1), seed, epoch, np.arange(9))
    moved = draw(EVERYTHING, (5, 6, 1), seed, epoch, np.array(order))
    assert together.mix is not None
    assert moved.mix is not None
    assert (moved.places == together.places[order]).all()
    assert (moved.mix == together.mix[order]).all()
    for other in (draw(EVERYTHING, (5, 6, 1), seed + 1, epoch, np.arange(9)), draw(EVERYTHING, (5, 6, 1), seed, epoch + 1, np.arange(9))):
        assert (other.places != together.places).any()


def test_golden_draws_do_not_change() -> None:
    """The trials of every study with augmentation hang on these; a change needs a new numerics version."""
    found = draw(EVERYTHING, (5, 6, 1), 1, 2, np.array([3]))
    assert found.mix is not None
    assert found.places.tolist() == GOLDEN
    assert float(found.mix[0]) == pytest.approx(GOLDEN_MIX, abs=1e-6)


def test_golden_draws_of_photographs_do_not_change() -> None:
    augmentation = Augmentation.parse("rotate 20, crop 0.4, elastic 3, brightness 0.4, contrast 0.5, saturation 0.6, gray 0.3")
    places = draw(augmentation, (5, 6, 3), 1, 2, np.array([3])).places
    assert places.tolist() == GOLDEN_PHOTOGRAPH
    assert displacements(places, 3, (5, 6, 3))[:, 0, 2, :3].tolist() == GOLDEN_BENDS


def test_rows_columns_and_purposes_are_unrelated() -> None:
    found = measured("shift 3, crop 4, cutout 3, rotate 10")
    columns = np.array([found[name] for name in ("crop_row", "crop_column", "cut_top", "cut_left", "y_by_column")])
    correlation = np.corrcoef(columns)
    assert np.abs(correlation - np.eye(5)).max() < 5 / 20_000**0.5


@given(st.integers(2, 9), st.data())
def test_mirrored_places_are_those_of_numpy(size: int, data: st.DataObject) -> None:
    pad = data.draw(st.integers(0, size - 1))
    assert mirrored(np.arange(-pad, size + pad), size).tolist() == np.pad(np.arange(size), pad, mode="reflect").tolist()


def test_arrays_that_are_no_images_and_shifts_that_are_too_large_are_refused() -> None:
    with pytest.raises(DataError, match="`images` must be uint8 of shape"):
        augmented(np.zeros((3, 4, 4)), "flip")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not list"):
        augmented([1], "flip")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="smaller than the images"):
        augmented(images(2, 4, 4, 1), "shift 4")


def test_no_images_give_none() -> None:
    assert augmented(images(0, 4, 4, 3), "flip, mixup 1, elastic 2, gray 0.3").shape == (0, 4, 4, 3)
