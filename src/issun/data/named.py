"""Which data set is meant: a name that issun knows, or a file?"""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from issun.data.dataset import Dataset
from issun.data.files import TEST_PART, load_npz, test_note
from issun.errors import DataError


@dataclass(frozen=True)
class _Known:
    """What a named data set must look like, so that a wrong file under its name is noticed; empty `classes` are 0 to 9."""

    input: tuple[int, int, int]
    classes: tuple[str, ...] = ()


_FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

_FILES = {
    "mnist": _Known((28, 28, 1)),
    "fashion-mnist": _Known((28, 28, 1), _FASHION),
    "kmnist": _Known((28, 28, 1), _KUZUSHIJI),
    "cifar10": _Known((32, 32, 3), _CIFAR10),
}

#: The names that `load` knows.
NAMES = ("digits", *_FILES)


def load(data: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set by name or from a file.

    Parameters
    ----------
    data : str or PathLike
        ``digits`` (1,797 handwritten digits of 8x8 pixels that come with scikit-learn); ``mnist``, ``fashion-mnist``, ``kmnist`` or
        ``cifar10``, found as ``<name>.npz`` in `data_dir`, the folder that the environment variable ISSUN_DATA names, or the Keras cache,
        whichever has it first; or the path of an ``.npz`` archive (see `issun.data.files.load_npz`).
    data_dir : str or PathLike, optional
        Where named data sets are looked for first.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        Where the name is not known, the file is not found or cannot be used.
    """
    if data_dir is not None and not Path(data_dir).is_dir():
        raise DataError(f"--data-dir (={data_dir}) is no folder")
    name, path = str(data), Path(data)
    if name == "digits":
        return _digits()
    if name in _FILES:
        return _from_file(name, _found(name, data_dir))
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of an .npz file, or one of the names {', '.join(NAMES)}")
    if path.exists() or path.suffix or len(path.parts) > 1:
        if not path.exists():
            raise DataError(f"{path}: there is no such file; give the path of an .npz file, or one of the names {', '.join(NAMES)}")
        return load_npz(path, name)
    near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.5)
    question = f"; did you mean {near[0]}?" if near else ";"
    raise DataError(f"there is no data set {name!r}{question} The names are {', '.join(NAMES)}; anything else is the path of an .npz file")


def _found(name: str, data_dir: str | os.PathLike[str] | None) -> Path:
    folders = [Path(data_dir)] if data_dir is not None else []
    if os.environ.get("ISSUN_DATA"):
        folders.append(Path(os.environ["ISSUN_DATA"]))
    keras = os.environ.get("KERAS_HOME")
    folders.append((Path(keras) if keras else Path("~/.keras").expanduser()) / "datasets")
    for folder in folders:
        if (folder / f"{name}.npz").is_file():
            return folder / f"{name}.npz"
    raise DataError(
        f"{name}.npz was not found in {' or '.join(str(folder) for folder in folders)}. Put {name}.npz (with x_train, y_train, x_test and "
        f"y_test, as Keras keeps mnist.npz) into a folder, then name the folder with --data-dir FOLDER or in the environment variable "
        f"ISSUN_DATA. The data set digits needs no file"
    )


def _from_file(name: str, path: Path) -> Dataset:
    known = _FILES[name]
    dataset = load_npz(path, name)
    if dataset.input != known.input or dataset.classes != tuple("0123456789"):
        held, wanted = ("x".join(map(str, shape)) for shape in (dataset.input, known.input))
        raise DataError(
            f"{path} is not {name}: it holds {held} images of {len(dataset.classes)} classes, but {name} has {wanted} images, labelled "
            f"0 to 9; to use it as it is, give its path"
        )
    return dataclasses.replace(dataset, classes=known.classes or dataset.classes)


def _digits() -> Dataset:
    """Return scikit-learn's digits (Alpaydin & Kaynak 1998): whole numbers from 0 to 16, here rescaled to 0 to 255."""
    from sklearn.datasets import load_digits  # here, because it takes longer to import than all of issun

    bundle = load_digits()
    images = np.rint(bundle.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = bundle.target.astype(np.int32)
    classes = tuple(str(name) for name in bundle.target_names)
    train, test = TEST_PART.indices(labels, classes)
    notes = ("Values from 0 to 16 were rescaled to 0 to 255.", test_note(len(test)))
    return Dataset("digits", images[train], labels[train], images[test], labels[test], classes, "scikit-learn", notes)
