"""What features and heads a command asks for: of a network with a kind of weights, a saved model, or the trials of a study.

A model is checked before it is handed over on the whole validation part of the data that it was trained on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from issun.arch.notation import parse_network
from issun.datasets.class_names import same_names
from issun.datasets.copies import split_as_searched
from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import NAMES, ReadingOptions, load_as, loaded
from issun.datasets.published import matching
from issun.datasets.split import StoredSplit, validation_mark
from issun.datasets.wanted import input_text, one_input
from issun.errors import DataError, ExportError, IssunError
from issun.events import OnProgress, Remark
from issun.extraction.comparing import Source, trained, untrained
from issun.extraction.extractor import operation_index
from issun.extraction.head_kinds import head_named
from issun.extraction.making import WEIGHTS, Weights
from issun.extraction.patches import Patches
from issun.extraction.search import Search
from issun.extraction.training import HeadWish
from issun.model import Model
from issun.paths import from_here, kind_of
from issun.recipe import USUAL_SCALING
from issun.study import Entry, Study, images
from issun.study.frontier import smallest
from issun.study.images import study_images
from issun.study.reading import read_inputs


@dataclass(frozen=True, eq=False)
class ValidationPart:
    """Images to check with, and how they are called.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, height, width, channels)
    labels : ndarray of int32, shape (N,)
    train, train_labels : ndarray of uint8, shape (M, height, width, channels), and of int32, shape (M,)
        The training part: what a format may measure, such as the ranges of values, or train with.
    name : str
        ``validation images of mnist``.
    remarks : tuple of str
        What is good to know: that these are other images than the model was trained on.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int32]
    name: str
    remarks: tuple[str, ...] = ()


def of_study(study: Study, network: str | None, seed: int | None, data: str | None, data_dir: Path | None) -> ValidationPart:
    """Return the images that chose a network of a study.

    Raises
    ------
    DataError
        Where they are not found.
    """
    dataset = study_images(study, data, data_dir, study.data_of(network))
    indices = study.predictions(network, seed)["index"].to_numpy()
    return _part(dataset, indices)


def of_model(model: Model, data: str | None, data_dir: Path | None, groups: str | None) -> ValidationPart:
    """Return the validation part of the data that a saved model says it was trained on, or of other data.

    Raises
    ------
    DataError
        Where it is not found, or without `data` is not what the model was trained on.
    ExportError
        Where its classes are not those of the model.
    """
    known = model.provenance.data
    if data is None and known is None:
        raise DataError("the model does not record its training data")
    place = data if data is not None else known.name if known else ""
    if data is None and not (place in NAMES or _is_there(place)):  # a model's file may say anything
        raise DataError(f"the model's data, {place!r:.200}, does not exist")
    height, width, channels = model.net.input  # images come in the size and kind that the model knows
    provenance = model.provenance
    shape, test = (height, width, channels), provenance.test_share
    dataset = load_as(place, data_dir, shape, provenance.range, provenance.fitting, groups=groups, test=test)
    remarks = []
    try:
        dataset = matching(dataset, known.fingerprint if known else dataset.fingerprint)
    except DataError:
        if data is None:
            raise
        remarks.append(f"{dataset.name} is not the data that the model was trained on ({known}); the check uses these images instead")
    if not same_names(dataset.classes, model.classes):
        raise ExportError(f"the classes of {dataset.name} do not match the model's classes: {', '.join(model.classes[:10])}")
    split = (None if remarks else _split_of(model, dataset)) or Split()
    _, indices = dataset.parts(split)
    return _part(dataset, dataset.parts(split)[0] if split.pooled else indices, tuple(remarks))


