"""Tables of the heads on a study's features, beside the networks' own softmax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from issun.extraction.comparing import summary
from issun.numbers import counted
from issun.study.readable import Readable
from issun.study.statistics import mean_and_deviation, seed_margin

#: What the row of a network's own classifier is called.
SOFTMAX = "softmax"


def heads_frame(study: Readable, *, test: bool = True) -> pd.DataFrame:
    """Return the study's heads as `issun.extraction.comparing.compare` gives them, and before those of trained networks their softmax."""
    found = study.head_results(test=test).rename(columns={"label": "extractor"})
    if found.empty:
        return found
    trials = {trial.trial_id: (entry, trial) for entry in study.entries for trial in entry.trials}
    tests = study.test_results() if test else {}
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for _, row in found.iterrows():
        if isinstance(row["trial_id"], str) and (row["layer"], row["trial_id"]) not in seen:
            seen.add((row["layer"], row["trial_id"]))
            entry, trial = trials[row["trial_id"]]
            own = {name: row[name] for name in ("extractor", "layer", "draw", "trial_id", "network", "features")}
            own |= {"head": SOFTMAX, "settings": {}, "parameters": entry.parameters, "trainable_params": entry.trainable_params}
            own |= {"val_accuracy": trial.val_accuracy, "seconds": trial.seconds, "images": 0, "tried": 0, "search_images": 0}
            rows.append(own | {"problem": ""} | ({"test_accuracy": tests[trial.trial_id][1]} if test else {}))
        rows.append({str(name): value for name, value in row.items()})
    frame = pd.DataFrame(rows)
    # Softmax first, then the heads in the order in which the file asks for them.
    places = {name: place for place, name in enumerate(dict.fromkeys([*found["extractor"], SOFTMAX, *found["head"]]))}
    ranks = frame[["extractor", "head"]].map(lambda name: places[name])
    return frame.loc[ranks.sort_values(["extractor", "head"], kind="stable").index]


def head_means(study: Readable) -> list[dict[str, Any]]:
    """Return the means of a study's heads over draws, as plain values."""
    frame = heads_frame(study)
    return [] if frame.empty else summary(frame).to_dict("records")  # type: ignore[return-value]


def gains(frame: pd.DataFrame) -> Iterator[str]:
    """Yield for each head on a trained network what it gains over the network's own softmax, seed by seed, on validation and test."""
    for (extractor, _), rows in frame.groupby(["extractor", "layer"], sort=False):
        softmax = rows[rows["head"] == SOFTMAX].set_index("draw")
        for head, own in rows[rows["head"] != SOFTMAX].groupby("head", sort=False):
            seeds = [draw for draw in own["draw"] if draw in softmax.index]
            if not seeds:
                continue
            mine, words = own.set_index("draw"), []
            for part, column in (("validation", "val_accuracy"), ("test", "test_accuracy")):
                mean, deviation = mean_and_deviation([100 * (mine[column][seed] - softmax[column][seed]) for seed in seeds])
                words.append(f"{part} {mean:+.2f}" + ("" if len(seeds) < 2 else f" ± {deviation:.2f}"))
                if part == "validation":
                    # One seed says nothing of the spread; with several the gain must lie beyond its one-sided 95 % margin.
                    clear = abs(mean) > seed_margin(deviation, len(seeds))
                    if len(seeds) < 2:
                        verdict = "one seed, no verdict"
                    else:
                        verdict = ("a gain" if mean > 0 else "a loss") if clear else "no clear gain"
            yield f"{extractor}, {head} against softmax: {', '.join(words)} points ({counted(len(seeds), 'seed')}): {verdict}"
