"""`issun.export`: a model, or a network of a study, in the format of another program, checked on the images that it was validated on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.api.sources import ValidationPart, of_model, of_study
from issun.arch.net import Net
from issun.errors import DataError, ExportError, IssunError, SelectionError
from issun.events import OnProgress, Remark, ignored
from issun.exporters.finetuning import TOLERATED, Finetuned
from issun.exporters.finetuning import finetune as trained_on
from issun.exporters.writing import FORMATS, Exported, check_places, destination, export_model, format_for
from issun.model import Model
from issun.numbers import percent
from issun.plain import plain
from issun.study import Study
from issun.study.schema import is_study


@dataclass(frozen=True)
class ExportedModel:
    """What `export` wrote.

    Attributes
    ----------
    net : Net
        The network as it was written: folded.
    format : str
        Of `issun.exporters.FORMATS`.
    written : Exported
        The files, and what the check found.
    checked_on : str or None
        What the images of the check are called; None for random ones.
    int8 : bool
        Whether it answers in whole numbers.
    finetuned : Finetuned or None
        What training on for int8 brought, where that was asked for.
    """

    net: Net
    format: str
    written: Exported
    checked_on: str | None
    int8: bool = False
    finetuned: Finetuned | None = None

    @property
    def wants_finetuning(self) -> bool:
        """Whether int8 loses so much accuracy that training on for it is worth the time."""
        found = self.written.agreement
        if not self.int8 or self.finetuned is not None or found.before is None or found.after is None:
            return False
        return found.after < found.before - TOLERATED

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        agreement = self.written.agreement
        values: dict[str, Any] = plain(
            {
                "network": str(self.net),
                "parameters": self.net.parameters,
                "format": self.format,
                "files": self.written.files,
                "bytes": self.written.bytes,
                "facts": self.written.facts,
                "check": {
                    "images": agreement.images,
                    "random": agreement.drawn,
                    "largest_difference": agreement.difference,
                    "near_ties": agreement.near_ties,
                    "accuracy_before": agreement.before,
                    "accuracy_after": agreement.after,
                },
            }
        )
        return values


def export(
    model: Model | str | os.PathLike[str],
    *,
    to: str | None = None,
    output: str | os.PathLike[str] | None = None,
    network: str | None = None,
    seed: int | None = None,
    data: str | os.PathLike[str] | None = None,
    logits: bool = False,
    int8: bool = False,
    finetune: bool = False,
    force: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    groups: str | None = None,
    on_progress: OnProgress = ignored,
) -> ExportedModel:
    """Export a model to another format, and check on the whole validation part that it agrees with the model.

    A file that disagrees is not saved. Where the images are not found, random images are used instead, with a remark.

    Parameters
    ----------
    model : Model, str or PathLike
        A model or its file, or a study's file.
    to : str, optional
        onnx, c, keras, torch or page; default: by the ending of `output`.
    output : str or PathLike, optional
        File to write; default: the name of the model's file, in the current folder; of a page with ``-classifier``.
    network, seed : optional
        For a study: the network, by default the smallest within 1 % of the best; its seed, by default the best on validation.
    data, data_dir : str or PathLike, optional
        Location of the images; default: as at training. Folder to search first for named data sets.
    logits : bool
        Write outputs before softmax instead of probabilities.
    int8 : bool
        Write C with 8-bit integers.
    finetune : bool
        Fine-tune for int8 where it loses more than 0.2 points.
    force : bool
        Overwrite existing files.
    groups : str, optional
        As of `issun.load`.
    on_progress : callable, optional
        Called with each `issun.events.Event`: here only remarks.

    Returns
    -------
    ExportedModel

    Raises
    ------
    ModelError, StudyError
        Where the model or the study cannot be read.
    DataError
        Where `data` is named and cannot be used.
    ExportError
        Where the format is unknown or lacks a layer or an option, a package is missing, or a file cannot be written.
    MismatchError
        Where the exported file disagrees with the model.
    """
    file = None if isinstance(model, Model) else Path(model)
    study = Study(file) if file is not None and is_study(file) else None
    if study is None and (network is not None or seed is not None):
        raise IssunError(
            f"--network and --seed choose from a study, but {file or 'this'} is a saved model with one network: leave them out"
        )
    loaded = model if isinstance(model, Model) else _loaded(Path(model), study, network, seed)
    if loaded.provenance.warning:
        on_progress(Remark(f"{network or file or 'the model'}: {loaded.provenance.warning}"))
    chosen = format_for(to, None if output is None else Path(output))
    target = destination(_place(file, output, chosen), chosen)
    check_places(target, chosen, force)  # before the images are loaded, which may take a while
    part = _part(loaded, study, network, seed, data, data_dir, groups, on_progress)
    if finetune and not int8:
        raise IssunError("--finetune requires --int8: give both")
    wishes: dict[str, Any] = {"logits": True} if logits else {}
    if int8:
        wishes |= {"int8": True, "calibration": part.train if part else None}
    if chosen == "page" and part and not part.remarks:  # with remarks, these are other images than it was trained on
        wishes["training_images"] = len(part.train)
    done = _finetuned(loaded, part, on_progress) if finetune else None
    loaded = loaded if done is None else done.model
    images, labels = (part.images, part.labels) if part else (None, None)
    written = export_model(loaded, target, chosen, images, labels, force=force, **wishes)
    return ExportedModel(loaded.folded().net, chosen, written, part.name if part else None, int8, done)


def _loaded(file: Path, study: Study | None, network: str | None, seed: int | None) -> Model:
    if study is None:
        return Model.load(file)
    try:
        return study.model(network, seed)
    except SelectionError as error:  # what was asked was wrong, no wish that the study cannot meet
        raise IssunError(str(error)) from None


def _place(file: Path | None, output: str | os.PathLike[str] | None, to: str) -> Path:
    if output is not None:
        return Path(output)
    if file is None:
        raise ExportError("`output` is required, since the model was not loaded from a file: give the path of the file to write")
    return Path(file.with_suffix("").name + FORMATS[to].added)


def _part(
    model: Model,
    study: Study | None,
    network: str | None,
    seed: int | None,
    data: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str] | None,
    groups: str | None,
    on_progress: OnProgress,
) -> ValidationPart | None:
    """Return the images to check with, None where they are not found although nobody said where they are."""
    place, folder = None if data is None else str(data), None if data_dir is None else Path(data_dir)
    try:
        part = of_model(model, place, folder, groups) if study is None else of_study(study, network, seed, place, folder)
    except DataError as error:
        if data is not None:
            raise
        on_progress(Remark(f"The images were not found ({error}); random images are used instead. Give their location with --data."))
        return None
    for remark in part.remarks:
        on_progress(Remark(remark))
    return part


def _finetuned(model: Model, part: ValidationPart | None, on_progress: OnProgress) -> Finetuned:
    if part is None:
        raise IssunError("--finetune needs the training images and labels: give their location with --data")

    def tell(epoch: int, accuracy: float) -> None:
        on_progress(Remark(f"fine-tuning, epoch {epoch}: int8 {percent(accuracy)}"))

    done = trained_on(model, part.train, part.train_labels, part.images, part.labels, on_epoch=tell)
    found = f"float {percent(done.float_accuracy)}, int8 {percent(done.before)} on validation"
    if done.epoch:
        on_progress(Remark(f"{found}; fine-tuned {percent(done.after)}, after epoch {done.epoch}"))
    elif done.before < done.float_accuracy:
        on_progress(Remark(f"{found}: too few images to fine-tune, or no epoch was better"))
    else:
        on_progress(Remark(f"{found}: nothing to fine-tune"))
    return done
