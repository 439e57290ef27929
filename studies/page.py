"""Write `docs/studies.md` and its pictures from what the studies found.

    issun run studies/shrink.toml --output made --summary made/shrink.json
    python studies/page.py made/shrink.json

Without a summary the page is made anew from what is kept. `--text` prints it and writes nothing; nothing is trained.

Of each part of a summary there are, in `studies/results`:

- `NAME.json`: the facts of the summary (see `issun.study.summary`), numbers with six digits that count;
- `NAME-networks.csv`, `NAME-histories.csv`, `NAME-heads.csv`: its tables, the last where the study has heads;
- `NAME-KIND.png`: pictures that need more than these tables, where `issun run` drew them beside the summary.

`studies/words` has the figures of the originals, and what one learns. `benchmarks/results` has what Keras takes (`keras_epochs.py`), what
Keras says of the replicas that surprise (`keras_replicas.py`), and what untrained convolutions reach (`untrained.py`).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import shutil
import statistics
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from issun import IssunError
from issun.numbers import duration, knobs_text, mean_text, percent
from issun.plots import frontier_figure, save_figure
from issun.plots.curves import draw_curves
from issun.plots.style import INK

STUDIES = Path(__file__).resolve().parent
EXPERIMENTS = STUDIES.parent / "benchmarks" / "results"
PAGE = STUDIES.parent / "docs" / "studies.md"

#: The order of the page.
ORDER = ("shrink", "mnist-convnet", "random-features", "capacity", "cnn-svm")

#: Pictures that need more than the tables that are kept: predictions, images.
PICTURES = ("scatter", "heatmap", "confusion", "gallery", "heads", "projection")

#: The tasks of `untrained.py`, in words.
UNTRAINED = {
    "mnist-small": "MNIST, at most 4,086 parameters",
    "mnist": "MNIST, any size, ridge in closed form",
    "cifar10": "CIFAR-10, any size",
}

#: What the curves of so many networks say, by the kind of diagnosis.
KINDS = {
    "overfits": "overfit",
    "improving": "were still improving",
    "plateau": "levelled off",
    "chance": "never left chance",
    "failed seeds": "had seeds that failed",
    "diverged": "diverged",
    "too short": "were trained for too few epochs to say",
}

#: Up to how many networks a table lists all of them; of more, the frontier's and each family's best, up to the second number.
ALL_ROWS, MOST_ROWS = 20, 12

#: What accuracy is drawn against, and how the names of the pictures end.
FRONTIERS: tuple[tuple[Literal["parameters", "macs"], str], ...] = (("parameters", ""), ("macs", "-macs"))

#: Accuracies for which the page lists the smallest network of each family, in studies of how small a network can be.
LEVELS = {"shrink": (0.97, 0.98, 0.99)}

#: The columns of whole numbers, and those of fractions, which may be missing.
_NUMBERS = ("parameters", "trainable_params", "macs", "seeds", "epochs", "diverged", "chance", "best_seed")
_FRACTIONS = (
    "val_accuracy_mean",
    "val_accuracy_std",
    "val_accuracy_lower95",
    "test_accuracy_mean",
    "test_accuracy_std",
    "train",
    "seconds",
)


def keep(place: Path, folder: Path) -> list[Path]:
    """Put what a summary says into a folder, and the pictures that lie beside the summary; return the places.

    Raises
    ------
    IssunError
        Where the file is no summary, or a part was made with --quick.
    """
    places = []
    for part in _parts(place):
        name = Path(part.pop("study")).stem
        if part["protocol"]["quick"]:
            raise IssunError(f"{name} was made with --quick: its figures say nothing; run it without")
        folder.mkdir(parents=True, exist_ok=True)
        for kind, digits in (("networks", 6), ("histories", 5), ("heads", 6)):
            frame = pd.DataFrame(part.pop(kind))
            if kind == "heads" and frame.empty:
                continue
            for column in {"knobs", "settings"} & set(frame.columns):
                frame[column] = frame[column].map(json.dumps)
            places.append(folder / f"{name}-{kind}.csv")
            frame.to_csv(places[-1], index=False, float_format=f"%.{digits}g")
        drawn = {kind: place.with_name(f"{name}-{kind}.png") for kind in PICTURES if kind in part["protocol"]["draw"]}
        drawn = {kind: picture for kind, picture in drawn.items() if picture.exists()}
        for picture in drawn.values():
            places.append(folder / picture.name)
            shutil.copyfile(picture, places[-1])
        places.append(folder / f"{name}.json")
        facts = part | {"pictures": list(drawn), "heads": part["gains"]}
        del facts["gains"]
        places[-1].write_text(json.dumps(_short(facts), indent=1, ensure_ascii=False) + "\n")
    return places


def _parts(place: Path) -> list[dict[str, Any]]:
    """Return the parts of a summary; each is told by the facts that `keep` takes out of it."""
    wrong = f"{place} is not a summary: give a file that `issun run --summary` wrote"
    try:
        parts: list[dict[str, Any]] = list(json.loads(place.read_text())["parts"].values())
        if all({"study", "protocol", "networks", "histories", "heads", "gains"} <= part.keys() for part in parts):
            return parts
    except OSError as error:
        raise IssunError(f"{place} cannot be read: {error.strerror}; give a file that `issun run --summary` wrote") from None
    except (ValueError, LookupError, TypeError, AttributeError):  # no JSON, or JSON of another form
        raise IssunError(wrong) from None
    raise IssunError(wrong)


def _short(value: Any) -> Any:
    """Return a value of JSON, its numbers with six digits that count."""
    if isinstance(value, dict):
        return {name: _short(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_short(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


@dataclass(frozen=True)
class Result:
    """What is kept of one part of a study."""

    name: str
    part: str
    facts: dict[str, Any]
    networks: list[dict[str, Any]]
    heads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def target(self) -> float | None:
        """The accuracy to reach."""
        target: float | None = self.facts["protocol"]["target"]
        return target

    @property
    def head_seconds(self) -> float:
        """How long the heads took, all draws together; a softmax is part of its network's training."""
        return sum(float(row["seconds"]) * int(row["draws"]) for row in self.heads if row["head"] != "softmax")

    def of(self, label: str) -> list[dict[str, Any]]:
        """Return the networks of a family that did not fail."""
        return [row for row in self.networks if row["label"] == label and row["diverged"] < row["seeds"]]


