"""Images on a plane as a layer sees them: points coloured by class, class names at their centres, some thumbnails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from issun.plots.gallery import shown
from issun.plots.style import COLOURS, INK, MARKERS, families_for, letters_of, panel, shortened, writable

_SIDE, _LETTERS = 7.2, 16

#: The largest side of a thumbnail, in points.
_THUMBNAIL = 22.0


def projection_figure(
    points: NDArray[np.float32],
    labels: Sequence[int],
    names: Sequence[str],
    *,
    images: NDArray[np.uint8] | None = None,
    title: str = "",
    subtitle: str = "",
) -> Figure:
    """Return a figure of `draw_projection`."""
    figure, axes = panel(_SIDE, _SIDE, title, subtitle, margins=(0.25, 0.25, 0.25, 0.25))
    draw_projection(axes, points, labels, names, images=images)
    return figure


def draw_projection(
    axes: Axes,
    points: NDArray[np.float32],
    labels: Sequence[int],
    names: Sequence[str],
    *,
    images: NDArray[np.uint8] | None = None,
) -> Axes:
    """Draw points by class: a colour and a marker each, the name at the centre (the median) of each class.

    Parameters
    ----------
    axes : Axes
    points : ndarray, shape (N, 2)
    labels : sequence of int, shape (N,)
    names : sequence of str
        Of the classes.
    images : ndarray of uint8, shape (N, height, width, channels), optional
        A few are drawn where they lie: of each class the one nearest to its centre and one of those farthest from it.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#dddddd")
    chosen = np.asarray(labels)
    present = [int(label) for label in np.unique(chosen)]
    size = float(np.clip(9000 / max(1, len(points)), 4, 40))
    for label in present:
        own = points[chosen == label]
        marker = MARKERS[(label + label // len(COLOURS)) % len(MARKERS)]
        axes.scatter(
            own[:, 0], own[:, 1], s=size, color=COLOURS[label % len(COLOURS)], marker=marker,
            alpha=0.6, linewidths=0,
        )  # fmt: skip
    axes.margins(0.06)
    centres = {label: np.median(points[chosen == label], axis=0) for label in present}
    if images is not None:
        _thumbnails(axes, points, chosen, centres, images)
    families = families_for(names)
    known = letters_of(families)
    for label, centre in centres.items():
        name = names[label] if writable(names[label], known) else f"class {label}"
        axes.text(
            centre[0], centre[1], shortened(name, _LETTERS), ha="center", va="center", fontsize=12, fontweight="bold", color=INK,
            fontfamily=families, parse_math=False, path_effects=[withStroke(linewidth=3.5, foreground="white")], zorder=8,
        )  # fmt: skip
    return axes


def _thumbnails(
    axes: Axes, points: NDArray[np.float32], labels: NDArray[np.int64], centres: dict[int, NDArray[np.float32]], images: NDArray[np.uint8]
) -> None:
    """Draw a few images where they lie, as far as none hides another."""
    spread = np.ptp(points, axis=0)
    spread[spread == 0] = 1
    taken: list[NDArray[np.float32]] = list(centres.values())
    for label, centre in centres.items():
        own = np.flatnonzero(labels == label)
        far = np.argsort((((points[own] - centre) / spread) ** 2).sum(axis=1), kind="stable")
        for wanted in (far[len(far) // 2 :], far[::-1]):
            for index in own[wanted]:
                gaps = [np.abs((points[index] - other) / spread).max() for other in taken]
                if min(gaps) > 0.06:
                    taken.append(points[index])
                    _thumbnail(axes, points[index], images[index], COLOURS[label % len(COLOURS)])
                    break


def _thumbnail(axes: Axes, point: NDArray[np.float32], image: NDArray[np.uint8], colour: str) -> None:
    zoom = _THUMBNAIL / max(image.shape[:2])
    picture = OffsetImage(shown(image), zoom=zoom, cmap="gray", norm=Normalize(0, 255), interpolation="nearest")
    frame = {"edgecolor": colour, "linewidth": 1.4, "boxstyle": "square,pad=0.05"}
    axes.add_artist(AnnotationBbox(picture, (float(point[0]), float(point[1])), frameon=True, pad=0.05, bboxprops=frame, zorder=6))
