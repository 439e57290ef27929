"""Classifiers on features, as the report tells of them."""

from __future__ import annotations

from typing import Any

from issun.extraction.comparing import summary
from issun.study import Study
from issun.study.head_tables import heads_frame
from issun.webpage.rounding import fraction


def heads(study: Study) -> list[dict[str, Any]] | None:
    """Return one record for each extractor, layer and head, means over draws; None where the study has no heads.

    ``extractor, layer, head, draws, features, parameters, trained, validation, test`` (``{"mean", "sd"}``; the test figure of the head
    with the best validation of its extractor, else None)``, seconds, problem``. The network's own softmax stands among them.
    """
    frame = heads_frame(study)
    if frame.empty:
        return None
    table = summary(frame)
    best = set(table.groupby(["extractor", "layer"], sort=False)["validation"].idxmax())
    records = []
    for place, row in table.iterrows():
        figures = {name: {"mean": fraction(row[name]), "sd": fraction(row[f"{name}_sd"])} for name in ("validation", "test")}
        records.append(
            {name: str(row[name]) for name in ("extractor", "layer", "head")}
            | {name: int(row[name]) for name in ("draws", "features", "parameters", "trained")}
            | {"validation": figures["validation"], "test": figures["test"] if place in best else None}
            | {"seconds": round(float(row["seconds"]), 1)}
            | ({"problem": str(row["problem"])} if row["problem"] else {})
        )
    return records
