"""`load`: a data set by its name or its path, a folder of any images among them.

Images that come as arrays are resized and recoloured by the same arithmetic as images in files.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from issun.datasets import cifar
from issun.datasets.common_size import colour_notes, common_size, enlarged_notes
from issun.datasets.dataset import Dataset
from issun.datasets.download import MNIST_UNPACKED, SOURCES, by_hand, cache_folder, download
from issun.datasets.gather import gathered
from issun.datasets.idx import idx_files, is_idx_folder, load_idx
from issun.datasets.memory import check_memory
from issun.datasets.npz import load_npz
from issun.datasets.resizing import USUAL_FITTING, Fitting, Resize, checked_resize, resized
from issun.datasets.table import ENDINGS, load_table
from issun.datasets.test_part import Test, part_note, set_aside, share_wanted
from issun.datasets.tree import Tree, readable
from issun.datasets.wanted import Size, Wanted, one_input, wanted_inputs
from issun.datasets.white_level import NOMINAL, checked_range
from issun.errors import DataError, DownloadError
from issun.events import OnProgress, Reading, ignored
from issun.paths import kind_of, shown

#: Images that are looked at together.
_BLOCK = 1024


def converted(dataset: Dataset, size: tuple[int, int] | None, gray: bool | None, resize: Resize = "crop", enlarge: bool = False) -> Dataset:
    """Return a data set with images of another size, or with other channels, as `issun.datasets.named.load_folder` reads files.

    Parameters
    ----------
    dataset : Dataset
    size : (int, int), optional
        Height and width; default: as the images are.
    gray : bool, optional
        True for one channel, False for three; default: grey where red, green and blue are equal in all pixels of all images, else as the
        images are.
    resize : Resize
        What is done with images of another shape.
    enlarge : bool
        Whether `size` may be larger than the images.

    Raises
    ------
    DataError
        Where channels are neither grey nor red, green and blue, and `gray` is given; where the size is larger than the images, and that
        is not allowed; where there is not enough memory.
    """
    height, width, channels = dataset.input
    if gray is not None and channels not in (1, 3):
        option = "--gray" if gray else "--rgb"
        raise DataError(
            f"{option} requires images of 1 channel (grey) or 3 (red, green, blue), but those of {dataset.name} have {channels}"
        )
    parts = [dataset.images, dataset.test_images]
    count = sum(map(len, parts))
    dataset = dataclasses.replace(dataset, fitting=Fitting(resize))
    (new_height, new_width), notes = common_size([(height, width)], size, resize, keep=True)
    notes += enlarged_notes({(height, width): count}, (new_height, new_width), resize, enlarge, dataset.name)
    wanted = channels if gray is None else 1 if gray else 3
    if (channels == 3 and wanted != 3) or (channels == 3 and gray is None and all(map(_all_grey, parts))):
        wanted = 1
        grey = count if gray is None else sum(map(_count_grey, parts))
        notes += colour_notes(grey, count, 1, grey)
    elif channels == 1 and wanted == 3:
        notes += colour_notes(count, count, 3, 0)
    if (new_height, new_width, wanted) == dataset.input:
        return dataset
    check_memory(f"{dataset.name}, at {new_height}x{new_width},", count * new_height * new_width * wanted)
    images, test_images = (_converted(part, (new_height, new_width, wanted), resize) for part in parts)
    return dataclasses.replace(dataset, images=images, test_images=test_images, notes=(*dataset.notes, *notes))


def _converted(images: NDArray[np.uint8], shape: tuple[int, int, int], resize: Resize) -> NDArray[np.uint8]:
    height, width, channels = shape
    changed = np.empty((len(images), height, width, channels), np.uint8)
    for image, place in zip(images, changed, strict=True):
        bands = [Image.fromarray(image[..., band]) for band in range(image.shape[2])]
        if len(bands) == 3 and channels == 1:
            bands = [Image.merge("RGB", bands).convert("L")]  # before it is resized, as a file's
        for band, picture in enumerate(bands):
            place[..., band] = np.asarray(resized(picture, height, width, resize))
        place[..., len(bands) :] = place[..., :1]
    return changed


def _grey(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each image whether red, green and blue are equal throughout."""
    return np.asarray((images[..., 1:] == images[..., :1]).all(axis=(1, 2, 3)))


def _count_grey(images: NDArray[np.uint8]) -> int:
    return sum(int(np.count_nonzero(_grey(images[start : start + _BLOCK]))) for start in range(0, len(images), _BLOCK))


def _all_grey(images: NDArray[np.uint8]) -> bool:
    few = images[:8]  # most images with colours show them at once
    return bool(_grey(few).all()) and all(bool(_grey(images[start : start + _BLOCK]).all()) for start in range(0, len(images), _BLOCK))


