"""Write `docs/speed.md` from what was measured: `python benchmarks/speed_page.py > docs/speed.md`.

Reads `benchmarks/results/times.json` and `accuracies.json`, which `versus_keras.py --json` writes. Needs nothing but Python.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def machine(about: dict[str, Any]) -> str:
    """Return on what, with what and when something was measured, in one sentence."""
    versions = about["versions"]
    return (
        f"{about['processor']}, {about['threads']} threads on each side, {about['instruction set']}; issun {versions['issun']}, Keras "
        f"{versions['keras']} on TensorFlow {versions['tensorflow']}, Python {versions['python']}; {about['time']}."
    )


def times_table(measured: dict[str, Any]) -> list[str]:
    """Return the table of epoch times, one line a network."""
    images = measured["about"]["images"]
    lines = [
        f"| network | parameters | issun, s | Keras, s | Keras / issun | range of {len(measured['times'][0]['issun_seconds'])} rounds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in measured["times"]:
        ours, theirs = statistics.median(row["issun_seconds"]), statistics.median(row["keras_seconds"])
        lines.append(
            f"| `{row['network']}` | {row['parameters']:,} | {ours:.3f} | {theirs:.3f} | **{row['ratio']:.1f}** "
            f"| {row['ratio_min']:.1f} to {row['ratio_max']:.1f} |"
        )
    return [f"Seconds for one training epoch over {images:,} MNIST images, batch 128, Adam; medians.", "", *lines]


def accuracies_table(measured: dict[str, Any]) -> list[str]:
    """Return the comparison of accuracies."""
    lines = ["| network | issun | Keras | difference | allowed |", "|---|---:|---:|---:|---:|"]
    for row in measured["accuracies"]:
        sides = [
            f"{100 * statistics.mean(row[side]):.2f} ± {100 * statistics.stdev(row[side]) / len(row[side]) ** 0.5:.2f} %"
            for side in ("issun", "keras")
        ]
        lines.append(f"| `{row['network']}` | {sides[0]} | {sides[1]} | {100 * row['difference']:+.2f} | {100 * row['allowed']:.2f} |")
    seeds = len(measured["accuracies"][0]["issun"])
    epochs = measured["about"]["recipe"]["epochs"]
    return [f"Test accuracy after {epochs} epochs on all of MNIST, mean ± standard error over {seeds} seeds, in points.", "", *lines]


def page() -> str:
    """Return the whole page."""
    times = json.loads((RESULTS / "times.json").read_text())
    accuracies = json.loads((RESULTS / "accuracies.json").read_text())
    lines = [
        "# How fast, and as good?",
        "",
        "Made from `benchmarks/results/` by `python benchmarks/speed_page.py`; how it was measured, and how to repeat it on your machine,",
        "stands in `benchmarks/README.md`.",
        "",
        "## Training time beside Keras",
        "",
        *times_table(times),
        "",
        machine(times["about"]),
        "",
        "## Accuracy beside Keras",
        "",
        *accuracies_table(accuracies),
        "",
        "Two engines agree here when the difference is at most 0.3 points or twice its standard error, whichever is larger.",
        "",
        machine(accuracies["about"]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())