def trained_with(model: Model, dataset: Dataset) -> tuple[Dataset, Split | None] | None:
    """Return the data as a saved model was trained on it, and the split (None where the model does not say); None for other data.

    Raises
    ------
    DataError
        Where the model's split does not choose the images, of this data, that the model was validated on.
    """
    known = model.provenance.data
    if known is None:
        return None
    try:
        dataset = matching(dataset, known.fingerprint)
    except DataError:
        return None
    return dataset, _split_of(model, dataset)


def _split_of(model: Model, dataset: Dataset) -> Split | None:
    """Return a model's split of the data that it was trained on; None where the model does not say."""
    provenance = model.provenance
    if not provenance.split:
        return None
    split = split_as_searched(dataset, Split.named(provenance.split))
    found, stored = validation_mark(dataset.parts(split)[1]), provenance.validation_images
    if stored and found != stored:
        raise DataError(
            f"the split {split.id!r} of {dataset.name} selects different validation images ({found}) from those that the model was "
            f"validated on ({stored:.60}): it would be evaluated on its training images; use the study that it comes from instead"
        )
    return split


def _is_there(place: str) -> bool:
    try:
        return kind_of(place, DataError) in ("file", "folder")
    except DataError:
        return False


def _part(dataset: Dataset, indices: NDArray[np.int64], remarks: tuple[str, ...] = ()) -> ValidationPart:
    in_folds = len(indices) == len(dataset.images)  # then the model was trained on all of them
    others = np.ones(len(dataset.images), np.bool_)
    if not in_folds:
        others[indices] = False
    name = f"{'training' if in_folds else 'validation'} images of {dataset.name}"
    images, labels = dataset.images, dataset.labels
    return ValidationPart(images[indices], labels[indices], images[others], labels[others], name, remarks)


def words_of(text: str | Sequence[str], option: str) -> list[str]:
    """Return words, or those between the commas of a text, each once.

    Raises
    ------
    IssunError
        Where there is none.
    """
    words = text.split(",") if isinstance(text, str) else text
    found = list(dict.fromkeys(word.strip() for word in words if word.strip()))
    if not found:
        raise IssunError(f"{option} (={text!r}) is empty: write words separated by commas")
    return found


def heads_of(
    head: str | Sequence[str],
    settings: Mapping[str, Mapping[str, Any]] | None,
    *,
    grid: bool,
    halving: bool,
    search_images: int | None,
    refit: bool,
) -> list[HeadWish]:
    """Return the heads that are asked for.

    Raises
    ------
    IssunError
        Where there is no such head or setting, or options contradict each other.
    """
    if grid and halving:
        raise IssunError("--grid and --halving cannot be combined: give only one")
    names = [head_named(name).name for name in words_of(head, "--head")]
    given: dict[str, Mapping[str, Any]] = {}
    for asked, values in (settings or {}).items():
        name = head_named(asked).name
        if name not in names:
            [setting, value] = next(iter(values.items()), ("", ""))
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
            raise IssunError(f"--set {asked}.{setting}={text}: the head {name} is not in --head {_text(head)}")
        given[name] = {**given.get(name, {}), **values}
    search: Search = "grid" if grid else "halving" if halving else "none"
    return [HeadWish(name, given.get(name, {}), search, search_images, refit) for name in dict.fromkeys(names)]


def draws_of(seeds: int | Sequence[int], option: str) -> Sequence[int]:
    """Return the draws that are asked for: how many, or which.

    Raises
    ------
    IssunError
        Where there is none.
    """
    draws = range(seeds) if isinstance(seeds, int) else seeds
    if not len(draws):
        raise IssunError(f"{option} (=0) must be at least 1")
    return draws


def read_as_begun(
    data: str | os.PathLike[str] | Dataset, study: Study | None, network: str | None, on_progress: OnProgress, reading: ReadingOptions
) -> Dataset:
    """Return the images as the study, or the saved model, was begun with them, where one is named, and tell the notes on them."""
    if study is not None and not isinstance(data, Dataset):
        one_input(reading.get("size"), reading.get("color"), reading.get("gray"))
        dataset = read_inputs(data, [study], on_progress, reading, adding=False).first
    else:
        dataset = loaded(data, on_progress, **reading)
    if study is None and dataset.fitting.reduced and _is_saved(network) and not Model.load(str(network)).provenance.fitting.reduced:
        dataset = loaded(data, on_progress, whole=True, **reading)
    for note in dataset.notes:
        on_progress(Remark(note))
    return dataset


