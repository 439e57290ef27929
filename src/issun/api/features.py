"""`issun.features`: what a layer's features are worth to simple classifiers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from issun.api.sources import draws_of, heads_of, judged, read_as_begun, sources_of
from issun.build import takes_isa
from issun.datasets.dataset import Dataset
from issun.datasets.named import ReadingOptions
from issun.errors import IssunError
from issun.events import OnProgress, Remark, ignored
from issun.extraction.as_model import BestLinear
from issun.extraction.comparing import SourceProgress, compare, name_among, summary
from issun.model import Model
from issun.old_names import old_keywords
from issun.paths import check_new, writing
from issun.plain import plain
from issun.signature import chosen, takes
from issun.study import Study


@dataclass(frozen=True)
class SavedHead:
    """A linear head that was saved as a model: whose features it stands on, and its accuracies (fractions)."""

    model: Model
    file: Path
    extractor: str
    seed: int
    head: str
    validation: float
    test: float


@dataclass(frozen=True, eq=False)
class HeadsOnFeatures:
    """What `features` found.

    Attributes
    ----------
    dataset : Dataset
    images : tuple of int
        How many are learnt from, chosen by and tested on.
    means : DataFrame
        One row for each kind of weights and head, the mean over draws: see `issun.extraction.comparing.summary`.
    draws : DataFrame
        One row for each draw and head: see `issun.extraction.comparing.compare`.
    saved : SavedHead or None
        The head that was saved.
    problem : IssunError or None
        Why no head could be saved although that was asked for.
    table : Path or None
        The file of all draws, where one was written.
    """

    dataset: Dataset
    images: tuple[int, int, int]
    means: pd.DataFrame
    draws: pd.DataFrame
    saved: SavedHead | None = None
    problem: IssunError | None = None
    table: Path | None = None

    @property
    def best(self) -> pd.Series[Any]:
        """The row of `means` that is best on validation."""
        return self.means.sort_values("val_accuracy_mean", ascending=False, kind="stable").iloc[0]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        train, validation, test = self.images
        values: dict[str, Any] = plain(
            {
                "data": self.dataset.about,
                "train_images": train,
                "validation_images": validation,
                "test_images": test,
                "rows": self.means.to_dict("records"),
                "draws": self.draws.to_dict("records"),
                "best": self.best.to_dict(),
                "model": None if self.saved is None else self.saved.file,
            }
        )
        return values


@old_keywords(before="pre_activation")
@takes_isa
@takes(ReadingOptions)
def features(
    data: str | os.PathLike[str] | Dataset,
    network: str | None = None,
    *,
    weights: str | Sequence[str] | None = None,
    head: str | Sequence[str] = "ridge",
    layer: int | str | None = None,
    pre_activation: bool = False,
    seeds: int | Sequence[int] | None = None,
    study: str | os.PathLike[str] | None = None,
    grid: bool = False,
    halving: bool = False,
    search_images: int | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    refit: bool = False,
    whitening: float | None = None,
    threshold: float | None = None,
    scaling: str | None = None,
    validation: float = 0.1,
    table: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    isa: str | None = None,
    on_progress: OnProgress = ignored,
    **reading: Unpack[ReadingOptions],
) -> HeadsOnFeatures:
    """Train simple classifiers (heads) on the features of a network's layer, untrained or trained.

    Settings are chosen on validation images; test figures are shown beside.

    Parameters
    ----------
    data : str, PathLike or Dataset
        As of `issun.load`.
    network : str, optional
        A network (``"conv 32, pool"``; a classifier at its end may be left out), or a saved model (``.safetensors``); with `study` one
        of its networks, by default the smallest within 1 % of the best.
    weights : str or sequence of str, optional
        random, he, orthogonal, patches, kmeans, pca; several as a sequence or separated by commas. Default: random. Only if untrained.
    head : str or sequence of str
        ridge, logistic, linear-svm, svm, forest, neighbours.
    layer : int or str, optional
        Number or text (``conv 16``); 0: the image. Default: the input of the classifier.
    pre_activation : bool
        Before the layer's activation.
    seeds : int or sequence of int, optional
        Number of draws, or a list of seeds. Default: 1; with `study` all its seeds.
    study : str or PathLike, optional
        Take the trained networks of this study. Where it was trained in folds, each fold has its own network and heads, judged on the
        images that these have not seen: validation accuracies are over all images, test accuracies are means over the folds.
    grid, halving : bool
        Grid search on validation; search by successive halving.
    search_images : int, optional
        Maximum images for a search.
    settings : mapping of str to mapping, optional
        Settings of heads, or several values to search: ``{"svm": {"C": [1, 10]}}``.
    refit : bool
        Refit the best settings on training and validation images together.
    whitening, threshold : float, optional
        For filters from patches: see `issun.extraction.Patches`.
    scaling : str, optional
        Image scaling for untrained networks: standard, unit or raw. Default: standard.
    validation : float
        Fraction of the training images used for validation.
    table : str or PathLike, optional
        Also write all draws and settings to this .csv file.
    output : str or PathLike, optional
        Save the linear head (ridge, logistic, linear-svm) that is best on validation, with its layers, as a model.
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
    HeadsOnFeatures

    Raises
    ------
    DataError, NotationError, NetworkError, HeadError
        Where data, network or heads cannot be used.
    IssunError
        Where options cannot be combined, or a file cannot be written.
    """
    wishes = heads_of(head, settings, grid=grid, halving=halving, search_images=search_images, refit=refit)
    for option, path in (("--table", table), ("--output", output)):
        if path is not None:
            check_new(path, option=option)
    if output is not None and not any(wish.head.linear for wish in wishes):
        raise IssunError(f"--output (={output}) needs a linear head: add --head ridge, logistic or linear-svm")
    draws = None if seeds is None else draws_of(seeds, "--seeds")
    read = None if study is None else Study(Path(study))
    dataset = read_as_begun(data, read, network, on_progress, *chosen("features", reading, ReadingOptions))
    dataset, split, remark = judged(network, read, dataset, validation, weights)
    if split.pooled and output is not None:
        raise IssunError(
            f"--output (={output}) saves a head on one network, but the study has one for each of {split.folds} folds: leave it out"
        )
    if remark:
        on_progress(Remark(remark))
    sources = sources_of(
        *(network, read, dataset, split),
        weights=weights,
        draws=draws,
        layer=layer,
        pre_activation=pre_activation,
        scaling=scaling,
        whitening=whitening,
        threshold=threshold,
    )
    kept = BestLinear()
    frame = compare(
        *(sources, wishes, dataset, split),
        threads=threads,
        report=lambda source, moment: on_progress(SourceProgress(name_among(source, sources), moment)),
        keep=None if output is None else kept,
    )
    if table is not None:
        with writing(table):
            frame.to_csv(table, index=False)
    saved, problem = None, None
    if output is not None:
        try:
            saved = _saved(kept, kept.model(dataset, split), Path(output))
        except IssunError as error:  # hours of work are in the table
            problem = error
    train, held = (len(part) for part in dataset.parts(split))
    if split.pooled:  # a head learns from all folds but one; together they are judged on all images
        train, held = train - round(train / split.folds), train
    counts = (train, held, len(dataset.test_images))
    return HeadsOnFeatures(dataset, counts, summary(frame), frame, saved, problem, None if table is None else Path(table))


def _saved(kept: BestLinear, model: Model, file: Path) -> SavedHead:
    model.save(file)
    assert kept.best is not None
    source, _, result = kept.best
    return SavedHead(model, file, source.label, source.draw, result.wish.title, result.validation, result.test)
