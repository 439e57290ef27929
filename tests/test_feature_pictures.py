"""Pictures of heads and features: everything asked for is there, and nothing odd breaks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from issun.plots import bars_figure, confusions_figure, draw_bars, projection_figure, save_figure


def frame(values: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=["name", "kind", "value", "deviation"])


NAN = float("nan")


@pytest.mark.parametrize(
    "rows",
    [
        [("pixels", "ridge", 0.91, NAN)],
        [("pixels", "ridge", 0.91, NAN), ("random", "ridge", 0.94, 0.01), ("random", "svm", 0.97, 0.002)],
        [("a" * 80, "ridge", NAN, NAN), ("$x_1$", "ridge", 1.0, 0.0)],
        [("same", "ridge", 0.0, 0.0), ("other", "ridge", 0.0, 0.0)],
    ],
)
def test_bars(rows: list[tuple[str, str, float, float]], tmp_path: Path) -> None:
    figure = bars_figure(frame(rows), title="worth", subtitle="of each part")
    save_figure(figure, tmp_path / "bars.png")
    [axes] = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == [
        "none" if np.isnan(value) else f"{100 * value:.2f}" + ("" if np.isnan(spread) else f" ± {100 * spread:.2f}") + " %"
        for _, _, value, spread in rows
    ]
    assert len(axes.patches) == len(rows)
    kinds = {kind for _, kind, _, _ in rows}
    legend = axes.get_legend()
    assert (legend is None) == (len(kinds) == 1)
    if legend is not None:
        assert {text.get_text() for text in legend.get_texts()} == kinds
    # An axis that does not begin at nothing says so, since bars are compared by their lengths.
    low = axes.get_xlim()[0]
    assert ("the axis begins" in axes.get_xlabel()) == (low > 0)
    assert draw_bars(Figure().subplots(), frame(rows)).get_ylim()[0] < 0


@pytest.mark.parametrize("classes", [1, 3, 14])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_projections(classes: int, channels: int | None, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40) % classes
    points = (random.normal(size=(40, 2)) + 3 * labels[:, None]).astype(np.float32)
    images = None if channels is None else random.integers(0, 256, (40, 6, 9, channels), dtype=np.uint8)
    names = [f"class $ {number}" if number else "梟" for number in range(classes)]
    figure = projection_figure(points, labels.tolist(), names, images=images, title="t-SNE", subtitle="illustrative")
    save_figure(figure, tmp_path / "points.png")
    [axes] = figure.axes
    assert len(axes.texts) == classes
    assert len(axes.collections) == classes
    for label in range(classes):
        assert axes.texts[label].get_position() == pytest.approx(tuple(np.median(points[labels == label], axis=0)), abs=1e-5)
    if classes < 14:  # among many centres there may be no room for a thumbnail
        assert (len(axes.artists) > 0) == (images is not None)


def test_equal_points_are_drawn() -> None:
    assert projection_figure(np.zeros((6, 2), np.float32), [0, 1] * 3, ["a", "b"], images=np.zeros((6, 4, 4, 1), np.uint8)).axes


def test_matrices_stand_side_by_side(tmp_path: Path) -> None:
    matrices = [(f"head {number}: 90 %", np.diag([5, 6, 7]) + number) for number in range(3)]
    figure = confusions_figure(matrices, ["owl", "hawk", "a very long name of a bird"], title="Softmax and heads", subtitle="x")
    save_figure(figure, tmp_path / "matrices.png")
    texts = [text.get_text() for text in figure.texts]
    assert [name for name, _ in matrices] == [text for text in texts if text.startswith("head")]
    assert len(figure.axes) == 4  # the frame around them, and one each