def read_results(folder: Path) -> dict[tuple[str, str], Result]:
    """Return every result in a folder, by study and part."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        facts = json.loads(path.read_text())
        if not isinstance(facts, dict) or "protocol" not in facts:
            continue
        with (folder / f"{path.stem}-networks.csv").open(newline="") as lines:
            networks = [_typed(row) for row in csv.DictReader(lines)]
        study, part = Path(facts["protocol"]["file"]).stem, facts["protocol"]["part"]
        heads = []
        if (place := folder / f"{path.stem}-heads.csv").exists():
            with place.open(newline="") as lines:
                heads = list(csv.DictReader(lines))
        found[study, part] = Result(path.stem, part, facts, networks, heads)
    return found


def _typed(row: dict[str, str]) -> dict[str, Any]:
    numbers = {name: int(row[name]) for name in _NUMBERS if name in row}  # results that are older say nothing of chance
    fractions = {name: float(row[name]) if row[name] else math.nan for name in _FRACTIONS}
    return {**row, **numbers, **fractions, "frontier": row["frontier"] == "True", "knobs": json.loads(row["knobs"])}


def measured(result: Result, what: str, label: str) -> float | None:
    """Return a figure of a family (see `words/originals.toml`); None where no network reaches the target, or there is none."""
    if what == "head":
        tests = [float(row["test_accuracy_mean"]) for row in result.heads if row["head"] == label]
        return tests[0] if tests else None
    rows = result.of(label)
    if what == "smallest":
        enough = [row["parameters"] for row in rows if result.target is not None and row["val_accuracy_mean"] >= result.target - 1e-9]
        return min(enough, default=None)
    best = max(rows, key=lambda row: row["val_accuracy_mean"], default=None)  # chosen on validation, whatever is shown
    return None if best is None else float(best[what])


def measured_elsewhere(result: Result, measurements: list[dict[str, Any]]) -> str:
    """Return where a part's networks were timed in Keras, if not where most were; else nothing."""
    study = Path(result.facts["protocol"]["file"]).stem
    places = {entry.get("about", "") for entry in measurements if (entry["study"], entry["part"]) == (study, result.part)}
    return ", ".join(sorted(places - {""}))


