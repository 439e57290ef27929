"""The images of a study: they are not in it; what needs them finds them by the data's name, or is told where they are."""

from __future__ import annotations

from pathlib import Path

from issun.datasets.common_size import unlike
from issun.datasets.dataset import Dataset
from issun.datasets.named import load_as
from issun.datasets.published import matching
from issun.errors import DataError
from issun.study.readable import Readable


def study_images(study: Readable, data: str | Path | Dataset | None = None, data_dir: str | Path | None = None) -> Dataset:
    """Return the data set that a study was trained on.

    Parameters
    ----------
    study : Study
    data : str, Path or Dataset, optional
        What `issun.load` takes, or images already loaded; default: the name or path under which the study knows them.
    data_dir : str or Path, optional
        Where to look for named data.

    Raises
    ------
    DataError
        Where no images are found, or others than the study's; the message says what to do.
    """
    about = study.about
    if isinstance(data, Dataset):
        return _checked(study, data)
    place = str(about["data"]) if data is None else str(data)
    height, width, channels = about["input"]
    try:
        # Images are brought to one size and kind as the sweep was told; the study knows to which.
        loaded = load_as(place, data_dir, (height, width, channels), about.get("range"))
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{study.path.name} holds no images, and those that it is about were not found ({error}): say where they are with --data "
            f"(in Python `data=`)"
        ) from None
    return _checked(study, loaded)


def _checked(study: Readable, dataset: Dataset) -> Dataset:
    """Return the images as the study has them, honest or as published."""
    about = study.about
    if dataset.input == tuple(about["input"]):
        try:
            return matching(dataset, about["fingerprint"])
        except DataError:
            pass
    what = f"{dataset.name} (fingerprint {dataset.fingerprint}) is not what {study.path.name} was trained on"
    if difference := unlike(tuple(about["input"]), dataset.input, (about.get("range"), dataset.range)):
        raise DataError(f"{what}: {difference}")
    raise DataError(f"{what} ({about['data']}, fingerprint {about['fingerprint']}): give the same images with --data (in Python `data=`)")
