"""`issun predict`: what a saved model says of pictures, and how often it is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options

#: Problems, and images of classes that the model does not know, that are named one by one; classes that are.
_PROBLEMS, _NAMES = 20, 12


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's file, as train writes it.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE…",
            help="Pictures (PNG, JPEG, GIF, BMP, WebP, TIFF or PPM); a folder of them, or one with a subfolder for each class; a .csv of "
            "files and labels; an .npz file or a name, of which the test part is asked about.",
        ),
    ],
    invert: Annotated[bool, typer.Option("--invert", help="Exchange dark and bright.")] = False,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Centre and scale what stands out of each picture's ground, as the training images have it."),
    ] = False,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many classes to print for each picture; default: 3, in folders 1.")
    ] = None,
    range: options.Range = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Print the most probable classes of pictures, and of a folder with a subfolder for each class how often they are right.

    Pictures that cannot be read are named; those that are unlike what the model was trained on are warned of.
    """
    from issun.cli.output import tell
    from issun.cli.progress import Shown
    from issun.events import Reading
    from issun.predicting.prediction import predict

    own: dict[str, Any] = {"invert": invert, "fit": fit, "top": top, "range": range, "threads": threads}
    with Shown() as show:
        said = predict(model, images, on_progress=lambda done, total: show(Reading("reading", done, total)), **own)
    _warn(said)
    tell(said, as_json, _print)
    if said.problems:
        raise typer.Exit(1)


def _warn(said: Any) -> None:
    """Say what could not be asked about, and what to be careful with."""
    from issun.cli.output import remark_on, warn
    from issun.numbers import counted

    for problem in said.problems[:_PROBLEMS]:
        warn(f"{problem.image} {problem.reason}")
    if len(said.problems) > _PROBLEMS:
        warn(f"… and {len(said.problems) - _PROBLEMS:,} more that cannot be read")
    if said.unknown:
        names = _listed([f"{name!r} ({counted(count, 'image')})" for name, count in said.unknown.items()])
        warn(f"the model knows no class {names}; its classes are {_listed(said.model.classes)}. What it does not know counts in no figure")
    for note in said.notes:
        remark_on(note)
    if said.doubt is not None and not said.doubt.by_chance:
        warn(str(said.doubt))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES]) + (f", … ({len(names):,} in all)" if len(names) > _NAMES else "")


def _print(console: Console, said: Any) -> None:
    """Print how often the answers are right, where the classes are known, else the answers."""
    if said.changes:
        done = {"invert": "dark and bright were exchanged (--invert)", "fit": "what stands out was centred and scaled (--fit)"}
        console.print(f"In every image {' and '.join(done[change] for change in said.changes)}.", soft_wrap=True)
    if said.accuracy is not None:
        _print_accuracy(console, said)
    rest = [place for place in range(len(said.images)) if said.labels is None or said.labels[place] < 0]
    if not rest:
        return
    shown = rest if said.accuracy is None else rest[:_PROBLEMS]
    if said.accuracy is not None:
        console.print("\nImages that count in no figure:")
    _print_answers(console, said, shown)
    if len(shown) < len(rest):
        console.print(f"… and {len(rest) - len(shown):,} more; --json has all of them.")


def _print_accuracy(console: Console, said: Any) -> None:
    from issun.numbers import percent
    from issun.plots.classes import classes_table, confusion_table, pairs_table
    from issun.study.per_class import class_report, confused_pairs

    count, right = int(said.confusion.sum()), int(said.confusion.trace())
    low, high = said.interval
    console.print(f"Accuracy {percent(said.accuracy)} ({right:,} of {count:,} images), 95 % interval {percent(low)} to {percent(high)}")
    if said.absent:
        console.print(f"No image of {_listed(said.absent)}.", soft_wrap=True)
    console.print()
    names = said.model.classes
    report = class_report(said.confusion, names)
    console.print(classes_table(report[(report["support"] > 0) | (report["given"] > 0)]))
    console.print()
    table = confusion_table(said.confusion, names)
    if table is not None:
        console.print("True class by row, answer by column:")
        console.print(table)
    elif count > right:
        console.print("Classes taken for each other most often (the whole matrix is in --json):")
        console.print(pairs_table(confused_pairs(said.confusion, names)))


def _print_answers(console: Console, said: Any, places: Sequence[int]) -> None:
    """Print the most probable classes of some images."""
    from rich.text import Text

    from issun.plots.tables import plain_table

    marked = bool(said.unlike[places].any())
    table = plain_table("image", "class", "probability", *([""] if marked else []), left=["image", "class", ""])
    for place in places:
        for rank, (index, probability) in enumerate(zip(said.ranked[place], said.probabilities[place], strict=True)):
            mark = ["unlike training" if said.unlike[place] and not rank else ""] if marked else []
            words = (Text("" if rank else said.images[place]), Text(said.model.classes[index]), f"{100 * probability:.1f} %")
            table.add_row(*words, *mark, style="dim" if rank else "")
    console.print(table)