def _is_saved(network: str | None) -> bool:
    """Whether a network is the file of a model."""
    return network is not None and network.endswith(".safetensors")


def kinds_of(text: str | Sequence[str]) -> list[Weights]:
    """Return the kinds of untrained weights that are named.

    Raises
    ------
    IssunError
        Where one is none.
    """
    kinds = words_of(text, "--weights")
    for kind in kinds:
        if kind not in WEIGHTS:
            hint = "; for trained weights, give a saved model or --study" if kind == "trained" else ""
            raise IssunError(f"--weights (={kind}) must be one of {', '.join(WEIGHTS)}{hint}")
    return cast(list[Weights], kinds)


def patches_of(kinds: Sequence[Weights], whitening: float | None, threshold: float | None) -> Patches:
    """Return how filters are taken from patches.

    Raises
    ------
    IssunError
        Where something is asked for that none of the kinds of weights looks at, or a number is outside its range.
    """
    for option, value, users in (
        ("--whitening", whitening, ("patches", "kmeans")),
        ("--threshold", threshold, ("patches", "kmeans", "pca")),
    ):
        if value is not None and not set(kinds) & set(users):
            raise IssunError(f"{option} (={value:g}) applies only to --weights {', '.join(users)}: use one of these, or leave it out")
    own = Patches()
    return Patches(whitening=own.whitening if whitening is None else whitening, threshold=own.threshold if threshold is None else threshold)


def sources_of(
    network: str | None,
    study: Study | None,
    dataset: Dataset,
    split: Split,
    *,
    weights: str | Sequence[str] | None,
    draws: Sequence[int] | None,
    layer: int | str | None,
    pre_activation: bool,
    scaling: str | None,
    whitening: float | None = None,
    threshold: float | None = None,
) -> list[Source]:
    """Return the sources of features that are asked for, as `issun.extraction.comparing.compare` takes them.

    Raises
    ------
    IssunError
        Where options contradict each other.
    """
    saved = study is None and _is_saved(network)
    kinds = kinds_of(weights or "random")
    patches = patches_of([] if study or saved else kinds, whitening, threshold)
    if study is not None:
        return _of_study(study, network, dataset, draws, layer, pre_activation)
    if network is None:
        raise IssunError('give a NETWORK, such as "conv 32, pool", or --study FILE with trained networks')
    if saved:
        model = Model.load(network)
        if model.net.input != dataset.input:  # its classes do not matter: a head has its own
            raise IssunError(
                f"{network} takes {_shape(model.net.input)} images, but those of {dataset.name} are {_shape(dataset.input)}; for "
                f"image files, --size, --gray and --rgb convert them"
            )
        operation_index(model.net, layer, pre_activation)
        return [trained(model, layer=layer, pre_activation=pre_activation)]
    net = parse_network(network, dataset.input, len(dataset.classes), complete=True)
    operation_index(net, layer, pre_activation)  # what is wrong is told before the first hour
    scaling = scaling or USUAL_SCALING
    return untrained(
        net, kinds, dataset, split, draws=draws or (0,), layer=layer, pre_activation=pre_activation, scaling=scaling, patches=patches
    )


