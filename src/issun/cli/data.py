"""`issun data`: what is in a data set?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options


def data(
    data: options.Data,
    data_dir: options.DataDir = None,
    size: options.Size = None,
    gray: options.Gray = None,
    strict: options.Strict = False,
    groups: options.Groups = None,
    white: options.Range = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Draw a hundred images with their labels to this file: .png, .svg or .pdf.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment",
            help='Draw what training would see with "shift 2, flip, rotate 10", not the sample sheet; to augmented.png '
            "unless --sheet names a file.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print what a data set holds: images of each class, sizes, what could not be read, copies; and a sweep to begin with."""
    from issun.cli.contents import print_contents
    from issun.cli.loading import loaded
    from issun.cli.output import print_json, remark_on
    from issun.cli.report import shown
    from issun.datasets.contents import contents
    from issun.errors import IssunError
    from issun.paths import check_new

    if augment is not None:
        from issun.augmentation import Augmentation

        augmentation = Augmentation.parse(augment)
        sheet = sheet or Path("augmented.png")
    if sheet is not None:
        from issun.plots.style import FORMATS

        if sheet.suffix.lower() not in FORMATS:
            raise IssunError(f"--sheet (={sheet}) must end in {', '.join(FORMATS)}")
        check_new(sheet, option="--sheet")
    dataset = loaded(data, data_dir, size, gray, strict, groups, white)
    if sheet is not None:
        from issun.plots.augmented import augmented_figure
        from issun.plots.samples import samples_figure
        from issun.plots.style import save_figure

        figure = samples_figure(dataset) if augment is None else augmented_figure(dataset, augmentation)
        save_figure(figure, sheet)
        remark_on(f"Sheet  {shown(sheet.absolute())}")
    words = [] if data_dir is None else ["--data-dir", str(data_dir)]
    words += [] if size is None else ["--size", size]
    words += [] if gray is None else ["--gray" if gray else "--rgb"]
    words += ["--strict"] if strict else []
    words += [] if groups is None else ["--groups", groups]
    facts = contents(dataset, options=words)
    if as_json:
        print_json(facts.as_dict() | {"augment": None if augment is None else str(augmentation), "sheet": sheet})
    else:
        print_contents(facts)
