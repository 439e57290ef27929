"""What `issun run` does with the parts of a study file: it says what they would do, or trains them and prints what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from issun.cli.diagnoses import diagnoses, print_diagnoses
from issun.cli.drawing import draw
from issun.cli.dry_run import dry_run_facts, plan_text, print_dry_run
from issun.cli.output import print_json, remark_on, results, shown
from issun.cli.progress import HeadView, SweepView
from issun.cli.report import Report, Wishes
from issun.cli.study_heads import heads_json, print_heads
from issun.errors import StudyError
from issun.extraction.comparing import SourceProgress
from issun.paths import kind_of
from issun.study.frontier import networks_frame
from issun.study.heads import run_heads
from issun.study.parts import PreparedPart, run_part


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
    *,
    threads: int | None,
    everything: bool,
    plot: bool,
    as_json: bool,
) -> None:
    """Train the parts one after the other, each into its study, and print and draw what was found.

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
    found: dict[str, Any] = {}
    for part in parts:
        if not as_json:
            _print_head(part)
        for remark in (*part.dataset.notes, *(f"left out: {problem.reason}" for problem in part.plan.infeasible), plan_text(part.plan)):
            remark_on(remark)
        with SweepView() as view:
            study = run_part(part, folder / part.file_name, threads=threads, on_progress=view, command=command)
        with HeadView() as heads_view:
            run_heads(part, study.path, threads=threads, report=lambda about, moment: heads_view(SourceProgress(about, moment)))
        trials = study.frame
        # The file may have asked for something else before, into the same study: what is shown is what it asks for now.
        asked = trials["trial_id"].isin({trial.id for trial in part.plan.trials})
        networks = networks_frame(trials[asked])
        labels = [label for label in part.order if label in set(networks["label"])]
        report = Report(study, networks, Wishes(part.part.target, part.part.max_params, part.part.max_macs), labels)
        # The best network of each family: what its curves say is what one wants to know next.
        best = networks.sort_values("validation", ascending=False, kind="stable").drop_duplicates("label").sort_index()
        if not as_json:
            report.print_tables(everything)
            print_diagnoses(results(), study, best)
            print_heads(results(), study)
        pictures = draw(report, part.part.draw, part.dataset) if plot else []
        if not as_json:
            _print_places(study.path, pictures)
        found[part.part.name] = report.as_json() | {
            "diagnoses": diagnoses(study, best),
            "heads": heads_json(study),
            "pictures": pictures,
            "left_out": part.left_out,
        }
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
