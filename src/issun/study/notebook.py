"""A study in a notebook: its frontier as a table, and what it rests on."""

from __future__ import annotations

from issun.markup import block, paragraph, table
from issun.numbers import counted, knobs_text, mean_text, percent, seeds_text
from issun.study.answer import Answer

#: Networks of a frontier that are listed; of more the largest.
MOST = 30


def study_html(answer: Answer) -> str:
    """Return a study's frontier as HTML; a study in which nothing can be chosen says so.

    Parameters
    ----------
    answer : Answer
        To the query that asks for nothing.
    """
    study = answer.study
    about = study.about
    trials = counted(sum(about["trials"].values()), "trial")
    head = [paragraph(f"{study.path.name}: {trials} on {about['data']}")] + ([paragraph(study.mark)] if study.mark else [])
    smallest = answer.smallest.entry
    if smallest is None:
        return block(*head, paragraph(answer.smallest.problem, pale=True))
    lines = [
        (
            *(entry.network, knobs_text(entry.knobs), f"{entry.parameters:,}", mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)),
            *(percent(entry.val_accuracy_lower95), seeds_text(entry.seeds, entry.chance, entry.diverged) or entry.seeds),
        )
        for entry in answer.frontier[-MOST:]
    ]
    hidden = len(answer.frontier) - len(lines)
    return block(
        *head,
        table(("frontier", "", "parameters", "validation", "lower bound", "seeds"), lines, left=2),
        paragraph(f"{hidden:,} smaller networks of the frontier are not listed", pale=True) if hidden else "",
        paragraph(f"smallest within 1 % of the best: {smallest.network} with {smallest.parameters:,} parameters", pale=True),
    )
