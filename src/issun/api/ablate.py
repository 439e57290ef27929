"""`issun.ablate`: what each part of a network is worth."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from issun.api.sources import draws_of, heads_of, kinds_of, patches_of, read_as_begun
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.augmentation import Augmentation
from issun.build import takes_isa
from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import ReadingOptions
from issun.engine.fitting import Epoch
from issun.events import OnProgress, ignored
from issun.extraction.ablation import ablation
from issun.extraction.comparing import SourceProgress, compare, name_among, summary
from issun.extraction.search import HeadProgress
from issun.paths import check_new
from issun.plain import plain
from issun.plots.bars import bars_figure
from issun.plots.style import check_format, save_figure
from issun.recipe import Recipe
from issun.signature import chosen, takes


@dataclass(frozen=True, eq=False)
class Ablation:
    """What `ablate` found.

    Attributes
    ----------
    net : Net
    dataset : Dataset
    recipe : Recipe
        How the trained weights were trained.
    means : DataFrame
        One row for each part and head, the mean over draws: see `issun.extraction.comparing.summary`.
    draws : DataFrame
        One row for each draw, part and head: see `issun.extraction.comparing.compare`.
    picture : Path or None
        The bar chart, where it was drawn.
    """

    net: Net
    dataset: Dataset
    recipe: Recipe
    means: pd.DataFrame
    draws: pd.DataFrame
    picture: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        values: dict[str, Any] = plain(
            {
                "data": self.dataset.about,
                "network": str(self.net),
                "recipe": self.recipe.model_dump(),
                "rows": self.means.to_dict("records"),
                "draws": self.draws.to_dict("records"),
                "picture": self.picture,
            }
        )
        return values


@takes_isa
@takes(ReadingOptions)
def ablate(
    data: str | os.PathLike[str] | Dataset,
    network: str,
    *,
    head: str | Sequence[str] = "ridge",
    weights: str | Sequence[str] = "random,patches,pca",
    whitening: float | None = None,
    threshold: float | None = None,
    layer: int | str | None = None,
    seeds: int | Sequence[int] = 5,
    output: str | os.PathLike[str] | None = None,
    grid: bool = False,
    halving: bool = False,
    search_images: int | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    refit: bool = False,
    epochs: int | None = None,
    scaling: str | None = None,
    augment: Augmentation | str | None = None,
    validation: float = 0.1,
    threads: int | None = None,
    isa: str | None = None,
    on_progress: OnProgress = ignored,
    **reading: Unpack[ReadingOptions],
) -> Ablation:
    """Compare the same head on parts of a network: pixels, pooling only, convolutions with untrained and with trained weights.

    The features are those of the last layer before the first dense one. Settings are chosen on validation images.

    Parameters
    ----------
    data : str, PathLike or Dataset
        As of `issun.load`.
    network : str
        Without knobs; a classifier at its end may be left out.
    head, grid, halving, search_images, settings, refit, whitening, threshold
        As of `issun.features`.
    weights : str or sequence of str
        Weights of the untrained convolutions.
    layer : int or str, optional
        The layer whose output the heads use.
    seeds : int or sequence of int
        Number of draws of weights and of trainings, or a list of seeds.
    output : str or PathLike, optional
        Draw the bar chart to this file: .png, .svg or .pdf; by default it is not drawn.
    epochs, scaling, augment : optional
        Settings of the recipe for the trained weights.
    validation : float
        Fraction of the training images used for validation.
    threads : int, optional
    isa : str, optional
        Instruction set to run on: ``avx512``, ``avx2`` or ``baseline``; default: that of `ISSUN_ISA`, or else the widest. Results of two
        sets differ in their last bits.
    on_progress : callable, optional
        Called with each `issun.events.Event`: remarks, the progress of reading, and a `SourceProgress` for each step of a head.
    **reading
        Options for reading images, as in `issun.load`: ``data_dir, size, color, gray, enlarge, strict, groups,
        range, test, resize``.

    Returns
    -------
    Ablation

    Raises
    ------
    DataError, NotationError, NetworkError, RecipeError, HeadError
        Where data, network, settings or heads cannot be used.
    IssunError
        Where options cannot be combined, or the picture cannot be written.
    """
    wishes = heads_of(head, settings, grid=grid, halving=halving, search_images=search_images, refit=refit)
    if output is not None:
        check_format(output, "--output")
        check_new(output, option="--output")
    draws = draws_of(seeds, "--draws")
    kinds = kinds_of(weights)
    patches = patches_of(kinds, whitening, threshold)
    dataset = read_as_begun(data, None, None, on_progress, *chosen("ablate", reading, ReadingOptions))
    net = parse_network(network, dataset.input, len(dataset.classes), complete=True)
    split = Split(validation)
    recipe = Recipe.wanted(None, len(dataset.parts(split)[0]), epochs=epochs, augment=augment, scaling=scaling)

    def tell_epoch(seed: int, line: Epoch) -> None:
        event = f"epoch {line.epoch} of {recipe.epochs}, validation {100 * line.val_accuracy:.2f} %"
        on_progress(SourceProgress(f"training, seed {seed}", HeadProgress("softmax", line.epoch, recipe.epochs, None, event)))

    sources = ablation(
        *(net, dataset, split, recipe), weights=kinds, draws=draws, layer=layer, patches=patches, threads=threads, on_epoch=tell_epoch
    )
    frame = compare(
        *(sources, wishes, dataset, split),
        threads=threads,
        report=lambda source, moment: on_progress(SourceProgress(name_among(source, sources), moment)),
    )
    found = Ablation(net, dataset, recipe, summary(frame), frame, None if output is None else Path(output))
    if found.picture is not None:
        _draw(found, found.picture, len(draws))
    return found


def _draw(found: Ablation, path: Path, draws: int) -> None:
    bars = found.means.rename(columns={"extractor": "name", "head": "kind", "val_accuracy_mean": "value", "val_accuracy_std": "deviation"})
    over = f", mean ± standard deviation over {draws} draws" if draws > 1 else ""
    subtitle = f"{found.net}  ·  chosen on validation{over}"
    save_figure(bars_figure(bars, title=f"Accuracy of each part on {found.dataset.name}", subtitle=subtitle), path)
