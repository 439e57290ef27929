"""What Keras says of the replicas that surprise, for `docs/studies.md`: sentences from what `keras_replicas.py` kept."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from issun.numbers import mean_text, percent


def second_opinion(study: str, found: dict[str, Any], results: Path) -> Iterator[str]:
    """Yield what Keras did of a study's replica, as a paragraph a question; nothing where it was not asked.

    Parameters
    ----------
    study : str
    found : dict
        What `keras_replicas.py` kept.
    results : Path
        The folder with what `collect.py` kept: the history that Keras's is put beside.
    """
    said: list[str] = []
    if study == "capacity" and found.get("grid", {}).get("networks"):
        said.append(_grid(found["grid"]))
    if study == "capacity" and "keras" in found.get("steps", {}):
        said.append(_steps(found["steps"]))
    if study == "capacity" and found.get("long", {}).get("keras"):
        said.append(_long(found["long"], results / "capacity-replica-histories.csv"))
    if study == "cnn-svm" and "scale" in found.get("machines", {}):
        said.append(_machines(found["machines"]))
    if said:
        yield from ("", "### The same in Keras", "")
        yield f"As published, with {found['about'].split(' threads, ')[1]} (`python studies/keras_replicas.py`)."
        for paragraph in said:
            yield from ("", paragraph)


def _grid(found: dict[str, Any]) -> str:
    networks, chance = found["networks"].values(), found["chance"]
    lost = {side: sum(network[side] < chance for network in networks) for side in ("keras", "issun")}
    return (
        f"The grid, each network for {found['epochs']} epochs: in Keras {lost['keras']} of {len(networks)} are then below "
        f"{100 * chance:g} % on the images watched, in issun {lost['issun']}."
    )


def _steps(found: dict[str, Any]) -> str:
    """Say how far the losses of both sides are apart, at first and at the end."""
    apart = [abs(own - theirs) / theirs for own, theirs in zip(found["issun"], found["keras"], strict=True)]
    return (
        f"The deeper network with l1 and l2, from the same weights on the same {len(apart)} batches, without dropout: the losses begin at "
        f"{found['keras'][0]:.1f} and end at {found['keras'][-1]:.1f} in Keras, {found['issun'][-1]:.1f} in issun; over the first ten "
        f"steps they are at the most {100 * max(apart[:10]):.2g} % apart, over all {100 * max(apart):.2g} %."
    )


def _long(found: dict[str, Any], history: Path) -> str:
    """Compare the second half of Keras's epochs with the same epochs of issun's trainings: the one that was kept, and further seeds."""
    with history.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["network"] == found["network"]]
    kept: dict[str, list[float]] = {}
    for row in rows:  # the same network was trained for fewer epochs, too
        kept.setdefault(row["recipe_id"], []).append(float(row["validation_accuracy"]))
    theirs = list(found["keras"].values())
    last = len(theirs[0])
    first = last // 2

    def told(values: list[float]) -> str:
        part = values[first:last]
        return f"{mean_text(statistics.mean(part), statistics.stdev(part))} (from {percent(min(part))} to {percent(max(part))})"

    mine = [max(kept.values(), key=len), *found.get("issun", {}).values()]
    return (
        f"The same network as published: validation accuracy over the epochs {first + 1} to {last}, mean ± standard deviation from epoch "
        f"to epoch, a training each: Keras {', '.join(map(told, theirs))}; issun {', '.join(map(told, mine))}."
    )


def _machines(found: dict[str, Any]) -> str:
    return (
        f"Trained in Keras, the network answers {percent(found['softmax'])} of the test images. Two images' numbers before the activation "
        f"are {found['squared_distance']:,.0f} apart (median of the squared distance), so that gamma 1 / 512 makes exp(−"
        f"{found['squared_distance'] / 512:.0f}) of it: the support vector machine with this gamma answers {percent(found['auto'])} of the "
        f'test images and calls {percent(found["auto_largest_share"])} of all images by the same class; with gamma "scale" it answers '
        f"{percent(found['scale'])}."
    )