def keras_seconds(result: Result, measurements: list[dict[str, Any]]) -> float | None:
    """Return about how long Keras takes for the same epochs: seconds for one image, interpolated on MACs between the measured networks of
    the same family.

    Beyond the measured networks the time of the nearest one is taken. None where a family was not measured.
    """
    study = Path(result.facts["protocol"]["file"]).stem
    total = 0.0
    for row in result.networks:
        family = (study, result.part, row["label"])
        known = sorted(
            (entry["macs"], entry["seconds"] / entry["images"])
            for entry in measurements
            if (entry["study"], entry["part"], entry["label"]) == family
        )
        if not known:
            return None
        images = result.facts["images"] - result.facts["splits"][row["split"]]["images"]
        total += row["epochs"] * images * _between(row["macs"], known)
    return total


def _between(macs: float, known: list[tuple[float, float]]) -> float:
    """Return the time at `macs` on the straight lines between the known ones; at the ends it stays what it is."""
    if macs <= known[0][0]:
        return known[0][1]
    for (low, first), (high, second) in itertools.pairwise(known):
        if macs <= high:
            return first + (second - first) * (macs - low) / max(high - low, 1)
    return known[-1][1]


def parts_of(study: str) -> list[str]:
    """Return the names of a study's parts, in the order of its file."""
    return [name for name, table in tomllib.loads((STUDIES / f"{study}.toml").read_text()).items() if isinstance(table, dict)]


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
    """Return one figure; a replica's that is too far from the original's is marked."""
    if result is None:
        return "not run yet"
    value = measured(result, entry["measure"], side["label"])
    text = "none" if value is None else _figure(entry["measure"], value)
    return text if _reproduced(entry, side, value) else f"{text} (not reproduced)"


def _reproduced(entry: dict[str, Any], side: dict[str, Any], value: float | None) -> bool:
    """Return whether a figure is within the tolerance of the original's, if it has one."""
    return "within" not in side or (value is not None and abs(value - entry["original"]) <= side["within"] + 1e-9)


def at_a_glance(originals: dict[str, list[dict[str, Any]]], results: dict[tuple[str, str], Result]) -> Iterator[str]:
    """Yield the figures of all studies in one table, each study linked to its section."""
    yield from ("## At a glance", "", "| study | figure | original | as published | better |", "|---|---|---:|---:|---:|")
    for study in ORDER:
        title = tomllib.loads((STUDIES / f"{study}.toml").read_text())["title"]
        place = "".join(sign for sign in title.lower().replace(" ", "-") if sign.isalnum() or sign == "-")
        for number, entry in enumerate(originals[study]):
            cells = [_figure(entry["measure"], entry["original"])]
            for side in ("replica", "better"):
                result = results.get((study, entry[side]["part"])) if side in entry else None
                cells.append("" if result is None else _cell(entry, entry[side], result))
            yield f"| {'' if number else f'[{title}](#{place})'} | {entry['figure']} | {' | '.join(cells)} |"
    yield from ("", "*Not reproduced*: the figure is further from the original than expected. The section of the study explains why.", "")


def networks_table(result: Result) -> Iterator[str]:
    """Yield all networks, or those that matter: the frontier's, and the best of each family; the test figure beside what was chosen on
    validation."""
    best = {row["label"]: row for row in sorted(result.networks, key=lambda row: row["val_accuracy_mean"])}
    matter = [row for row in result.networks if row["frontier"] or any(row is other for other in best.values())]
    shown = result.networks if len(result.networks) <= ALL_ROWS else matter[-MOST_ROWS:]
    yield "| family | knobs | parameters | trained | MACs | seeds | train | validation | test |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for row in shown:
        knobs = knobs_text(row["knobs"])
        counts = f"{row['parameters']:,} | {row['trainable_params']:,} | {row['macs']:,} | {row['seeds']}"
        accuracies = (
            f"{percent(row['train'])} | {mean_text(row['val_accuracy_mean'], row['val_accuracy_std'])} | "
            f"{mean_text(row['test_accuracy_mean'], row['test_accuracy_std'])}"
        )
        yield f"| {row['label']} | {knobs} | {counts} | {accuracies} |"
    if len(shown) < len(result.networks):
        left = len(result.networks) - len(shown)
        yield ""
        yield f"The table leaves out {left:,} of {len(result.networks):,} networks; `studies/results/{result.name}-networks.csv` lists all."


