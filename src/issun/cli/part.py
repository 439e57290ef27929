"""What `issun run` does with the parts of a study file: it says what they would do, or trains them and prints what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from issun.cli.diagnoses import print_diagnoses
from issun.cli.drawing import draw
from issun.cli.dry_run import dry_run_facts, plan_text, print_dry_run
from issun.cli.output import print_json, remark_on, results, shown
from issun.cli.progress import HeadView, SweepView
from issun.cli.report import check_answer, print_tables
from issun.cli.study_heads import print_heads
from issun.errors import StudyError
from issun.extraction.comparing import SourceProgress
from issun.paths import check_new, kind_of
from issun.study import Query
from issun.study.entry import with_trials
from issun.study.heads import run_heads
from issun.study.parts import PreparedPart, run_part
from issun.study.summary import Summary, summarize, write_summaries


def describe(parts: Sequence[PreparedPart], folder: Path, threads: int | None, as_json: bool) -> None:
    """Print what running the parts into a folder would do."""
    found = {}
    for part in parts:
        facts = dry_run_facts(part.plan, part.dataset, folder / part.file_name, threads, part.labels)
        found[part.part.name] = facts | {"mark": part.part.mark, "left_out": part.left_out}
        found[part.part.name]["heads"] = [wish.title for entry in part.part.heads for wish in entry.wishes]
        if not as_json:
            _print_head(part)
            print_dry_run(part.plan, facts)
            if part.part.heads:
                names = "; ".join(wish.title for entry in part.part.heads for wish in entry.wishes)
                results().print(f"then heads on features: {names}", soft_wrap=True)
            results().print()
    if as_json:
        print_json({"parts": found})


def train_and_tell(
    parts: Sequence[PreparedPart],
    folder: Path,
    command: str,
    query: Query,
    *,
    threads: int | None,
    everything: bool,
    plot: bool,
    summary: Path | None = None,
    as_json: bool,
) -> None:
    """Train the parts one after the other, each into its study, and print and draw what was found.

    Parameters
    ----------
    query : Query
        What is asked; for all that it leaves open, what the parts ask.
    summary : Path, optional
        Where to write what the parts found as plain data.

    Raises
    ------
    SelectionError
        Where all networks of a part diverged.
    StudyError
        Where the folder or a study cannot be written.
    """
    kind_of(folder, StudyError, "made")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"--output (={folder}) cannot be made ({error.strerror}): give another folder") from None
    if summary is not None:
        check_new(summary, option="--summary")
    found: dict[str, Any] = {}
    summaries: dict[str, Summary] = {}
    for part in parts:
        if not as_json:
            _print_head(part)
        for remark in (*part.dataset.notes, *(f"left out: {problem.reason}" for problem in part.plan.infeasible), plan_text(part.plan)):
            remark_on(remark)
        with SweepView() as view:
            study = run_part(part, folder / part.file_name, threads=threads, on_progress=view, command=command)
        with HeadView() as heads_view:
            run_heads(part, study.path, threads=threads, report=lambda about, moment: heads_view(SourceProgress(about, moment)))
        # Heads were added since. The file may have asked for something else before, into the same study: what is shown is what it asks now.
        study.refresh()
        asked = {trial.id for trial in part.plan.trials}
        held = {entry.label for entry in with_trials(study.entries, asked)}
        order = [label for label in part.order if label in held]
        answer = study.answer(query.or_else(part.part.query), trials=asked, families=order)
        check_answer(answer)
        # The best network of each family: what its curves say is what one wants to know next.
        best = answer.best_of_families
        if not as_json:
            print_tables(answer, everything)
            print_diagnoses(results(), study, best)
            print_heads(results(), study)
        pictures = draw(answer, part.part.draw, part.dataset) if plot else []
        if not as_json:
            _print_places(study.path, pictures)
        if summary is not None:
            summaries[part.part.name] = summarize(study)
            write_summaries(summary, summaries)
        if as_json:
            found[part.part.name] = answer.as_dict(best) | {"pictures": pictures, "left_out": part.left_out}
    if as_json:
        print_json({"parts": found})


def _print_head(part: PreparedPart) -> None:
    """Print which part follows, and what `--quick` leaves out of it."""
    console = results()
    console.print(f"{part.protocol['title']}: {part.part.name}", style="bold", soft_wrap=True)
    if part.left_out:
        console.print("Quick: this shows that all of it works; its figures say nothing. Left out:", soft_wrap=True)
        for line in part.left_out:
            console.print(f"  {line}", soft_wrap=True)
    console.print()


def _print_places(study: Path, pictures: Sequence[Path]) -> None:
    console = results()
    console.print()
    if pictures:
        console.print(f"Pictures  {', '.join(shown(picture) for picture in pictures)}", soft_wrap=True)
    console.print(f"Study     {shown(study)}", soft_wrap=True)
    console.print()
