"""Pictures of plain tables: each function draws on the Axes that it is given, everything asked for is there, and nothing odd breaks it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from issun import plots
from issun.arch import cost
from issun.arch.notation import parse_network
from issun.plots.gallery import SAID, TRUE
from issun.plots.scatter import scatter_figure
from issun.plots.style import SHADES, letters_on
from issun.study.per_class import class_report, confused_pairs
from test_figures import RISING, networks

LONG = "Capacity, and what it costs (as published: watched on the last 10 % of the training images)"

MATRIX = np.array([[50, 1, 0], [7, 40, 2], [3, 0, 60]])
NAMES = ("cat", "dog", "car")
NET = parse_network("conv 4, pool, frozen (conv 8), dense", (8, 8, 1), 10)


def history(count: int = 12, kept: int = 12) -> pd.DataFrame:
    epochs = np.arange(1, count + 1)
    parts = {f"{part}_{what}": 1 / epochs for part in ("train", "val") for what in ("loss", "accuracy")}
    return pd.DataFrame({"epoch": epochs, **parts, "kept": epochs == kept})


def table(rows: int = 3, columns: int = 4) -> pd.DataFrame:
    values = 0.4 + 0.01 * np.arange(rows * columns).reshape(rows, columns)
    return pd.DataFrame(values, pd.Index(2 ** np.arange(rows), name="d"), pd.Index(np.arange(2, 2 + columns), name="c"))


@pytest.mark.parametrize("title", ["Short", LONG, f"{LONG[:-1]} and of others, and of others)", "no parentheses " * 7])
def test_a_title_stays_in_its_picture(title: str) -> None:
    figure = plots.heatmap_figure(table(3, 10), title=title, subtitle="what the accuracy is of")
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    assert "".join(text.get_text() for text in figure.texts).startswith(title.split(" (")[0])
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    # One below the other, the title, what stood in parentheses, and the subtitle.
    boxes.sort(key=lambda box: -box.y0)
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in itertools.pairwise(boxes))
    assert len(boxes) == (3 if "(" in title else 2)


def grid() -> pd.DataFrame:
    return pd.DataFrame([{"c": c, "d": d, "val_accuracy_mean": float(table().loc[d, c])} for d in table().index for c in table().columns])


def bars() -> pd.DataFrame:
    return pd.DataFrame(
        {"name": ["pixels", "pixels", "conv"], "kind": ["random", "pca", "random"], "value": 0.9, "deviation": [0.1, np.nan, 0]}
    )


DRAWN: dict[str, Callable[[Axes], Axes]] = {
    "curves": lambda axes: plots.draw_curves(axes, history(), "loss"),
    "frontier": lambda axes: plots.draw_frontier(axes, networks(RISING)),
    "heatmap": lambda axes: plots.draw_heatmap(axes, table()),
    "scatter": lambda axes: plots.draw_scatter(axes, grid(), "c", "d"),
    "confusion": lambda axes: plots.draw_confusion(axes, MATRIX, NAMES),
    "pairs": lambda axes: plots.draw_pairs(axes, confused_pairs(MATRIX, NAMES)),
    "miss": lambda axes: plots.draw_miss(axes, np.zeros((8, 8, 1), np.uint8), 0, 1, 0.7, NAMES),
    "classes": lambda axes: plots.draw_classes(axes, class_report(MATRIX, NAMES)),
    "shares": lambda axes: plots.draw_shares(axes, cost.table(NET)),
    "bars": lambda axes: plots.draw_bars(axes, bars()),
    "projection": lambda axes: plots.draw_projection(axes, np.eye(3, 2, dtype=np.float32), [0, 1, 2], NAMES),
}


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", DRAWN)
def test_axes_go_in_and_come_out_and_their_figure_can_be_drawn(name: str) -> None:
    figure = Figure(figsize=(9, 4))
    FigureCanvasAgg(figure)
    given, other = figure.subplots(1, 2)
    assert DRAWN[name](given) is given
    figure.canvas.draw()
    assert not other.texts
    assert not other.collections


def test_every_drawing_function_is_tested_here() -> None:
    assert {f"draw_{name}" for name in DRAWN} == {name for name in plots.__all__ if name.startswith("draw_")}


def test_letters_on_every_shade_have_contrast() -> None:
    """4.5 to 1, as the Web Content Accessibility Guidelines ask (WCAG 2.1, 1.4.3)."""

    def luminance(colour: Any) -> float:
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for place in np.linspace(0, 1, 101):
        shades = colormaps[SHADES]
        ends = sorted([luminance(letters_on(shades, float(place))), luminance(shades(place))])
        assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 4.5, place


def test_shades_are_in_order_when_printed_in_grey() -> None:
    grey = colormaps[SHADES](np.linspace(0, 1, 50))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) > -0.004).all()
    assert grey[-1] - grey[0] > 0.6


def test_each_cell_of_a_heat_map_has_its_accuracy_and_the_best_is_bold() -> None:
    axes = plots.heatmap_figure(table(), title="a", subtitle="b").axes[0]
    assert [text for text in texts(axes) if text[0].isdigit()] == [f"{40 + value:.1f}" for value in range(12)]
    assert [text.get_text() for text in axes.texts if text.get_fontweight() == "bold" and text.get_text()[0].isdigit()] == ["51.0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "3", "4", "5"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "4"]


def test_impossible_cells_are_hatched_and_unmeasured_ones_are_empty() -> None:
    values = table()
    values.iloc[0, :2] = np.nan
    flags = pd.DataFrame(False, values.index, values.columns)
    flags.iloc[0, 0] = True
    axes = plots.heatmap_figure(values, flags).axes[0]
    hatched = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(-0.5, -0.5)]
    assert "hatched: no valid network" in texts(axes)
    assert sum(text[0].isdigit() for text in texts(axes)) == 10
    assert "hatched: no valid network" not in texts(plots.heatmap_figure(table()).axes[0])


@pytest.mark.parametrize(
    "values", [table(1, 1), table(2, 2) * np.nan, table(30, 30), table(1, 3) * 0 + 0.5], ids=["one", "none", "many", "equal"]
)
def test_odd_heat_maps_can_be_drawn(values: pd.DataFrame) -> None:
    FigureCanvasAgg(plots.heatmap_figure(values)).draw()


@pytest.mark.parametrize(
    "frame", [grid(), grid().iloc[:1], grid().iloc[:0], grid().assign(validation=np.nan)], ids=["all", "one", "no", "nan"]
)
def test_scatters_can_be_drawn(frame: pd.DataFrame) -> None:
    figure = scatter_figure(frame, "c", "d", title="a")
    FigureCanvasAgg(figure).draw()
    measured = int(frame["val_accuracy_mean"].notna().sum())
    assert len(figure.axes[0].collections[0].get_offsets()) == measured
    assert ("best 51.0 %" in texts(figure.axes[0])) == (measured == 12)


def test_a_scatter_of_sizes_is_logarithmic() -> None:
    frame = pd.DataFrame(
        {"parameters": np.geomspace(100, 1e6, 30), "macs": np.linspace(10, 20, 30), "val_accuracy_mean": np.linspace(0.5, 0.9, 30)}
    )
    axes = scatter_figure(frame, "parameters", "macs").axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_a_confusion_matrix_has_its_counts_and_the_pairs_most_confused() -> None:
    figure = plots.confusion_figure(MATRIX, NAMES, confused_pairs(MATRIX, NAMES), title="a", subtitle="b")
    FigureCanvasAgg(figure).draw()
    assert sorted(texts(figure.axes[0]), key=int) == ["1", "2", "3", "7", "40", "50", "60"]
    assert "dog and cat: 8" in texts(figure.axes[1])
    assert "dog → cat 7×, cat → dog 1×" in texts(figure.axes[1])


@pytest.mark.parametrize("count", [2, 100])
def test_few_and_many_classes(count: int) -> None:
    matrix, names = np.ones((count, count), int) * 12_345, [f"a class with a long name {number}" for number in range(count)]
    figure = plots.confusion_figure(matrix, names, confused_pairs(matrix, names))
    FigureCanvasAgg(figure).draw()
    assert max(figure.get_size_inches()) < 20
    FigureCanvasAgg(plots.classes_figure(class_report(matrix, names))).draw()


def test_a_subtitle_of_a_gallery_stays_inside() -> None:
    figure = plots.gallery_figure(
        np.zeros((2, 8, 8, 1), np.uint8), [0, 0], [1, 1], [0.5, 0.5], NAMES, title="a", subtitle="many words of a subtitle " * 8
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert len(figure.texts) > 3
    for text in figure.texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert all(box.y0 > axes.get_window_extent(canvas.get_renderer()).y1 for axes in figure.axes)


def test_perfect_networks_have_pictures_too() -> None:
    perfect = np.diag([5, 6, 7])
    figure = plots.confusion_figure(perfect, NAMES, confused_pairs(perfect, NAMES))
    assert "no mistakes" in texts(figure.axes[1])
    figure = plots.gallery_figure(np.zeros((0, 8, 8, 3), np.uint8), [], [], [], NAMES, title="a")
    assert any("no image was misclassified" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 16, 3), (4, 30, 4)])
def test_misses_name_the_truth_in_blue_and_the_answer_in_red(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, *shape), np.uint8)
    figure = plots.gallery_figure(images, [0] * 9, [1] * 9, [0.999] + [0.5] * 8, NAMES)
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 9
    assert [(text.get_text(), text.get_color()) for text in figure.axes[0].texts] == [("cat", TRUE), ("dog (>99 %)", SAID)]
    assert texts(figure.axes[8]) == ["cat", "dog (50 %)"]


def test_captions_do_not_run_into_each_other() -> None:
    figure = plots.gallery_figure(np.zeros((16, 32, 32, 3), np.uint8), [0] * 16, [0] * 16, [0.88] * 16, ["automobile", "b"])
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for axes in figure.axes for text in axes.texts]
    boxes += [axes.get_window_extent(renderer) for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:index])


def test_names_in_letters_that_no_font_has_are_numbers() -> None:
    strange = ("\U000e0fff", "dog", "car")
    assert "class 0" in [
        label.get_text() for label in plots.confusion_figure(MATRIX, strange, confused_pairs(MATRIX, NAMES)).axes[0].get_yticklabels()
    ]
    FigureCanvasAgg(plots.classes_figure(class_report(MATRIX, strange))).draw()
    FigureCanvasAgg(plots.gallery_figure(np.zeros((1, 8, 8, 1), np.uint8), [0], [1], [0.5], strange)).draw()


def test_classes_that_nobody_measured_have_dashes() -> None:
    report = class_report(np.array([[3, 0], [0, 0]]), ["a", "b"])
    assert texts(plots.classes_figure(report).axes[0]).count("–") == 3


def test_shares_name_each_layer_with_its_parameters() -> None:
    figure = plots.shares_figure(NET, title="a", subtitle="b")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv 4", "conv 8 (frozen)", "dense"]
    assert [text.split()[0] for text in texts(axes)] == ["40", "296", "90"]
    widths = [sum(bar.get_width() for bar in bars) for bars in axes.containers]
    assert widths == pytest.approx([100, 100])


def test_curves_mark_the_kept_epoch_and_what_follows_the_turn() -> None:
    figure = plots.curves_figure(history(12, kept=4), title="a", diagnosis="overfits from epoch 5", turned=5)
    assert "kept: epoch 4" in texts(figure.axes[0])
    assert any("overfits from epoch 5" in text.get_text() for text in figure.texts)
    assert all(len(axes.patches) == 1 for axes in figure.axes)
    plain = plots.curves_figure(history(12, kept=12))
    assert all("kept" not in text for axes in plain.axes for text in texts(axes))
    assert all(not axes.patches for axes in plain.axes)


def test_curves_are_told_apart_without_colours() -> None:
    for axes in plots.curves_figure(history()).axes:
        assert len({line.get_linestyle() for line in axes.lines}) == 2


def test_a_frontier_of_macs_says_so() -> None:
    axes = plots.frontier_figure(networks(RISING).assign(macs=lambda frame: 50 * frame["parameters"]), size="macs").axes[0]
    assert axes.get_xlabel() == "multiply-accumulates for one image"
    assert axes.get_xlim()[0] > 1000
