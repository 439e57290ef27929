"""Write `docs/studies.md` and its pictures from what `collect.py` kept: `python studies/page.py`

Reads the study files (question, what the original found), `studies/results`, and `studies/words`: figures of the originals, and what one
learns. What Keras takes comes from `studies/results/keras.json`, which `keras_epochs.py` writes; what Keras says of the replicas that
surprise from `keras_replicas.json`, which `keras_replicas.py` writes.

Nothing is read from the studies themselves, and nothing is trained. `--text` prints the page and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kept import Result, read_results
from pictures import picture_names, pictures
from second_opinion import second_opinion
from tables import (
    ORDER,
    at_a_glance,
    confusions,
    curves_in_words,
    figures,
    heads_table,
    networks_table,
    parts_of,
    place_and_time,
    smallest_table,
    times,
    untrained,
    where_they_sit,
)

STUDIES = Path(__file__).resolve().parent
PAGE = STUDIES.parent / "docs" / "studies.md"

#: Accuracies at which the smallest network of each family is told, where a study asks how small it can be.
LEVELS = {"shrink": (0.97, 0.98, 0.99)}


def section(study: str, results: dict[tuple[str, str], Result], folder: Path, words: Path) -> Iterator[str]:
    """Yield all that the page says of one study; `results` were read from `folder`."""
    file = tomllib.loads((STUDIES / f"{study}.toml").read_text())
    originals = tomllib.loads((words / "originals.toml").read_text())[study]
    learned = tomllib.loads((words / "learned.toml").read_text()).get(study)
    yield from (f"## {file['title']}", "", f"`issun run studies/{study}.toml`", "", " ".join(file["question"].split()), "")
    yield from (f"**The original found:** {' '.join(file['found'].split())}", "")
    yield from figures(study, originals, results)
    for part in parts_of(study):
        result = results.get((study, part))
        yield from ("", f"### {part.capitalize()}", "")
        if result is None:
            yield f"Not run yet: `issun run studies/{study}.toml --part {part}`, then `python studies/collect.py {study}-{part}.sqlite`."
            continue
        if result.facts["mark"]:
            yield from (f"**{result.facts['mark'][0].upper()}{result.facts['mark'][1:]}.**", "")
        yield from networks_table(result)
        yield from ("", place_and_time(result))
        if result.heads:
            yield from heads_table(result)
        if study in LEVELS:
            yield from smallest_table(result, LEVELS[study])
            yield from where_they_sit(result)
        yield from curves_in_words(result)
        if result.facts["confusions"]:
            yield from confusions(result)
        for name, text in picture_names(result):
            yield from ("", f"![{text}]({name})")
    yield from second_opinion(study, _read(folder / "keras_replicas.json"), folder)
    yield from ("", f"**What one learns:** {' '.join(learned.split()) if learned else 'not written yet.'}", "")


def page(results: Path, words: Path) -> str:
    """Return the whole page."""
    found = read_results(results)
    lines = [
        "# Five studies",
        "",
        "Five people asked, each in a page of code written from scratch, how small a network for image classification can be, or what a",
        "part of it is good for. Each study is done again here twice: *as published* (network, scaling, initialiser, optimiser, batch,",
        "epochs and what was watched as the original had them), and *better* (images set aside to choose on, several seeds, a recipe and",
        "sizes chosen with more care). Accuracies are means ± standard deviations over seeds. Test figures chose nothing, but where a",
        "part says that it watched the test part.",
        "",
        "This page is made by `python studies/page.py` from `studies/results`, which `python studies/collect.py` writes.",
        "",
    ]
    lines += at_a_glance(tomllib.loads((words / "originals.toml").read_text()), found)
    lines += times(found, _read(results / "keras.json"))
    for study in ORDER:
        lines += section(study, found, results, words)
    if kept := _read(results / "untrained.json"):
        lines += untrained(kept, tomllib.loads((words / "learned.toml").read_text()).get("untrained"))
    return "\n".join(lines).rstrip() + "\n"


def _read(place: Path) -> dict[str, Any]:
    """Return what a script kept; nothing where it has not run."""
    found: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {}
    return found


def main() -> int:
    """Write the page and its pictures, or print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=STUDIES / "results")
    parser.add_argument("--words", type=Path, default=STUDIES / "words")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page; pictures go to images/studies beside it")
    parser.add_argument("--text", action="store_true", help="print the page, write nothing")
    arguments = parser.parse_args()
    text = page(arguments.results, arguments.words)
    if arguments.text:
        sys.stdout.write(text)
        return 0
    arguments.output.write_text(text)
    for result in read_results(arguments.results).values():
        pictures(result, arguments.results, arguments.output.parent / "images" / "studies")
    return 0


if __name__ == "__main__":
    sys.exit(main())