def _of_study(
    study: Study, network: str | None, dataset: Dataset, seeds: Sequence[int] | None, layer: int | str | None, pre_activation: bool
) -> list[Source]:
    images.study_images(study, dataset)
    entry = _at(study, network, dataset)
    kept = [trial.seed for trial in entry.trials if not trial.diverged] if seeds is None else list(seeds)
    models = [(seed, model, split) for seed in kept for model, split in _models(study, entry, seed)]
    if not models:
        raise IssunError(f"all trainings of `{entry.title}` in {from_here(study.path)} diverged; name another network")
    operation_index(models[0][1].net, layer, pre_activation)
    return [trained(model, seed, layer=layer, pre_activation=pre_activation, split=split) for seed, model, split in models]


def _models(study: Study, entry: Entry, seed: int) -> list[tuple[Model, Split | None]]:
    """Return the network of a trial; in folds that of each fold that did not diverge, with the images that it has not seen."""
    if entry.folds == 1:
        return [(study.model(entry, seed), None)]
    whole = study.split(entry)
    found: list[tuple[Model, Split | None]] = []
    for number, judge in enumerate(study.judges(entry, seed), 1):
        if len(judge.images) < len(whole.validation):  # else all folds diverged, and the judge is the network trained on all images
            name = f"{whole.name}, judge {number} of seed {seed}"
            found.append((judge.model, StoredSplit(1 / entry.folds, whole.seed, name=name, validation=tuple(judge.images.tolist()))))
    return found


def judged(
    network: str | None, study: Study | None, dataset: Dataset, validation: float, weights: str | Sequence[str] | None
) -> tuple[Dataset, Split, str]:
    """Return the images and the split that heads are judged with, and a remark on it, or nothing.

    The features of a trained network are judged on what it was validated on, never on what it was trained on: for a study on the
    validation images that it stores, for a saved model on those of its split, which its file can tell from others. Images stand as they
    were used: with the test part as the validation part where that was watched. Where a study was trained in folds, the split is that of
    all of them, and each source of `sources_of` has that of its fold.

    Raises
    ------
    DataError
        Where a study is about other images, or a model's split chooses other images than it was validated on.
    IssunError
        Where weights are asked for that a trained network has already.
    """
    saved = _is_saved(network)
    if (study or saved) and weights is not None:
        raise IssunError(f"--weights (={_text(weights)}) is for untrained networks: leave it out for a study or a saved model")
    if study is not None:
        stored = study.split(_at(study, network, dataset))
        folds = f"each of {stored.folds} folds has its own network and heads, judged on the images that these have not seen"
        return images.study_images(study, dataset), stored, folds if stored.pooled else ""
    if network is None or not saved:
        return dataset, Split(validation), ""
    known = trained_with(Model.load(network), dataset)
    if known is None:
        return dataset, Split(validation), ""
    dataset, split = known
    if split is None:
        return (
            *(dataset, Split(validation)),
            f"{network} does not record which of these images it was trained on: it may have seen some that the heads are evaluated on",
        )
    return dataset, _apart(split, network), f"heads are evaluated on the validation images of {network}: {dataset.resolved(split)}"


def _at(study: Study, network: str | None, dataset: Dataset) -> Entry:
    """Return a network of a study that takes the images of a data set; default: the smallest of these within 0.01 of the best."""
    if len({entry.input for entry in study.entries}) < 2:
        return study.network(network)
    if network is not None:
        entry = study.network(network if ":" in network else f"{input_text(dataset.input)}: {network}")
        if entry.input != dataset.input:
            raise IssunError(f"`{entry.title}` takes other images than these ({input_text(dataset.input)}): give its --size and --color")
        return entry
    return study.network(smallest([entry for entry in study.entries if entry.input == dataset.input]))


def _apart(split: Split, whose: str) -> Split:
    """Return a model's split that sets images aside; `IssunError` for one in folds, whose networks the model's file does not have."""
    if split.pooled:
        raise IssunError(
            f"{whose} was trained on all training images after {split.folds} folds, so none is left to evaluate its features on: give the "
            f"study that it comes from with --study, which has the networks of the folds, or train it with --folds 1 (`folds=1`)"
        )
    return split


def _text(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else ",".join(words)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