def heads_table(result: Result) -> Iterator[str]:
    """Yield the heads on features, with what they gain over softmax where the network was trained."""
    yield from ("", "Heads (classifiers on features). The parameters are those of extractor and head together:", "")
    yield "| features of | layer | head | features | parameters | trained | draws | validation | test |"
    yield "|---|---|---|---:|---:|---:|---:|---:|---:|"
    for row in result.heads:
        counts = f"{int(row['features']):,} | {int(row['parameters']):,} | {int(row['trainable_params']):,} | {row['draws']}"
        accuracies = [
            mean_text(float(row[f"{part}_mean"]), float(row[f"{part}_std"] or "nan")) for part in ("val_accuracy", "test_accuracy")
        ]
        star = f" ({row['problem']})" if row["problem"] else ""
        yield f"| {row['extractor']} | {row['layer']} | {row['head']}{star} | {counts} | {' | '.join(accuracies)} |"
    for line in result.facts.get("heads", []):
        yield from ("", line + ".")


def place_and_time(result: Result) -> str:
    """Return where, with what and how long, in one paragraph."""
    facts = result.facts
    machine, versions = facts["machine"], facts["versions"]
    wall = f"{duration(facts['wall_seconds'])} of wall-clock time, " if facts["wall_seconds"] else ""
    trials = sum(facts["trials"].values())
    return (
        f"{facts['data']} (fingerprint {facts['fingerprint']}), {trials:,} {'trial' if trials == 1 else 'trials'}, "
        f"{facts['epochs']:,} epochs: {wall}"
        f"{duration(facts['training_seconds'])} of training on {facts['threads']} threads ({machine['processor']}; issun "
        f"{versions['issun']}, NumPy {versions['numpy']}, Python {versions['python']}; {str(facts['finished'])[:10]})."
    )


def smallest_table(result: Result, levels: tuple[float, ...]) -> Iterator[str]:
    """Yield the smallest network of each family at some accuracies, and the family's number of parameters as a polynomial."""
    yield from ("", "The smallest network of each family with at least this mean accuracy:", "")
    yield f"| family | {' | '.join(f'{100 * level:g} %' for level in levels)} | parameters of the family |"
    yield f"|---|{'---:|' * len(levels)}---|"
    for label, family in result.facts["families"].items():
        cells = []
        for level in levels:
            enough = [row for row in result.of(label) if row["val_accuracy_mean"] >= level - 1e-9]
            row = min(enough, key=lambda row: row["parameters"], default=None)
            knobs = "" if row is None else knobs_text(row["knobs"])
            cells.append("none" if row is None else f"**{row['parameters']:,}**{f' ({knobs})' if knobs else ''}")
        yield f"| {label}: `{family['text']}` | {' | '.join(cells)} | {family['polynomial']} |"


def where_they_sit(result: Result) -> Iterator[str]:
    """Yield where the parameters of each family's smallest sufficient network are."""
    yield from (
        "",
        "Parameters by layer, in the smallest network of each family that reaches the target (otherwise in its best network):",
        "",
    )
    for label, family in result.facts["families"].items():
        if family["layers"]:
            shares = ", ".join(f"`{layer}` {count:,} ({100 * share:.0f} %)" for layer, count, share in family["layers"])
            yield f"- {label}: {shares}"


