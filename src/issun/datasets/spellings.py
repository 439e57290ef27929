"""What are images and labels usually called in an ``.npz`` archive?"""

from __future__ import annotations

from pathlib import Path

from issun.errors import DataError

#: What the arrays may be called: images, labels, and those of the test part; the first that an archive has counts.
SPELLINGS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "y", "x_test", "y_test"),
    ("X", "y", "X_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
    ("images", "target", "test_images", "test_target"),
    ("data", "target", "test_data", "test_target"),
)

#: What images and labels of a validation part may be called; the first that an archive has count.
VALIDATION = tuple(
    names
    for part in ("val", "valid", "validation")
    for names in ((f"x_{part}", f"y_{part}"), (f"X_{part}", f"y_{part}"), (f"{part}_images", f"{part}_labels"))
)


def spelling(path: Path, keys: set[str]) -> tuple[tuple[str, str], tuple[str, str] | None]:
    """Return what the arrays of an archive are called.

    Parameters
    ----------
    path : Path
        The archive, for the error.
    keys : set of str
        The names of all its arrays.

    Returns
    -------
    training : tuple of str
        The names of images and labels.
    test : tuple of str or None
        Those of its test part, where it has one.

    Raises
    ------
    DataError
        Where no usual pair of names is there, or half a test part.
    """
    for x, y, x_test, y_test in SPELLINGS:
        test = {x_test, y_test} & keys
        if {x, y} <= keys and len(test) != 1:
            return (x, y), (x_test, y_test) if test else None
    raise DataError(
        f"{path} must hold the arrays x, y or x_train, y_train, x_test, y_test (or the like: images, labels; train_images, train_labels, "
        f"test_images, test_labels); it holds {listed(keys)}"
    )


def validation_spelling(keys: set[str]) -> tuple[str, str] | None:
    """Return what images and labels of the validation part are called, None where there is none."""
    return next((names for names in VALIDATION if set(names) <= keys), None)


def listed(keys: set[str]) -> str:
    """Return names of arrays for a message, in one line whatever they are."""
    names = ["".join(sign if sign.isprintable() else "�" for sign in key[:60]) for key in sorted(keys)[:12]]
    return ", ".join(names) + ", …" * (len(keys) > 12) or "nothing"
