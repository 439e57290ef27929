"""How does a study look in a notebook? Its frontier as a table, and what it rests on."""

from __future__ import annotations

from issun.errors import SelectionError
from issun.markup import block, paragraph, table
from issun.numbers import counted, knobs_text, mean_text, percent, seeds_text
from issun.study.frontier import frontier, smallest
from issun.study.reading import Readable

#: Networks of a frontier that are listed; of more the largest.
MOST = 30


def study_html(study: Readable) -> str:
    """Return a study's frontier as HTML; a study that is still empty says so."""
    about, networks = study.about, study.networks
    mark = str((about["protocol"] or {}).get("mark", ""))
    trials = counted(sum(about["trials"].values()), "trial")
    head = [paragraph(f"{study.path.name}: {trials} on {about['data']}")] + ([paragraph(mark)] if mark else [])
    try:
        answer = smallest(networks)
    except SelectionError as error:
        return block(*head, paragraph(f"{error}", pale=True))
    rows = frontier(networks)
    lines = [
        (
            *(row["network"], knobs_text(row["knobs"]), f"{row['parameters']:,}", mean_text(row["validation"], row["validation_sd"])),
            *(percent(row["lower"]), seeds_text(row["seeds"], row["chance"], row["diverged"]) or row["seeds"]),
        )
        for _, row in rows.tail(MOST).iterrows()
    ]
    return block(
        *head,
        table(("frontier", "", "parameters", "validation", "lower bound", "seeds"), lines, left=2),
        paragraph(f"{len(rows) - MOST:,} smaller networks of the frontier are not listed", pale=True) if len(rows) > MOST else "",
        paragraph(f"smallest within 1 % of the best: {answer['network']} with {answer['parameters']:,} parameters", pale=True),
    )