def confusions(result: Result) -> Iterator[str]:
    """Yield which classes the best network takes for which, and its figures for each."""
    found = result.facts["confusions"]
    pairs = ", ".join(f"{first} and {second} ({count}: {one} and {other})" for first, second, count, one, other in found["pairs"])
    yield from ("", f"Classes most often confused on the validation images by {found['label']}, seed {found['seed']}: {pairs}.", "")
    yield f"| class | {' | '.join(str(row[0]) for row in found['classes'])} |"
    yield f"|---|{'---:|' * len(found['classes'])}"
    for place, name in ((1, "precision"), (2, "recall"), (3, "F1")):
        yield f"| {name}, % | {' | '.join('–' if row[place] is None else f'{100 * row[place]:.1f}' for row in found['classes'])} |"
    yield f"| images | {' | '.join(f'{row[4]:,}' for row in found['classes'])} |"


def curves_in_words(result: Result) -> Iterator[str]:
    """Yield what the learning curves say, and what remedies did."""
    if "curves" in result.facts["protocol"]["draw"]:
        yield from ("", "Diagnosis of the learning curves, for the best network of each family (its best seed):", "")
        for label, said in result.facts["diagnoses"].items():
            yield f"- {label}: {said['sentence']}. Try next: {said['advice']}."
    kinds = result.facts["kinds"]
    if sum(kinds.values()) > len(result.facts["diagnoses"]):
        counts = ", ".join(f"{'all ' if len(kinds) == 1 else ''}{count} {KINDS[kind]}" for kind, count in kinds.items())
        yield from ("", f"Diagnoses of all networks: {counts}.")
    for label, ranks in result.facts["correlations"].items():
        told = ", ".join(f"{value:.2f} with {knob}" for knob, value in ranks.items())
        among = " (without networks at chance)" if kinds.keys() & {"chance", "diverged"} else ""
        yield from ("", f"Spearman rank correlation of the validation accuracy in {label}{among}: {told}.")
    if result.facts["remedies"]:
        yield from ("", "Effect of each remedy, everything else unchanged:", "")
        yield from (f"- {line}." for line in result.facts["remedies"])


def times(results: dict[tuple[str, str], Result], keras: dict[str, Any]) -> Iterator[str]:
    """Yield how long the studies take in issun and in Keras; the sum is that of the parts that repeat what was published."""
    rows, mine, heads, theirs = [], 0.0, 0.0, 0.0
    published: list[bool] = []
    places: list[str] = []
    for result in (results[study, part] for study in ORDER for part in parts_of(study) if (study, part) in results):
        # Where a run was killed its clock stopped with it: the trials' own seconds are an upper bound then.
        seconds = result.facts["wall_seconds"] or result.facts["training_seconds"]
        of_heads = result.head_seconds
        elsewhere = keras_seconds(result, keras.get("epochs", []))
        told = [duration(of_heads) if of_heads else "", "not measured" if elsewhere is None else duration(elsewhere)]
        if place := measured_elsewhere(result, keras.get("epochs", [])):
            places += [] if place in places else [place]
            told[-1] += f" ({'abcdef'[places.index(place)]})"
        study = Path(result.facts["protocol"]["file"]).stem
        rows.append(f"| {study} | {result.part} | {sum(result.facts['trials'].values()):,} | {duration(seconds)} | {' | '.join(told)} |")
        if result.facts["protocol"]["as_published"]:
            published.append(elsewhere is not None)
            mine, heads, theirs = mine + seconds, heads + of_heads, theirs + (elsewhere or 0.0)
    if not rows:
        return
    yield from ("## Time", "")
    yield "The times of issun are wall-clock times of training and validation, without pictures. Those of heads (classifiers on features)"
    yield "include the search. The times of Keras are for the same epochs of `model.fit` as the originals called it, without validation:"
    yield "up to three networks of each family were timed, and the others estimated from their multiply-accumulates"
    yield f"({keras.get('about', 'not measured yet')}; `python benchmarks/keras_epochs.py`)."
    yield from ("", "| study | part | trials | issun | heads | Keras |", "|---|---|---:|---:|---:|---:|", *rows)
    if published and all(published):
        sums = " | ".join(f"**{duration(seconds)}**" for seconds in (mine, heads, theirs))
        yield f"| all parts as published | | | {sums} |"
    yield ""
    for letter, place in zip("abcdef", places, strict=False):
        yield from (f"({letter}) Keras on {place}.", "")