def load_folder(
    path: Path,
    name: str,
    wanted: Sequence[Wanted] = (Wanted(),),
    *,
    strict: bool = False,
    groups: str | None = None,
    range: float | None = None,
    test: Test | None = None,
    resize: str | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Dataset]:
    """Read a folder that has a subfolder of images for each class, or such folders for training and test in it.

    Files are told by their content: PNG, JPEG, BMP, GIF, WebP, TIFF, PPM and PGM; AVIF where Pillow reads it, HEIC where pillow-heif is
    installed. Images are turned upright, transparent parts become white, more than 8 bits are scaled to 8, animations give their first
    frame. Where sizes differ, images are resized (bilinear, with antialiasing), those of another shape as `resize` says. Classes are in
    the natural order of their names.

    Parameters
    ----------
    path : Path
        Subfolders of a class's folder belong to the class. Parts that are there (``train``, ``val``, ``test`` and other usual names) are
        used as what they are called: a validation part is what is chosen on, never the test part. Where there is no test part, a fixed
        stratified fifth of the training images becomes one.
    name : str
        What the data set is called.
    wanted : sequence of Wanted
        The sizes and colours that images get, in each of which the data set is returned. By default they are as the images are, where all
        are of one size of at most 64x64, else a square of their middle (median) shorter side, at most 32x32; and grey where all files
        are, those with equal red, green and blue throughout among them. A size that is larger than most images is refused, unless they
        may be enlarged. By default a JPEG that is at least four times as high and wide as wanted is decoded at a half, a quarter or an
        eighth of its size, still at least twice the wanted one; older versions of issun decoded all of them whole.
    strict : bool
        Refuse a folder with images that cannot be read, instead of leaving them out.
    groups : str, optional
        A regular expression that is searched in each file's path below the folder of its class; what its first group finds (all that it
        finds, where it has no groups) names the group that the image belongs to, in whatever class. Images of one group are never on
        both sides of a split that issun makes; one without a match is a group of its own. Parts that are there are not changed. With
        ``day`` photographs that were taken on one day are a group (EXIF: DateTimeOriginal, else DateTime).
    range : float, optional
        The number that is white in files of more than 8 bits (4095 for 12 bits). By default whole numbers up to 255 in the whole data set
        stay as they are; of larger ones, 65535 is white in files of 16 bits without a sign, and others are refused, as are
        floating-point numbers.
    test : float or str, optional
        The test part: a share of the images (0.2) that is set aside by class, groups undivided; 0 or ``"none"`` for none; ``"given"`` for
        that of the data alone. Default: that of the data where it has one, else 0.2.
    resize : str, optional
        How an image of another shape is resized: ``crop`` (its middle; the default), ``pad`` (all of it between black bars) or
        ``stretch`` (all of it, distorted).
    on_progress : callable, optional
        Called from time to time with what is done (``reading`` or ``decoding``), how many files are done, and of how many.

    Returns
    -------
    list of Dataset
        One for each of `wanted`. With `files`, `test_files`, `skipped`, `sizes`, `modes`, and with groups where they are asked for. Each
        file is decoded once for all of them (a JPEG once for each reduction). Decoded images are kept in the folder that
        ISSUN_IMAGE_CACHE names (``off``: nowhere), by default in that of ISSUN_CACHE or the platform's cache, and of those whose file has
        not changed since none is decoded again.

    Raises
    ------
    DataError
        Where the folder, or a class in it, holds no images that can be read, or the groups cannot be told or kept together.
    """
    return gathered(
        Tree(path),
        path,
        name,
        wanted,
        strict=strict,
        groups=groups,
        range=range,
        test=test,
        resize=resize,
        on_progress=on_progress,
    )


@dataclass(frozen=True)
class _Known:
    """What a named data set must look like, so that a wrong file under its name is noticed; `raw` is where torchvision keeps IDX files."""

    input: tuple[int, int, int]
    classes: tuple[str, ...]
    raw: str = ""


_DIGITS = tuple("0123456789")
_FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

_FILES = {
    "mnist": _Known((28, 28, 1), _DIGITS, "MNIST/raw"),
    "fashion-mnist": _Known((28, 28, 1), _FASHION, "FashionMNIST/raw"),
    "kmnist": _Known((28, 28, 1), _KUZUSHIJI, "KMNIST/raw"),
    "cifar10": _Known((32, 32, 3), cifar.CLASSES),
}

#: The names that `load` knows.
NAMES = ("digits", *_FILES)


