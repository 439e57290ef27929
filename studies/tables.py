"""The tables and sentences of `docs/studies.md`, each from what `collect.py` kept."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kept import Result, keras_seconds, measured, measured_elsewhere

from issun.numbers import duration, mean_text, percent

STUDIES = Path(__file__).resolve().parent

#: The order of the page.
ORDER = ("shrink", "mnist-convnet", "random-features", "capacity", "cnn-svm")

_WISHES = {"at_least": "at least", "at_most": "at most"}

#: The questions of `untrained.py`, in words.
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
    told = "none" if value is None else _figure(entry["measure"], value)
    verdict = "" if not asked else wish[:-1] + ", reached)" if _reached(entry, side, value) else f"{wish}: **not reached**"
    return f"{told}{verdict}"


def _reached(entry: dict[str, Any], side: dict[str, Any], value: float | None) -> bool:
    """Return whether a figure is what was asked for; one that there is not is none."""
    return (
        value is not None
        and abs(value - entry["original"]) <= side.get("within", math.inf) + 1e-9
        and value >= side.get("at_least", -math.inf) - 1e-9
        and value <= side.get("at_most", math.inf)
    )


def at_a_glance(originals: dict[str, list[dict[str, Any]]], results: dict[tuple[str, str], Result]) -> Iterator[str]:
    """Yield every figure of all studies in one table, each study linked to what is said of it below."""
    yield from ("## At a glance", "", "| study | figure | original | as published | better |", "|---|---|---:|---:|---:|")
    for study in ORDER:
        title = tomllib.loads((STUDIES / f"{study}.toml").read_text())["title"]
        place = "".join(sign for sign in title.lower().replace(" ", "-") if sign.isalnum() or sign == "-")
        for number, entry in enumerate(originals[study]):
            cells = [_figure(entry["measure"], entry["original"])]
            for side in ("replica", "better"):
                result = results.get((study, entry[side]["part"])) if side in entry else None
                value = None if result is None else measured(result, entry["measure"], entry[side]["label"])
                told = "" if value is None else _figure(entry["measure"], value)
                cells.append(told if result is None or _reached(entry, entry[side], value) else f"{told} (not reached)".strip())
            yield f"| {'' if number else f'[{title}](#{place})'} | {entry['figure']} | {' | '.join(cells)} |"
    yield from ("", "*Not reached* is less than was asked of a figure; each study below says what was asked, and what was tried.", "")


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
            f"{percent(row['train'])} | {mean_text(row['validation'], row['validation_sd'])} | {mean_text(row['test'], row['test_sd'])}"
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
        accuracies = [mean_text(float(row[part]), float(row[f"{part}_sd"] or "nan")) for part in ("validation", "test")]
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
    kinds = result.facts["kinds"]
    if sum(kinds.values()) > len(result.facts["diagnoses"]):
        counts = ", ".join(f"{'all ' if len(kinds) == 1 else ''}{count} {KINDS[kind]}" for kind, count in kinds.items())
        yield from ("", f"And those of all networks: {counts}.")
    for label, ranks in result.facts["correlations"].items():
        told = ", ".join(f"{value:.2f} with {knob}" for knob, value in ranks.items())
        among = ", of those that learned anything" if kinds.keys() & {"chance", "diverged"} else ""
        yield from ("", f"Rank correlation (Spearman's) of the validation accuracy in {label}{among}: {told}.")
    if result.facts["remedies"]:
        yield from ("", "What each remedy did, all else the same:", "")
        yield from (f"- {line}." for line in result.facts["remedies"])


def times(results: dict[tuple[str, str], Result], keras: dict[str, Any]) -> Iterator[str]:
    """Yield what the studies cost here, and in Keras; the sum is that of the parts that repeat what was published."""
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
    yield from ("## What they cost", "")
    yield "Training and validation by the clock, without pictures; heads are classifiers on features, training and search. Keras for the"
    yield "same epochs: extrapolated from those of up to three networks of each family by multiply-accumulates, `model.fit` as the"
    yield f"originals called it, without validation ({keras.get('about', 'not measured yet')}; `python studies/keras_epochs.py`)."
    yield from ("", "| study | part | trials | issun | heads | Keras |", "|---|---|---:|---:|---:|---:|", *rows)
    if published and all(published):
        sums = " | ".join(f"**{duration(seconds)}**" for seconds in (mine, heads, theirs))
        yield f"| those as published, together | | | {sums} |"
    yield ""
    for letter, place in zip("abcdef", places, strict=False):
        yield from (f"({letter}) Keras on {place}.", "")


def untrained(found: dict[str, Any], learned: str | None = None) -> Iterator[str]:
    """Yield what `untrained.py` kept: what networks do whose convolutions nobody trained, and what one learns from it."""
    yield from ("## How far do untrained convolutions go?", "", "`python studies/untrained.py --data-dir FOLDER`", "")
    yield "Filters from patches of the training images, or drawn; what is fitted to labels is one linear layer. Candidates were compared on"
    yield "validation; the chosen one was made anew from all training images, draw after draw, and measured on the test part once."
    yield from (
        "",
        "| question | parameters | features | draws | test | seconds a draw | asked | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    )
    for name, title in UNTRAINED.items():
        if "test" not in (one := found.get(name, {})):
            continue
        draw, fast = one["draws"][0], one["minutes"] is None or one["seconds"] <= 60 * one["minutes"]
        reached = "reached" if one["test"] >= one["least"] and fast else "**not reached**"
        reached = "aim reached" if one["test"] >= one["aim"] and fast else reached
        limit = "" if one["minutes"] is None else f" in {one['minutes']:g} min"
        yield (
            f"| {title} | {draw['parameters']:,} | {draw['features']:,} | {len(one['draws'])} "
            f"| {mean_text(one['test'], math.nan if one['spread'] is None else one['spread'])} | {one['seconds']:.0f} "
            f"| {100 * one['least']:g} %{limit}, aim {100 * one['aim']:g} % | {reached} |"
        )
    for name, title in UNTRAINED.items():
        if "test" in (one := found.get(name, {})):
            yield from (
                "",
                f"{title}: the candidates, on validation (fewer training images, one draw). The final draws: `{one['network']}`.",
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
    told = "; ".join(f"{' and '.join(titles) if len(places) > 1 else 'all'} on {place}" for place, titles in places.items())
    yield from ("", f"Measured: {told}.", "")
    if learned:
        yield from (f"**What one learns:** {' '.join(learned.split())}", "")


def parts_of(study: str) -> list[str]:
    """Return the names of a study's parts, in the order of its file."""
    return [name for name, table in tomllib.loads((STUDIES / f"{study}.toml").read_text()).items() if isinstance(table, dict)]