def second_opinion(study: str, found: dict[str, Any], results: Path) -> Iterator[str]:
    """Yield Keras's results for a study's replica, one paragraph for each question; nothing if Keras was not run.

    Parameters
    ----------
    study : str
    found : dict
        What `keras_replicas.py` kept.
    results : Path
        The folder with the history that Keras's is put beside.
    """
    said: list[str] = []
    if study == "capacity" and found.get("grid", {}).get("networks"):
        said.append(_networks_at_chance(found["grid"]))
    if study == "capacity" and "keras" in found.get("steps", {}):
        said.append(_losses_apart(found["steps"]))
    if study == "capacity" and found.get("long", {}).get("keras"):
        said.append(_second_half(found["long"], results / "capacity-replica-histories.csv"))
    if study == "cnn-svm" and "scale" in found.get("machines", {}):
        said.append(_machines(found["machines"]))
    if said:
        yield from ("", "### The same in Keras", "")
        yield f"The published experiment in {found['about'].split(' threads, ')[1]} (`python benchmarks/keras_replicas.py`)."
        for paragraph in said:
            yield from ("", paragraph)


def _networks_at_chance(found: dict[str, Any]) -> str:
    networks, chance = found["networks"].values(), found["chance"]
    lost = {side: sum(network[side] < chance for network in networks) for side in ("keras", "issun")}
    return (
        f"The grid, each network trained for {found['epochs']} epochs: {lost['keras']} of {len(networks)} are below {100 * chance:g} % "
        f"validation accuracy in Keras, and {lost['issun']} in issun."
    )


def _losses_apart(found: dict[str, Any]) -> str:
    """Return how far the losses of both libraries differ, at first and at the end."""
    apart = [abs(own - theirs) / theirs for own, theirs in zip(found["issun"], found["keras"], strict=True)]
    return (
        f"The deeper network with l1 and l2, without dropout, from the same weights on the same {len(apart)} batches: the loss starts at "
        f"{found['keras'][0]:.1f} and ends at {found['keras'][-1]:.1f} in Keras and {found['issun'][-1]:.1f} in issun. The losses differ "
        f"by at most {100 * max(apart[:10]):.2g} % over the first ten steps, and by at most {100 * max(apart):.2g} % over all."
    )


def _second_half(found: dict[str, Any], history: Path) -> str:
    """Compare the second half of Keras's epochs with the same epochs of issun's trainings: the one that was kept, and further seeds."""
    with history.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["network"] == found["network"]]
    kept: dict[str, list[float]] = {}
    for row in rows:  # the same network was trained for fewer epochs, too
        kept.setdefault(row["recipe_id"], []).append(float(row["val_accuracy"]))
    theirs = list(found["keras"].values())
    last = len(theirs[0])
    first = last // 2

    def told(values: list[float]) -> str:
        part = values[first:last]
        return f"{mean_text(statistics.mean(part), statistics.stdev(part))} (from {percent(min(part))} to {percent(max(part))})"

    mine = [max(kept.values(), key=len), *found.get("issun", {}).values()]
    return (
        f"The same network as published: validation accuracy over epochs {first + 1} to {last}, mean ± standard deviation over epochs, for "
        f"each training run: Keras {', '.join(map(told, theirs))}; issun {', '.join(map(told, mine))}."
    )


def _machines(found: dict[str, Any]) -> str:
    return (
        f"The network trained in Keras has a test accuracy of {percent(found['softmax'])}. The median squared distance between the "
        f"features of two images, before the activation, is {found['squared_distance']:,.0f}, so that the kernel with gamma "
        f"1 / 512 is about exp(−{found['squared_distance'] / 512:.0f}). The support vector machine with this gamma has a test accuracy of "
        f"{percent(found['auto'])} and predicts the same class for {percent(found['auto_largest_share'])} of all images. "
        f'With gamma "scale" its test accuracy is {percent(found["scale"])}.'
    )


