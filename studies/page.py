"""Write `docs/studies.md` and its pictures from what `collect.py` kept: `python studies/page.py`

Reads the study files (question, what the original found), `studies/results`, and `studies/words`: figures of the originals, and what one
learns. What Keras takes comes from `studies/results/keras.json`, which `keras_epochs.py` writes.

Nothing is read from the studies themselves, and nothing is trained. `--text` prints the page and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from kept import Result, keras_seconds, measured, read_results

STUDIES = Path(__file__).resolve().parent
PAGE = STUDIES.parent / "docs" / "studies.md"

#: The order of the page.
ORDER = ("shrink", "mnist-convnet", "random-features", "capacity", "cnn-svm")

_WISHES = {"at_least": "at least", "at_most": "at most"}

#: Accuracies at which the smallest network of each family is told, where a study asks how small it can be.
LEVELS = {"shrink": (0.97, 0.98, 0.99)}

#: What accuracy is drawn against, and how the names of the pictures end.
FRONTIERS: tuple[tuple[Literal["parameters", "macs"], str], ...] = (("parameters", ""), ("macs", "-macs"))

#: Up to how many networks a table lists all of them; of more, the frontier's and each family's best, up to the second number.
ALL_ROWS, MOST_ROWS = 20, 12


def percent(mean: float, deviation: float = math.nan) -> str:
    """Return an accuracy as ``97.12 ± 0.10 %``; the deviation is left out where there is one seed."""
    return f"{100 * mean:.2f}" + ("" if math.isnan(deviation) else f" ± {100 * deviation:.2f}") + " %"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def figures(study: str, originals: list[dict[str, Any]], results: dict[tuple[str, str], Result]) -> Iterator[str]:
    """Yield the table of figures: the original's, the replica's, the better ones."""
    yield "| figure | original | replica | better |"
    yield "|---|---:|---:|---:|"
    for entry in originals:
        cells = [_figure(entry["measure"], entry["original"])]
        for side in ("replica", "better"):
            cells.append(_cell(entry, entry[side], results.get((study, entry[side]["part"]))) if side in entry else "")
        yield f"| {entry['figure']} | {' | '.join(cells)} |"


def _figure(measure: str, value: float) -> str:
    return f"{value:,.0f}" if measure == "smallest" else percent(value)


def _cell(entry: dict[str, Any], side: dict[str, Any], result: Result | None) -> str:
    """Return one figure with what was asked of it, in words."""
    asked = [f"{words} {_figure(entry['measure'], side[name])}" for name, words in _WISHES.items() if name in side]
    asked += [f"within {100 * side['within']:g} {'point' if side['within'] == 0.01 else 'points'}"] if "within" in side else []
    wish = f" (asked: {asked[0]})" if asked else ""
    if result is None:
        return f"not run yet{wish}"
    value = measured(result, entry["measure"], side["label"])
    if value is None:
        return f"none{wish}" + (": **not reached**" if asked else "")
    reached = (
        abs(value - entry["original"]) <= side.get("within", math.inf) + 1e-9
        and value >= side.get("at_least", -math.inf) - 1e-9
        and value <= side.get("at_most", math.inf)
    )
    verdict = "" if not asked else wish[:-1] + ", reached)" if reached else f"{wish}: **not reached**"
    return f"{_figure(entry['measure'], value)}{verdict}"


def networks_table(result: Result) -> Iterator[str]:
    """Yield all networks, or those that matter: the frontier's, and the best of each family; the test figure beside what was chosen on
    validation."""
    best = {row["label"]: row for row in sorted(result.networks, key=lambda row: row["validation"])}
    matter = [row for row in result.networks if row["frontier"] or any(row is other for other in best.values())]
    shown = result.networks if len(result.networks) <= ALL_ROWS else matter[-MOST_ROWS:]
    yield "| family | knobs | parameters | trained | MACs | seeds | train | validation | test |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for row in shown:
        knobs = " ".join(f"{name}={value}" for name, value in row["knobs"].items())
        counts = f"{row['parameters']:,} | {row['trained']:,} | {row['macs']:,} | {row['seeds']}"
        accuracies = (
            f"{percent(row['train'])} | {percent(row['validation'], row['validation_sd'])} | {percent(row['test'], row['test_sd'])}"
        )
        yield f"| {row['label']} | {knobs} | {counts} | {accuracies} |"
    if len(shown) < len(result.networks):
        left = len(result.networks) - len(shown)
        yield ""
        yield f"{left:,} of {len(result.networks):,} networks are not listed; `studies/results/{result.name}-networks.csv` has all."


def heads_table(result: Result) -> Iterator[str]:
    """Yield the heads on features, with what they gain over softmax where the network was trained."""
    yield from ("", "Heads on features; parameters are those of extractor and head together:", "")
    yield "| features of | layer | head | features | parameters | trained | draws | validation | test |"
    yield "|---|---|---|---:|---:|---:|---:|---:|---:|"
    for row in result.heads:
        counts = f"{int(row['features']):,} | {int(row['parameters']):,} | {int(row['trained']):,} | {row['draws']}"
        accuracies = [percent(float(row[part]), float(row[f"{part}_sd"] or "nan")) for part in ("validation", "test")]
        star = f" ({row['problem']})" if row["problem"] else ""
        yield f"| {row['extractor']} | {row['layer']} | {row['head']}{star} | {counts} | {' | '.join(accuracies)} |"
    for line in result.facts.get("heads", []):
        yield from ("", line + ".")


def place_and_time(result: Result) -> str:
    """Return where, with what and how long, in one paragraph."""
    facts = result.facts
    machine, versions = facts["machine"], facts["versions"]
    wall = f"{duration(facts['wall_seconds'])} by the clock, " if facts["wall_seconds"] else ""
    trials = sum(facts["trials"].values())
    return (
        f"{facts['data']} (fingerprint {facts['fingerprint']}), {trials:,} trials, {facts['epochs']:,} epochs: {wall}"
        f"{duration(facts['training_seconds'])} of training on {facts['threads']} threads ({machine['processor']}; issun "
        f"{versions['issun']}, NumPy {versions['numpy']}, Python {versions['python']}; {str(facts['finished'])[:10]})."
    )


def pictures(result: Result, folder: Path, images: Path) -> list[Path]:
    """Draw what the kept tables allow, the frontier and learning curves; copy what was drawn before."""
    import pandas as pd

    from issun.show import frontier_figure, save_figure

    images.mkdir(parents=True, exist_ok=True)
    draw, mark, saved = result.facts["protocol"]["draw"], result.facts["mark"], []
    title = f"{result.facts['protocol']['title']} {f'({mark})' if mark else f'({result.part})'}"
    if "frontier" in draw:
        frame = pd.DataFrame(result.networks).assign(family=[row["label"] for row in result.networks])
        for size, ending in FRONTIERS:
            figure = frontier_figure(frame, title=title, target=result.target, size=size)
            saved.append(save_figure(figure, images / f"{result.name}{ending}.png"))
    if "curves" in draw and (trained := bests(result)):
        histories = pd.read_csv(folder / f"{result.name}-histories.csv")
        saved.append(save_figure(curves_grid(histories, trained), images / f"{result.name}-curves.png"))
    for kind in result.facts["pictures"]:
        saved.append(Path(shutil.copy(folder / f"{result.name}-{kind}.png", images)))
    return saved


def bests(result: Result) -> dict[str, tuple[str, str]]:
    """Return network and recipe of the best of each family, by label; families of which all trainings failed are left out."""
    families = result.facts["chosen"]["families"].items()
    return {label: (best["network"], best["recipe_id"]) for label, choices in families if "network" in (best := choices["best"])}


def curves_grid(histories: Any, trained: dict[str, tuple[str, str]]) -> Any:
    """Draw accuracy by epoch on training and validation images, a family beside the other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from issun.show.curves import draw_curves
    from issun.show.style import INK

    columns = min(3, len(trained))
    rows = math.ceil(len(trained) / columns)
    width, height = 3.6 * columns + 0.2, 2.6 * rows + 0.1
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    for number, (label, (network, recipe)) in enumerate(trained.items()):
        left, top = 3.6 * (number % columns) + 0.5, height - 2.6 * (number // columns) - 0.55
        axes = figure.add_axes((left / width, (top - 1.55) / height, 2.4 / width, 1.55 / height))
        same = (histories["network"] == network) & (histories["recipe_id"] == recipe)
        draw_curves(axes, histories[same].drop_duplicates("epoch"), "accuracy")
        axes.set_title(label, fontsize=11, color=INK, loc="left", x=-0.12, pad=20, parse_math=False)
    return figure


def picture_names(result: Result) -> list[tuple[str, str]]:
    """Return name and text of each picture that `pictures` draws."""
    draw = result.facts["protocol"]["draw"]
    names = [
        (f"{result.name}{ending}.png", f"accuracy against {'multiply-accumulates' if size == 'macs' else size}")
        for size, ending in FRONTIERS
        if "frontier" in draw
    ]
    if "curves" in draw and bests(result):
        names.append((f"{result.name}-curves.png", "accuracy by epoch: the best network of each family, its best seed"))
    return names + [(f"{result.name}-{kind}.png", kind) for kind in result.facts["pictures"]]


def smallest_table(result: Result, levels: tuple[float, ...]) -> Iterator[str]:
    """Yield the smallest network of each family at some accuracies, and the family's number of parameters as a polynomial."""
    yield from ("", "The smallest network of each family whose mean accuracy reaches", "")
    yield f"| family | {' | '.join(f'{100 * level:g} %' for level in levels)} | parameters of the family |"
    yield f"|---|{'---:|' * len(levels)}---|"
    for label, family in result.facts["families"].items():
        cells = []
        for level in levels:
            enough = [row for row in result.of(label) if row["validation"] >= level - 1e-9]
            row = min(enough, key=lambda row: row["parameters"], default=None)
            knobs = "" if row is None else " ".join(f"{name}={value}" for name, value in row["knobs"].items())
            cells.append("none" if row is None else f"**{row['parameters']:,}**{f' ({knobs})' if knobs else ''}")
        yield f"| {label}: `{family['text']}` | {' | '.join(cells)} | {family['polynomial']} |"


def where_they_sit(result: Result) -> Iterator[str]:
    """Yield where the parameters of each family's smallest sufficient network are."""
    yield from ("", "Where their parameters sit, in the smallest network of each family that reaches the target (else its best):", "")
    for label, family in result.facts["families"].items():
        if family["layers"]:
            shares = ", ".join(f"`{layer}` {count:,} ({100 * share:.0f} %)" for layer, count, share in family["layers"])
            yield f"- {label}: {shares}"


def confusions(result: Result) -> Iterator[str]:
    """Yield which classes the best network takes for which, and its figures for each."""
    found = result.facts["confusions"]
    pairs = ", ".join(f"{first} and {second} ({count}: {one} and {other})" for first, second, count, one, other in found["pairs"])
    yield from ("", f"Most often confused on the images it was chosen on, by {found['label']}, seed {found['seed']}: {pairs}.", "")
    yield f"| class | {' | '.join(str(row[0]) for row in found['classes'])} |"
    yield f"|---|{'---:|' * len(found['classes'])}"
    for place, name in ((1, "precision"), (2, "recall"), (3, "F1")):
        yield f"| {name}, % | {' | '.join('–' if row[place] is None else f'{100 * row[place]:.1f}' for row in found['classes'])} |"
    yield f"| images | {' | '.join(f'{row[4]:,}' for row in found['classes'])} |"


def curves_in_words(result: Result) -> Iterator[str]:
    """Yield what the learning curves say, and what remedies did."""
    if "curves" in result.facts["protocol"]["draw"]:
        yield from ("", "What the learning curves of the best network of each family say (its best seed):", "")
        for label, said in result.facts["diagnoses"].items():
            yield f"- {label}: {said['sentence']}. To try next: {said['advice']}."
    if result.facts["remedies"]:
        yield from ("", "What each remedy did, all else the same:", "")
        yield from (f"- {line}." for line in result.facts["remedies"])


def times(results: dict[tuple[str, str], Result], keras: dict[str, Any]) -> Iterator[str]:
    """Yield what the studies cost here, and in Keras."""
    rows, sums = [], [0.0, 0.0]
    for study, part in [(name, part) for name in ORDER for part in parts_of(name)]:
        if (result := results.get((study, part))) is None:
            continue
        # Where a run was killed its clock stopped with it: the trials' own seconds are an upper bound then.
        seconds = result.facts["wall_seconds"] or result.facts["training_seconds"]
        theirs = keras_seconds(result, keras.get("epochs", []))
        told = "not measured" if theirs is None else duration(theirs)
        rows.append(f"| {study} | {part} | {sum(result.facts['trials'].values()):,} | {duration(seconds)} | {told} |")
        if part == "replica" and theirs is not None:
            sums = [sums[0] + seconds, sums[1] + theirs]
    if not rows:
        return
    yield from ("## What they cost", "")
    yield "Training and validation by the clock, without heads and pictures. Keras for the same epochs: extrapolated from those of up to"
    yield "three networks of each family by multiply-accumulates, `model.fit` as the originals called it, without validation"
    yield f"({keras.get('about', 'not measured yet')}; `python studies/keras_epochs.py`)."
    yield from ("", "| study | part | trials | issun | Keras |", "|---|---|---:|---:|---:|", *rows)
    if sums[1]:
        yield f"| the replicas together | | | **{duration(sums[0])}** | **{duration(sums[1])}** |"
    yield ""


def parts_of(study: str) -> list[str]:
    """Return the names of a study's parts, in the order of its file."""
    return [name for name, table in tomllib.loads((STUDIES / f"{study}.toml").read_text()).items() if isinstance(table, dict)]


def section(study: str, results: dict[tuple[str, str], Result], words: Path) -> Iterator[str]:
    """Yield all that the page says of one study."""
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
            yield from ("", f"![{text}](images/studies/{name})")
    yield from ("", f"**What one learns:** {' '.join(learned.split()) if learned else 'not written yet.'}", "")


def page(results: Path, words: Path) -> str:
    """Return the whole page."""
    found = read_results(results)
    place = results / "keras.json"
    keras = json.loads(place.read_text()) if place.exists() else {}
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
    lines += times(found, keras)
    for study in ORDER:
        lines += section(study, found, words)
    return "\n".join(lines).rstrip() + "\n"


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
