"""The frontier's picture: it draws every study that can be, hides nothing, and comes out the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from issun.errors import IssunError
from issun.plots import curves_figure, frontier_figure, save_figure
from issun.plots.style import COLOURS, MARKERS


def networks(
    accuracies: list[float], *, families: int = 1, deviation: float = 0.004, first: int = 100, factor: float = 1.7, knobs: int = 1
) -> pd.DataFrame:
    """Return networks of growing size; the frontier is marked as a study marks it."""
    rows, best = [], -1.0
    for index, accuracy in enumerate(accuracies):
        rows.append(
            {
                "family": f"conv n, pool, dense {index % families + 1}",
                "network": f"conv {index + 1}, pool, dense",
                "knobs": dict(zip("nm", [index + 1, 7][:knobs], strict=False)),
                "parameters": int(first * factor**index),
                "val_accuracy_mean": accuracy,
                "val_accuracy_std": deviation,
                "frontier": accuracy > best,
            }
        )
        best = max(best, accuracy) if accuracy == accuracy else best
    return pd.DataFrame(rows)


def labels_of(figure: Figure) -> list[Annotation]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation) and "\n" in text.get_text()]


RISING = [0.31, 0.62, 0.84, 0.91, 0.955, 0.97, 0.98, 0.985]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(networks(RISING), id="rising"),
        pytest.param(networks([0.9]), id="one point"),
        pytest.param(networks([0.9, 0.9, 0.9]), id="all equal"),
        pytest.param(networks([1.0, 1.0]), id="no error at all"),
        pytest.param(networks([0.0, 0.0]), id="nothing right"),
        pytest.param(networks([0.1, 1.0]), id="from chance to perfect"),
        pytest.param(networks([float("nan"), 0.5, float("nan"), 0.9]), id="not measured yet"),
        pytest.param(networks([float("nan")]), id="none measured"),
        pytest.param(networks([0.9]).iloc[:0], id="no network"),
        pytest.param(networks(RISING, deviation=float("nan")), id="one seed"),
        pytest.param(networks(RISING).assign(frontier=False), id="no frontier"),
        pytest.param(networks(RISING).assign(knobs=[{}] * 8), id="no knobs"),
        pytest.param(networks(RISING * 2, families=12), id="more families than colours"),
        pytest.param(networks(RISING).assign(family="conv c, drop 0.2, " * 30 + "dense"), id="long family"),
        pytest.param(networks([0.5 + 0.0015 * i for i in range(300)], factor=1.02, families=3, knobs=2), id="many"),
        pytest.param(networks([0.9701, 0.9702, 0.9703]), id="narrow"),
    ],
)
def test_every_study_can_be_drawn(frame: pd.DataFrame) -> None:
    for target in (None, 0.97):
        figure = frontier_figure(frame, title="digits", target=target)
        FigureCanvasAgg(figure).draw()


@settings(max_examples=15)
@given(
    st.lists(st.floats(0.05, 1), min_size=1, max_size=40),
    st.integers(1, 4),
    st.floats(1.03, 3),
    st.one_of(st.none(), st.floats(0.2, 1)),
)
def test_labels_hide_neither_points_nor_each_other_and_stay_inside(
    accuracies: list[float], families: int, factor: float, target: float | None
) -> None:
    frame = networks(accuracies, families=families, factor=factor)
    figure = frontier_figure(frame, target=target)
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in labels_of(figure)]
    inside = axes.get_window_extent(renderer)
    points = axes.transData.transform(np.column_stack([frame["parameters"], 100 * frame["val_accuracy_mean"]]))
    for index, box in enumerate(boxes):
        assert inside.x0 <= box.x0 <= box.x1 <= inside.x1
        assert inside.y0 <= box.y0 <= box.y1 <= inside.y1
        assert not box.count_overlaps(boxes[:index])
        assert not any(box.contains(x, y) for x, y in points)


def test_every_point_and_the_target_lie_inside() -> None:
    axes = frontier_figure(networks(RISING), target=0.99).axes[0]
    low, high = axes.get_ylim()
    assert low < 31
    assert high > 99
    left, right = axes.get_xlim()
    assert left < 100
    assert right > 100 * 1.7**7


@pytest.mark.parametrize("deviation", [0.003, 0.05])
def test_an_error_bar_ends_inside_or_half_way_to_no_error(deviation: float) -> None:
    _, high = frontier_figure(networks(RISING, deviation=deviation)).axes[0].get_ylim()
    assert 100 * min(RISING[-1] + deviation, (1 + RISING[-1]) / 2) < high < 100


def test_the_smallest_that_meets_the_target_is_labelled_in_bold() -> None:
    figure = frontier_figure(networks(RISING), target=0.96)
    bold = [label.get_text() for label in labels_of(figure) if label.get_fontweight() == "bold"]
    assert bold == ["1,419\nn=6"]


def test_only_knobs_that_vary_are_named() -> None:
    texts = [label.get_text() for label in labels_of(frontier_figure(networks(RISING, knobs=2)))]
    assert texts
    assert all("m=7" not in text for text in texts)


def test_each_family_has_a_colour_and_a_marker_of_its_own() -> None:
    figure = frontier_figure(networks(RISING * 2, families=4))
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [f"conv n, pool, dense {index}" for index in (1, 2, 3, 4)]
    assert len(set(COLOURS)) == len(set(MARKERS)) == len(COLOURS) == len(MARKERS)


@pytest.mark.parametrize("kind", [".png", ".svg", ".pdf"])
def test_the_same_frame_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    files = [save_figure(frontier_figure(networks(RISING), target=0.97), tmp_path / f"{name}{kind}") for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_unknown_ending_is_named(tmp_path: Path) -> None:
    with pytest.raises(IssunError, match=r"`path` \(=.*picture\.bmp\) must end in \.png, \.svg, \.pdf"):
        save_figure(frontier_figure(networks(RISING)), tmp_path / "picture.bmp")


def history(epochs: int) -> pd.DataFrame:
    numbers = np.arange(1, epochs + 1)
    columns = {"train_loss": 2 / numbers, "val_loss": 2 / numbers, "train_accuracy": 1 - 0.5 / numbers}
    return pd.DataFrame({"epoch": numbers, **columns, "val_accuracy": 1 - 0.5 / numbers})


@pytest.mark.parametrize("epochs", [1, 2, 60])
def test_curves_name_both_parts_apart(epochs: int) -> None:
    figure = curves_figure(history(epochs), title="conv 8, pool, dense")
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        names = {text.get_text(): text.get_window_extent(renderer) for text in axes.texts}
        assert names["train"].count_overlaps([names["validation"]]) == 0


def test_curves_of_a_training_that_diverged_can_be_drawn() -> None:
    frame = history(5)
    frame.loc[3:, ["train_loss", "val_loss"]] = [[np.nan, np.inf], [np.inf, np.nan]]
    FigureCanvasAgg(curves_figure(frame)).draw()
    frame[["train_loss", "val_loss"]] = np.nan
    FigureCanvasAgg(curves_figure(frame)).draw()