def untrained(found: dict[str, Any], learned: str | None = None) -> Iterator[str]:
    """Yield the results of `untrained.py`: networks with untrained convolutions, and what one learns from them."""
    yield from ("## How far do untrained convolutions go?", "", "`python benchmarks/untrained.py --data-dir FOLDER`", "")
    yield "The filters are patches of the training images, or random. Only one linear layer is fitted to labels. The candidates were"
    yield "compared on validation. The best one was fitted again on all training images, once per draw, and measured on the test part once."
    yield from ("", "| task | parameters | features | draws | test | seconds per draw |", "|---|---:|---:|---:|---:|---:|")
    for name, title in UNTRAINED.items():
        if "test" not in (one := found.get(name, {})):
            continue
        draw = one["draws"][0]
        yield (
            f"| {title} | {draw['parameters']:,} | {draw['features']:,} | {len(one['draws'])} "
            f"| {mean_text(one['test'], math.nan if one['spread'] is None else one['spread'])} | {one['seconds']:.0f} |"
        )
    for name, title in UNTRAINED.items():
        if "test" in (one := found.get(name, {})):
            yield from (
                "",
                f"{title}: validation accuracy of the candidates (fewer training images, one draw). The final network: `{one['network']}`.",
                "",
            )
            yield from ("| network, weights, head | validation |", "|---|---:|")
            for text, candidate in sorted(one["candidates"].items(), key=lambda entry: -entry[1]["validation"]):
                words = text.replace(" | ", "; ").replace(" ()", "")
                yield f"| {f'**{words}**' if text == one['chosen'] else words} | {percent(candidate['validation'])} |"
    places: dict[str, list[str]] = {}
    for name, title in UNTRAINED.items():
        if "test" in (one := found.get(name, {})):
            about = one["machine"]
            places.setdefault(f"{about['processor']}, {about['cores']} cores, issun {about['versions']['issun']}", []).append(title)
    where = "; ".join(f"{' and '.join(titles) if len(places) > 1 else 'all'} on {place}" for place, titles in places.items())
    yield from ("", f"Measured: {where}.", "")
    if learned:
        yield from (f"**What one learns:** {' '.join(learned.split())}", "")


def bests(result: Result) -> dict[str, tuple[str, str]]:
    """Return network and recipe of the best of each family, by label; families of which all trainings failed are left out."""
    families = result.facts["chosen"]["families"].items()
    return {label: (best["network"], best["recipe_id"]) for label, choices in families if "network" in (best := choices["best"])}


def curves_grid(histories: pd.DataFrame, trained: dict[str, tuple[str, str]], one_size: bool = False) -> Figure:
    """Draw accuracy by epoch on training and validation images, a family beside the other.

    Networks of `one_size` are compared with each other, so that all have the same axis; of others each fills its own.
    """
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
    if one_size:
        lows, highs = zip(*(axes.get_ylim() for axes in figure.axes), strict=True)
        for axes in figure.axes:
            axes.set_ylim(min(lows), max(highs))
    return figure


def pictures(result: Result, folder: Path, images: Path) -> list[Path]:
    """Draw what the kept tables allow: the frontier, and learning curves."""
    images.mkdir(parents=True, exist_ok=True)
    draw, mark, saved = result.facts["protocol"]["draw"], result.facts["mark"], []
    title = f"{result.facts['protocol']['title']} {f'({mark})' if mark else f'({result.part})'}"
    frame = pd.DataFrame(result.networks).assign(family=[row["label"] for row in result.networks])
    for size, ending in frontiers(result):
        figure = frontier_figure(frame, title=title, target=result.target, size=size)
        saved.append(save_figure(figure, images / f"{result.name}{ending}.png"))
    if "curves" in draw and (trained := bests(result)):
        histories = pd.read_csv(folder / f"{result.name}-histories.csv")
        sizes = {row["parameters"] for row in result.networks if (row["network"], row["recipe_id"]) in trained.values()}
        saved.append(save_figure(curves_grid(histories, trained, len(sizes) == 1), images / f"{result.name}-curves.png"))
    return saved


def frontiers(result: Result) -> list[tuple[Literal["parameters", "macs"], str]]:
    """Return what accuracy is drawn against, and how the names of the pictures end: a family alone looks the same against both."""
    if "frontier" not in result.facts["protocol"]["draw"]:
        return []
    return list(FRONTIERS if len(result.facts["chosen"]["families"]) > 1 else FRONTIERS[:1])


