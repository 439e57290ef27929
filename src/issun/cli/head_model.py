"""The head that is kept: saved as a model, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from issun.cli.report import shown
from issun.datasets.dataset import Dataset, Split
from issun.errors import IssunError
from issun.extraction.as_model import BestLinear
from issun.numbers import percent


def saved_head(kept: BestLinear, output: Path, dataset: Dataset, split: Split) -> list[str] | IssunError:
    """Save the best linear head and return the lines that tell of it; or why it cannot be, to be told below the table of all heads."""
    try:
        model = kept.model(dataset, split)
        model.save(output)
    except IssunError as error:
        return error
    assert kept.best is not None
    source, _, result = kept.best
    figures = f"validation {percent(result.validation)}, test {percent(result.test)}"
    lines = (f"{source.label}, seed {source.draw}, {result.wish.title}: {figures}", str(model.net))
    return [f"Model  {shown(output.absolute())}", *(f"       {line}" for line in lines)]
