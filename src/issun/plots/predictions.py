"""What a model says of pictures, as it stands in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from issun.datasets.skipped import Reason, unread_formats
from issun.numbers import counted, percent
from issun.plots.classes import classes_table, confusion_table, pairs_table
from issun.plots.lines import Printable, Whole
from issun.plots.tables import plain_table
from issun.predicting.prediction import Prediction
from issun.study.per_class import class_report, confused_pairs

#: Problems, and images of classes that the model does not know, that are named one by one; classes that are.
_IMAGES, _NAMES = 20, 12


def warnings_of(said: Prediction) -> Iterator[str]:
    """Yield what could not be asked about."""
    yield from unread_formats((problem.image, problem.why, problem.detail) for problem in said.problems if problem.why)
    problems = [problem for problem in said.problems if problem.why is not Reason.UNREAD_FORMAT]
    for problem in problems[:_IMAGES]:
        yield f"{problem.image} {problem.reason}"
    if len(problems) > _IMAGES:
        yield f"… and {len(problems) - _IMAGES:,} more that cannot be read"
    if said.unknown:
        names = _listed([f"{name!r} ({counted(count, 'image')})" for name, count in said.unknown.items()])
        yield f"the model has no class {names}; its classes are {_listed(said.model.classes)}. Images of other classes are not counted"


def _listed(names: Sequence[str]) -> str:
    """Return names with commas between them; of many the first and how many there are."""
    return ", ".join(names[:_NAMES]) + (f", … ({len(names):,} in all)" if len(names) > _NAMES else "")


def prediction_lines(said: Prediction) -> Iterator[Printable]:
    """Yield how often the answers are right, where the classes are known, else the answers."""
    if said.changes:
        done = {"invert": "brightness was inverted (--invert)", "fit": "the foreground was centred and scaled (--fit)"}
        yield Whole(f"In every image {' and '.join(done[change] for change in said.changes)}.")
    if said.accuracy is not None:
        yield from _accuracy(said)
    rest = [place for place in range(len(said.images)) if said.labels is None or said.labels[place] < 0]
    if not rest:
        return
    shown = rest if said.accuracy is None else rest[:_IMAGES]
    if said.accuracy is not None:
        yield "\nImages that are not counted:"
    yield _answers(said, shown)
    if len(shown) < len(rest):
        yield f"… and {len(rest) - len(shown):,} more; use --json for all."


def _accuracy(said: Prediction) -> Iterator[Printable]:
    assert said.accuracy is not None
    assert said.confusion is not None
    assert said.interval is not None
    count, right = int(said.confusion.sum()), int(said.confusion.trace())
    low, high = said.interval
    yield f"Accuracy {percent(said.accuracy)} ({right:,} of {count:,} images), 95 % interval {percent(low)} to {percent(high)}"
    if said.absent:
        yield Whole(f"No image of {_listed(said.absent)}.")
    yield ""
    names = said.model.classes
    report = class_report(said.confusion, names)
    yield classes_table(report[(report["support"] > 0) | (report["given"] > 0)])
    yield ""
    table = confusion_table(said.confusion, names)
    if table is not None:
        yield "True class by row, predicted class by column:"
        yield table
    elif count > right:
        yield "Most frequent confusions (use --json for the whole matrix):"
        yield pairs_table(confused_pairs(said.confusion, names))


def _answers(said: Prediction, places: Sequence[int]) -> Table:
    """Return the most probable classes of some images."""
    marked = bool(said.unlike[places].any())
    table = plain_table("image", "class", "probability", *([""] if marked else []), left=["image", "class", ""])
    for place in places:
        for rank, (index, probability) in enumerate(zip(said.ranked[place], said.probabilities[place], strict=True)):
            mark = ["unlike training" if said.unlike[place] and not rank else ""] if marked else []
            words = (Text("" if rank else said.images[place]), Text(said.model.classes[index]), f"{100 * probability:.1f} %")
            table.add_row(*words, *mark, style="dim" if rank else "")
    return table