def picture_names(result: Result) -> list[tuple[str, str]]:
    """Return place (from the page) and text of each picture that `pictures` draws, or that was kept."""
    drawn = [(ending, f"accuracy against {'multiply-accumulates' if size == 'macs' else size}") for size, ending in frontiers(result)]
    if "curves" in result.facts["protocol"]["draw"] and bests(result):
        drawn.append(("-curves", "accuracy by epoch: the best network of each family, its best seed"))
    names = [(f"images/studies/{result.name}{ending}.png", text) for ending, text in drawn]
    return names + [(f"../studies/results/{result.name}-{kind}.png", kind) for kind in result.facts["pictures"]]


def section(study: str, results: dict[tuple[str, str], Result], folder: Path, experiments: Path, words: Path) -> Iterator[str]:
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
            command = f"issun run studies/{study}.toml --part {part} --summary {study}.json"
            yield f"Not run yet: `{command}`, then `python studies/page.py {study}.json`."
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
    yield from second_opinion(study, _read(experiments / "keras_replicas.json"), folder)
    yield from ("", f"**What one learns:** {' '.join(learned.split()) if learned else 'not written yet.'}", "")


def page(results: Path, experiments: Path, words: Path) -> str:
    """Return the whole page."""
    found = read_results(results)
    lines = [
        "# Five studies",
        "",
        "This page repeats five published experiments on how small an image classification network can be, or what its parts contribute.",
        "",
        "```console",
        "issun run studies/shrink.toml",
        "```",
        "",
        "Each study has a part *as published* (network, scaling, initialiser, optimizer, batch size, epochs and validation images as in",
        "the original) and a part *better* (validation images of its own, several seeds, a more careful recipe and choice of sizes).",
        "Accuracies are means ± standard deviations over seeds. No test figure was used for a choice, except where a part says that it",
        "watched the test part.",
        "",
        "`python studies/page.py` writes this page from `studies/results`, which holds the output of `issun run --summary`;",
        "[study-files.md](study-files.md) explains the format of the files.",
        "",
    ]
    lines += at_a_glance(tomllib.loads((words / "originals.toml").read_text()), found)
    lines += times(found, _read(experiments / "keras.json"))
    for study in ORDER:
        lines += section(study, found, results, experiments, words)
    if kept := _read(experiments / "untrained.json"):
        lines += untrained(kept, tomllib.loads((words / "learned.toml").read_text()).get("untrained"))
    return "\n".join(part for line in lines for part in _wrapped(line)).rstrip() + "\n"


def _wrapped(line: str) -> list[str]:
    """Return a paragraph, or an entry of a list, in lines of at most 140 characters; tables and pictures stay as they are."""
    if line.startswith(("|", "!")) or not line:
        return [line]
    indent = "  " if line.startswith("- ") else ""
    return textwrap.wrap(line, 140, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _read(place: Path) -> dict[str, Any]:
    """Return what a script kept; nothing where it has not run."""
    found: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {}
    return found


def main() -> int:
    """Keep the summaries that the command line names, then write the page and its pictures, or print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("summaries", nargs="*", type=Path, metavar="SUMMARY", help="what `issun run --summary` wrote; it is kept first")
    parser.add_argument("--results", type=Path, default=STUDIES / "results", help="the folder of what is kept")
    parser.add_argument("--experiments", type=Path, default=EXPERIMENTS, help="the folder of what the scripts in benchmarks wrote")
    parser.add_argument("--words", type=Path, default=STUDIES / "words")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page; pictures go to images/studies beside it")
    parser.add_argument("--text", action="store_true", help="print the page, write nothing")
    arguments = parser.parse_args()
    if arguments.text and arguments.summaries:
        parser.error("--text writes nothing: leave out the summaries")
    try:
        for summary in arguments.summaries:
            print(*(place.name for place in keep(summary, arguments.results)))
    except IssunError as error:
        print(f"page.py: {error}", file=sys.stderr)
        return 1
    text = page(arguments.results, arguments.experiments, arguments.words)
    if arguments.text:
        sys.stdout.write(text)
        return 0
    arguments.output.write_text(text)
    for result in read_results(arguments.results).values():
        pictures(result, arguments.results, arguments.output.parent / "images" / "studies")
    return 0


if __name__ == "__main__":
    sys.exit(main())
