"""`issun data`: what is in a data set?"""

from __future__ import annotations

from issun.cli import options


def data(
    data: options.Data,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Print how many images of each class a data set holds, and their shape."""
    import numpy as np
    from rich.text import Text

    from issun.arch.layers import shape_text
    from issun.cli.output import print_json, results
    from issun.data.named import load
    from issun.show.tables import plain_table

    dataset = load(data, data_dir)
    parts = {
        "train": np.bincount(dataset.labels, minlength=len(dataset.classes)),
        "test": np.bincount(dataset.test_labels, minlength=len(dataset.classes)),
    }
    if as_json:
        counts = [{"class": name, **{part: count[index] for part, count in parts.items()}} for index, name in enumerate(dataset.classes)]
        facts = {"data": dataset.name, "source": dataset.source, "input": dataset.input, "fingerprint": dataset.fingerprint}
        print_json(facts | {"classes": counts, "notes": dataset.notes})
        return
    console = results()
    table = plain_table("class", *parts, left=["class"])
    for index, name in enumerate(dataset.classes):
        table.add_row(Text(name), *(f"{count[index]:,}" for count in parts.values()))
    table.add_section()
    table.add_row("all", *(f"{count.sum():,}" for count in parts.values()), style="bold")
    console.print(f"{dataset.name}: {shape_text(dataset.input)} images of {len(dataset.classes)} classes, from {dataset.source}")
    console.print()
    console.print(table)
    for note in dataset.notes:
        console.print(note)