def load(
    data: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    size: Size | None = None,
    color: str | None = None,
    gray: bool | None = None,
    enlarge: bool = False,
    strict: bool = False,
    groups: str | None = None,
    range: float | None = None,
    test: Test | None = None,
    resize: str | None = None,
    whole: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Load a data set by name or from a file.

    Parameters
    ----------
    data : str or PathLike
        ``digits`` (1,797 handwritten digits of 8x8 pixels that come with scikit-learn); ``mnist``, ``fashion-mnist``, ``kmnist`` or
        ``cifar10``, taken from `data_dir`, the folder of the environment variable ISSUN_DATA, or the Keras cache, whichever has it
        first, else downloaded once into issun's own cache (the folder ISSUN_CACHE, or the platform's default); or a path: of a
        folder with a subfolder for each class (see `issun.datasets.named.load_folder`), a ``.csv`` table of files and labels (see
        `issun.datasets.table.load_table`), an ``.npz`` archive (see `issun.datasets.npz.load_npz`), a folder of IDX files (see
        `issun.datasets.idx.load_idx`) or CIFAR-10's binary release (see `issun.datasets.cifar.load_cifar`).
    data_dir : str or PathLike, optional
        Folder to search first for named data sets: as ``<name>.npz``, as IDX files in ``<name>/`` (in `data_dir` itself where that is
        their folder's name, or their checksums match), as ``cifar-10-binary.tar.gz`` or its unpacked files.
    size : int, str or (int, int), optional
        Height and width of the images: ``24`` or ``"24x48"``, height first; default: see `issun.datasets.named.load_folder`. Images
        without files are resized in the same way; by default they are unchanged.
    color : {"gray", "rgb"}, optional
        The channels; default: grey where red, green and blue are equal throughout.
    gray : bool, optional
        The same: True for ``"gray"``, False for ``"rgb"``.
    enlarge : bool
        Allow a `size` that is larger than most of the images.
    strict, groups, on_progress : optional
        For image files: see `issun.datasets.named.load_folder`.
    whole : bool
        Decode every JPEG at its full size: see `issun.datasets.named.load_folder`.
    test : float or str, optional
        The test part: see `issun.datasets.named.load_folder`.
    resize : str, optional
        How images of another shape get the wanted size: see `issun.datasets.named.load_folder`.
    range : float, optional
        The white level of images of more than 8 bits: see `issun.datasets.named.load_folder`, `issun.datasets.npz.load_npz`.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        Where the name is unknown, the file is missing or cannot be used, the size is larger than the images, or the download fails.
    """
    wanted = one_input(size, color, gray, enlarge)._replace(whole=whole)
    return load_each(
        data, data_dir, [wanted], strict=strict, groups=groups, range=range, test=test, resize=resize, on_progress=on_progress
    )[0]


def load_each(
    data: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None,
    wanted: Sequence[Wanted],
    *,
    strict: bool = False,
    groups: str | None = None,
    range: float | None = None,
    test: Test | None = None,
    resize: str | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Dataset]:
    """Load a data set in each of several sizes and colours; its files are decoded once for all of them. Otherwise as of `load`."""
    if data_dir is not None and kind_of(data_dir, DataError) != "folder":
        raise DataError(f"--data-dir (={shown(data_dir)}) is not a directory")
    name, path = str(data), Path(data)
    kind = kind_of(path, DataError)
    is_array = name in NAMES or kind != "folder" or is_idx_folder(path) or cifar.is_cifar(path)
    is_table = name not in NAMES and path.suffix.lower() in ENDINGS and kind not in (None, "folder")
    if is_table or not is_array:
        read = load_table if is_table else load_folder
        return read(
            path,
            readable(name),
            wanted,
            strict=strict,
            groups=groups,
            range=range,
            test=test,
            resize=resize,
            on_progress=on_progress,
        )
    is_there = name in NAMES or kind is not None
    range = checked_range(range)
    if is_there and strict:
        raise DataError(f"--strict requires image files (a folder or a .csv table), but {name} has none: leave it out")
    if is_there and groups is not None:
        raise DataError(
            f"--groups requires image files (a folder or a .csv table), but the images of {name} have no file names: leave it out"
        )
    resize = checked_resize(resize)
    dataset = _array(name, path, data_dir, range, test)
    return [converted(dataset, one.size, one.gray, resize, one.enlarge) for one in wanted]


def _array(name: str, path: Path, data_dir: str | os.PathLike[str] | None, range: float | None, test: Test | None) -> Dataset:
    """Load images that are no files: those of a name, or of an archive or folder of arrays."""
    dataset = None  # of formats that have 8 bits
    if name == "digits":
        dataset = _digits(test)
    elif name in _FILES:
        dataset = _named(name, data_dir, test)
    elif is_idx_folder(path):
        dataset = load_idx(path, name, test)
    elif cifar.is_cifar(path):
        dataset = cifar.load_cifar(path, name)
        share_wanted(test, True, name)
    if dataset is not None:
        if range is None or dataset.range is not None:
            return dataset
        return dataclasses.replace(dataset, notes=(*dataset.notes, "The images have 8 bits: --range has no effect."))
    kind = kind_of(path, DataError)
    if kind is not None or path.suffix or len(path.parts) > 1 or name.endswith(("/", os.sep)):
        if kind is None:
            raise DataError(
                f"{path} does not exist; give the path of an .npz file, of a folder of IDX files, of a folder of images or of a "
                f".csv table of files and labels, or one of the names {', '.join(NAMES)}"
            )
        return load_npz(path, name, range, test)
    near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.5)
    question = f"; did you mean {near[0]}?" if near else "."
    raise DataError(f"unknown data set {name!r}{question} Choose from {', '.join(NAMES)}, or give the path of a file or folder")


def load_as(
    data: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None,
    shape: tuple[int, int, int],
    range: float | None,
    fitting: Fitting = USUAL_FITTING,
    *,
    groups: str | None = None,
    test: Test | None = None,
) -> Dataset:
    """Load a data set with the images that a study or a model has.

    Parameters
    ----------
    data, data_dir, groups, test
        As of `load`.
    shape : (int, int, int)
        Height, width and channels.
    range : float or None
        The number that is white in images of more than 8 bits.
    fitting : Fitting
        How pictures became the size of the images.

    Raises
    ------
    DataError
        As of `load`.
    """
    usual = None if range in (255, NOMINAL) else range  # with what the images say themselves they may be decoded already
    try:
        dataset = load(data, data_dir, groups=groups, range=usual, test=test, resize=fitting.resize)
        like = dataset.input == shape and (None in (dataset.range, range) or dataset.range == range)
        if like and not (dataset.fitting.reduced and not fitting.reduced):
            return dataset
    except DataError:
        if usual == range:
            raise
    height, width, channels = shape
    gray = {1: True, 3: False}.get(channels)
    wanted = Wanted((height, width), gray, enlarge=True, whole=not fitting.reduced)
    return load_each(data, data_dir, [wanted], groups=groups, range=range, test=test, resize=fitting.resize)[0]


class ImageOptions(TypedDict, total=False):
    """The options of `load` that every data set has, for functions that hand them on to it; each is left out, or None, where it is not
    given. Functions that take several sizes and colours take lists of them."""

    data_dir: str | os.PathLike[str] | None
    size: Size | Sequence[Size] | None
    color: str | Sequence[str] | None
    gray: bool | None
    enlarge: bool
    range: float | None
    test: Test | None
    resize: str | None


class ReadingOptions(ImageOptions, total=False):
    """Those, and the options of images that come as files."""

    strict: bool
    groups: str | None


def loaded(
    data: str | os.PathLike[str] | Dataset, on_progress: OnProgress = ignored, *, whole: bool = False, **options: Unpack[ReadingOptions]
) -> Dataset:
    """Return a data set as it is, or `load` it, and tell how far the reading is.

    Raises
    ------
    DataError
        As of `load`, and where a data set comes with options of loading, or with several sizes or colours.
    """
    if isinstance(data, Dataset):
        check_not_given(options, data)
        return data
    wanted, others = wanted_of(options)
    if len(wanted) > 1:
        one_input(options.get("size"), options.get("color"), options.get("gray"))
    return loaded_each(data, [wanted[0]._replace(whole=whole)], on_progress, others)[0]


def wanted_of(options: ReadingOptions) -> tuple[list[Wanted], ReadingOptions]:
    """Return the sizes and colours that options ask for, and the other options.

    Raises
    ------
    DataError
        As of `issun.datasets.wanted.wanted_inputs`.
    """
    others = {name: value for name, value in options.items() if name not in ("size", "color", "gray", "enlarge")}
    wanted = wanted_inputs(options.get("size"), options.get("color"), options.get("gray"), options.get("enlarge", False))
    return wanted, cast(ReadingOptions, others)


def loaded_each(data: str | os.PathLike[str], wanted: Sequence[Wanted], on_progress: OnProgress, others: ReadingOptions) -> list[Dataset]:
    """Return a data set in each size and colour that is wanted, see `load_each`, and tell how far the reading is."""
    return load_each(
        data,
        others.get("data_dir"),
        wanted,
        strict=others.get("strict", False),
        groups=others.get("groups"),
        range=others.get("range"),
        test=others.get("test"),
        resize=others.get("resize"),
        on_progress=lambda *far: on_progress(Reading(*far)),
    )


def check_not_given(options: ReadingOptions, dataset: Dataset) -> None:
    """Raise DataError where options of loading come with a data set that is loaded."""
    given = [name for name, value in options.items() if (value is not None and value is not False) or (name == "gray" and value is False)]
    if given:
        raise DataError(
            f"`{given[0]}` applies only when data is loaded, but {dataset.name} is already loaded; pass it to issun.load instead"
        )


def _named(name: str, data_dir: str | os.PathLike[str] | None, test: Test | None) -> Dataset:
    """Return a named data set: of the folders that may have it the first, else downloaded."""
    share_wanted(test, True, name)  # they all bring their test part
    folders = [Path(data_dir)] if data_dir is not None else []
    if os.environ.get("ISSUN_DATA"):
        folders.append(Path(os.environ["ISSUN_DATA"]))
    keras = os.environ.get("KERAS_HOME")
    folders.append((Path(keras) if keras else Path("~/.keras").expanduser()) / "datasets")
    for folder in folders:
        try:
            dataset = _local(name, folder)
        except OSError as error:  # a folder that may not be entered
            raise DataError(f"{folder} cannot be read: {error.strerror or error}") from None
        if dataset is not None:
            return dataset
    cache = cache_folder() / name
    try:
        files = download(name, SOURCES[name], cache)
    except DownloadError as error:
        looked = " or ".join(str(folder) for folder in folders)
        raise DataError(f"{name} was not found in {looked}, and {error}. {by_hand(name, SOURCES[name])}") from None
    return _checked(name, cache, cifar.load_cifar(files[0], name) if name == "cifar10" else load_idx(cache, name))


def _local(name: str, folder: Path) -> Dataset | None:
    """Return a named data set from a folder of local files, None where it is not there."""
    archive = folder / f"{name}.npz"
    if archive.is_file():
        return _checked(name, archive, load_npz(archive, name))
    if name == "cifar10":
        within = (Path(), Path(name))
        for path in (folder / top / end for top in within for end in (cifar.ARCHIVE, cifar.FOLDER, ".")):
            if cifar.is_cifar(path):
                return _checked(name, path, cifar.load_cifar(path, name))
        return None
    for path in (folder / name, folder / _FILES[name].raw, folder):
        # The files of all these sets have the same names: in a folder of another name only their content tells whose they are.
        if is_idx_folder(path) and (path != folder or folder.absolute().name == name or _recognised(name, folder)):
            return _checked(name, path, load_idx(path, name))
    return None


def _recognised(name: str, folder: Path) -> bool:
    """Whether the IDX files of a folder are, by their checksums, those of a named data set."""
    files = idx_files(folder)
    if len(files) < 4:
        return False
    for part, path in files.items():
        right = {md5 for file, md5 in SOURCES[name].files.items() if file.startswith(part)}
        right |= {MNIST_UNPACKED[part]} if name == "mnist" else set()
        try:
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "md5").hexdigest() not in right:
                    return False
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    return True


def _checked(name: str, path: Path, dataset: Dataset) -> Dataset:
    """Return a data set with its class names, after checking that it can be what it is called."""
    known = _FILES[name]
    if dataset.input != known.input or dataset.classes not in (_DIGITS, known.classes):
        held, wanted = ("x".join(map(str, shape)) for shape in (dataset.input, known.input))
        raise DataError(
            f"{path} is not {name}: it has {held} images of {len(dataset.classes)} classes, but {name} has {wanted} images with labels "
            f"0 to 9; to use the file anyway, give its path"
        )
    return dataclasses.replace(dataset, classes=known.classes)


def _digits(wanted: Test | None) -> Dataset:
    """Return scikit-learn's digits (Alpaydin & Kaynak 1998): whole numbers from 0 to 16, here rescaled to 0 to 255."""
    from sklearn.datasets import load_digits  # here, because it takes longer to import than all of issun

    bundle = load_digits()
    images = np.rint(bundle.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = bundle.target.astype(np.int32)
    classes = tuple(str(name) for name in bundle.target_names)
    share = share_wanted(wanted, False, "digits")
    test = set_aside(share, labels, classes)
    train = np.setdiff1d(np.arange(len(labels)), test)
    notes = ("Values from 0 to 16 were rescaled to 0 to 255.", part_note(len(test), share))
    taken = (images[train], labels[train], images[test], labels[test])
    return Dataset("digits", *taken, classes, "scikit-learn", notes, given_test=False, test_share=share)
