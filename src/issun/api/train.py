"""`issun.train`: one network trained once, with what its learning curve says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.build import takes_isa
from issun.datasets.dataset import Dataset, Split
from issun.datasets.file_notes import split_notes
from issun.datasets.inputs import Inputs
from issun.datasets.named import ReadingOptions, loaded
from issun.datasets.usual_split import split_for
from issun.engine import Epoch, State
from issun.errors import DataError
from issun.events import OnProgress, Remark, ignored
from issun.model import Model
from issun.nas.parts import copies_of, judging_split, together
from issun.paths import check_new
from issun.plain import plain
from issun.pooling import FoldResult, for_all_images, mean_history, pooled
from issun.recipe import Recipe, RecipeOptions, named_settings
from issun.signature import chosen, takes
from issun.study.diagnosis import Diagnosis, diagnose
from issun.study.machine import machine
from issun.study.remedies import used_against_chance, used_against_overfitting
from issun.study.teachers import with_teacher
from issun.training import Outcome, TrainingProgress, train_network


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of `train`.

    Attributes
    ----------
    outcome : Outcome
        Figures, history and weights.
    dataset : Dataset
        What it was trained on.
    saved, curves : Path or None
        The model's file and the picture of the curves, where they were written.
    folds : tuple of Outcome
        Those of the single folds; empty without folds. `outcome` is then the training on all images, with the folds' figures.
    """

    outcome: Outcome
    dataset: Dataset
    saved: Path | None = None
    curves: Path | None = None
    folds: tuple[Outcome, ...] = ()

    @cached_property
    def model(self) -> Model:
        """The trained network; `ModelError` where training diverged."""
        return self.outcome.model(self.dataset)

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: the fields of `issun.engine.Epoch`, and whether its weights were `kept`. In folds, means over the folds."""
        folds = [(pd.DataFrame([line.as_dict() for line in one.history]), len(one.validation_predictions)) for one in self.folds]
        frame = mean_history(folds) if folds else pd.DataFrame([line.as_dict() for line in self.outcome.history])
        return frame.assign(kept=frame["epoch"] == self.outcome.kept)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What the learning curve says, and what to try."""
        outcome, recipe = self.outcome, self.outcome.recipe
        held = self.dataset.labels if self.folds else self.dataset.labels[self.dataset.parts(outcome.split)[1]]
        return diagnose(
            *(self.history, len(self.dataset.classes)),
            images=len(held),
            chance=float(np.bincount(held).max() / len(held)),
            schedule=recipe.schedule,
            used={*used_against_overfitting(outcome.net, recipe), *used_against_chance(outcome.net, recipe)},
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the weights as plain values."""
        outcome, dataset, found = self.outcome, self.dataset, self.diagnosis
        values: dict[str, Any] = plain(
            {
                "network": str(outcome.net),
                "parameters": outcome.net.parameters,
                "macs": outcome.net.macs,
                "data": dataset.about,
                "recipe": outcome.recipe.model_dump(),
                "validation_fraction": outcome.split.fraction,
                "split": outcome.split.id,
                "folds": max(1, outcome.split.folds),
                "seed": outcome.seed,
                "diverged": outcome.diverged,
                "validation": {"loss": outcome.val_loss, "accuracy": outcome.val_accuracy},
                "test": {"loss": outcome.test_loss, "accuracy": outcome.test_accuracy},
                "seconds": outcome.seconds,
                "teacher": None if outcome.teacher is None else asdict(outcome.teacher),
                "dependence": outcome.dependence,
                "machine": machine(),
                "history": self.history.drop(columns="kept").to_dict("records"),
                "kept_epoch": outcome.kept,
                "diagnosis": {"kind": found.kind, "sentence": found.sentence, "advice": found.advice},
                "model": self.saved,
                "curves": self.curves,
            }
        )
        return values


class TrainOptions(ReadingOptions, RecipeOptions, total=False):
    """How images are read, and single settings of the recipe."""


@takes_isa
@takes(TrainOptions)
def train(
    data: str | os.PathLike[str] | Dataset,
    network: str | Net,
    *,
    output: str | os.PathLike[str] | None = None,
    seed: int = 0,
    curves: str | os.PathLike[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float | None = None,
    folds: int | None = None,
    for_search: bool = False,
    threads: int | None = None,
    isa: str | None = None,
    on_epoch: Callable[[Epoch, State], None] | None = None,
    on_progress: OnProgress = ignored,
    **options: Unpack[TrainOptions],
) -> Trained:
    """Train one network on images.

    Parameters
    ----------
    data : str, PathLike or Dataset
        A name such as ``digits`` or ``mnist``, the path of a folder of images, a ``.csv`` of files and labels or an ``.npz`` archive
        (see `issun.load`), or a data set.
    network : str or Net
        The network's text, such as ``"conv 4, pool, conv 8, pool, dense"``.
    output : str or PathLike, optional
        Model file to write; by default the model is not saved.
    seed : int
        Seed of weights, order and dropout.
    curves : str or PathLike, optional
        Draw loss and accuracy by epoch to this file: .png, .svg or .pdf.
    recipe : Recipe or mapping, optional
        How to train, or settings that override the defaults; by default `Recipe.for_images` of the number of training images.
    validation : float, optional
        Fraction of the training images used for validation, above 0 and below 1, then without folds; default: 0.1. The data's own
        validation part is used unchanged.
    folds : int, optional
        Train in so many folds, then on all their images for the folds' median number of epochs: see `issun.pooling`. 1: once, with a
        validation part. Default: 5 below 1,000 training images, and 1 from there on or with a teacher.
    for_search : bool
        Train on the images that a search of the same data trains on, with those that judge there as validation part, and leave out those
        that confirm: the model can then be the `start` or the `teacher` of `issun.search`.
    threads, on_epoch
        As of `issun.training.train_network`.
    isa : str, optional
        Instruction set to run on: ``avx512``, ``avx2`` or ``baseline``; default: that of `ISSUN_ISA`, or else the widest. Results of two
        sets differ in their last bits.
    on_progress : callable, optional
        Called with each `issun.events.Event`: remarks, the progress of reading, and a `TrainingProgress` at the start and for each epoch.
    **options
        How images are read, as of `issun.load` (``data_dir, size, color, gray, enlarge, strict, groups, range, test, resize``), not for
        a data set that is loaded already; and single settings of the recipe, in place of its own: ``epochs, learning_rate, batch_size,
        optimizer, schedule, warmup, weight_decay, clip_norm, label_smoothing, ema_decay, patience, restore_best_weights, scaling,
        initializer, augment, teacher, temperature, share, views``. A `teacher` is a `Model`, a `Study`, or the file of one: see
        `issun.study.teachers.teacher_of`.

    Returns
    -------
    Trained
        Its `model` predicts and can be saved; its `outcome` has the history. Returned even where training diverges, without a model.

    Raises
    ------
    DataError, NotationError, NetworkError, RecipeError
        Where data, network or settings cannot be used.
    ModelError
        Where the teacher is missing, or takes other images or classes.
    IssunError
        Where `output` or `curves` cannot be written.

    Examples
    --------
    >>> trained = train("digits", "conv 4, pool, dense", epochs=2)  # doctest: +SKIP
    >>> trained.model.predict(trained.dataset.test_images[:3])  # doctest: +SKIP
    array([0, 1, 2])
    """
    reading, settings = chosen("train", named_settings(options, warn=4), ReadingOptions, RecipeOptions)
    settings, teacher = with_teacher(recipe, settings)
    for option, path in (("--output", output), ("--curves", curves)):
        if path is not None:
            check_new(path, option=option)
    if curves is not None:
        from issun.plots.curves import curves_figure  # here, since matplotlib takes longer to import than all of issun
        from issun.plots.style import check_format, save_figure

        check_format(curves, "--curves")
    dataset = loaded(data, on_progress, **reading)
    if for_search:
        dataset = together(Inputs.of(dataset), copies_of(Inputs.of(dataset))).first
    net = network if isinstance(network, Net) else parse_network(network, dataset.input, len(dataset.classes))
    if for_search and (validation is not None or folds is not None):
        raise DataError("--for-search divides the images as a search does: leave --validation and --folds out")
    split = split_for(dataset, validation, 1 if folds is None and teacher is not None else folds)
    split = judging_split(dataset, most_folds=1) if for_search else split
    runs = (*split.each, split) if split.pooled else (split,)
    wanted = Recipe.wanted(recipe, len(dataset.parts(runs[0])[0]), **settings)
    for note in (*dataset.notes, *split_notes(dataset, split)):
        on_progress(Remark(note))
    if teacher is not None and (doubt := teacher.doubt(dataset, split)):
        on_progress(Remark(f"not independent: {doubt}", warning=True))
    if split.pooled:
        aside = f"; {len(dataset.test_images):,} set aside" if len(dataset.test_images) else ""
        on_progress(Remark(f"validated on {len(dataset.images):,} images in {split.folds} folds{aside}"))

    def trained_on(one: Split, recipe: Recipe) -> Outcome:
        """Train on one split, and tell of each epoch."""
        lines: list[Epoch] = []
        on_progress(TrainingProgress(net, dataset.name, recipe.epochs, (), one))

        def tell(line: Epoch, state: State) -> None:
            lines.append(line)
            if on_epoch is not None:
                on_epoch(line, state)
            on_progress(TrainingProgress(net, dataset.name, recipe.epochs, tuple(lines), one))

        return train_network(net, recipe, dataset, one, seed, threads=threads, on_epoch=tell, teacher=teacher)

    in_folds = tuple(trained_on(one, wanted) for one in runs[:-1])
    results = [FoldResult.of(one, dataset) for one in in_folds]
    outcome = trained_on(runs[-1], for_all_images(wanted, results) if results else wanted)
    outcome = pooled(outcome, results, dataset.labels, wanted) if results else outcome
    saved = None if output is None or outcome.diverged else Path(output)
    trained = Trained(outcome, dataset, saved, None if curves is None else Path(curves), in_folds)
    if trained.curves is not None:
        found = trained.diagnosis
        turned = found.since if found.kind == "overfits" else None
        title = f"{net} on {Path(dataset.name).stem}"
        save_figure(curves_figure(trained.history, title=title, diagnosis=str(found), turned=turned), trained.curves)
    if saved is not None:
        trained.model.save(saved)
    return trained
