"""Write `docs/speed.md` from what was measured: `python benchmarks/speed_page.py > docs/speed.md`.

Reads `benchmarks/results/`: `peers.json`, `sweep.json` and `parity.json`, those that are there. Needs nothing but Python.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
_NAMES = {"keras": "Keras", "torch": "PyTorch"}


def read(name: str) -> dict[str, Any] | None:
    """Return one file of results, None where it is not there."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def machine(about: dict[str, Any]) -> str:
    """Return on what and with what something was measured, in one sentence."""
    peers = "; ".join(f"{_NAMES[side]} {version}" for side, version in about.get("peers", {}).items())
    extra = [about[key] for key in ("instruction_set", "peer") if about.get(key)] + ([peers] if peers else [])
    versions = f"issun {about['versions']['issun']}, Python {about['versions']['python']}"
    parts = [f"{about['processor']}, {about['cores']} cores", *extra, versions, *([about["started"]] if "started" in about else [])]
    return "; ".join(parts) + "."


def spread(ratios: list[float]) -> str:
    """Return median and range."""
    digits = 0 if statistics.median(ratios) >= 20 else 1
    return f"**{statistics.median(ratios):.{digits}f}** ({min(ratios):.{digits}f} to {max(ratios):.{digits}f})"


def peers_section(measured: dict[str, Any]) -> list[str]:
    """Return the table of one epoch's time beside the peers."""
    about = measured["about"]
    sides = list(about["peers"])
    titles = [f"{_NAMES[side]} / issun" for side in sides]
    lines = [
        f"| network | batch | parameters | issun, µs an image | of the peak | {' | '.join(titles)} | Keras / issun asked, aim |",
        f"|---|---:|---:|---:|---:|{'---:|' * len(sides)}---:|",
    ]
    for row in measured["cases"]:
        case, ours = row["case"], row["seconds"]["issun"]
        ratios = [
            spread([theirs / own for own, theirs in zip(ours, row["seconds"][side], strict=True)]) if side in row["seconds"] else "–"
            for side in sides
        ]
        size, each = "x".join(map(str, case["input"])), 1e6 * statistics.median(ours) / case["images"]
        cells = [f"`{case['network']}` ({size})", str(case["batch"]), f"{row['parameters']:,}", f"{each:.2f}"]
        cells += [f"{100 * row['share_of_peak']:.0f} %", *ratios, f"{row['least']:g}, {row['aim']:g}"]
        lines.append(f"| {' | '.join(cells)} |")
    peak = 2e-9 * about["multiply_adds_a_second"]
    text = (
        f"One epoch of training on {about['threads']} threads each, Adam, medians of {about['rounds']} rounds in turn, the range beside "
        f"them. The peak is {peak:.0f} GFLOP/s of multiply-adds between registers, measured just before; the share counts the "
        "multiply-adds that training needs and nothing else. Keras and PyTorch ran in the fastest of their setups."
    )
    return [text, "", *lines, "", machine(about)]


def sweep_section(measured: dict[str, Any]) -> list[str]:
    """Return what a whole sweep takes."""
    about = measured["about"]
    threads = about["threads"]
    ours, theirs, one = (statistics.median(measured[key]) for key in ("issun", "torch", "issun_one_thread"))
    ratios = [b / a for a, b in zip(measured["issun"], measured["torch"], strict=True)]
    work = 24 * about["epochs"]
    text = (
        "`conv a, conv a, pool, conv b, conv b, pool, dense`, a = 1..4, b = 1..6: 24 networks over "
        f"{about['images']:,} images, {about['epochs']} epoch each. issun: {work / ours:.1f} networks x epochs a second; PyTorch, a pool "
        f"of {threads} processes of one thread: {work / theirs:.1f}; the ratio is {spread(ratios)}. On {threads} threads issun takes "
        f"{ours / one:.2f} of its time on one."
    )
    return [text, "", machine(about)]


def parity_section(measured: dict[str, Any]) -> list[str]:
    """Return the comparison of accuracies."""
    lines = ["| data | network | epochs | seeds | issun | Keras | apart, points | allowed |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    for row in measured["cases"]:
        sides = [
            f"{100 * statistics.mean(row[side]):.2f} ± {100 * statistics.stdev(row[side]) / len(row[side]) ** 0.5:.2f} %"
            for side in ("issun", "keras")
        ]
        lines.append(
            f"| {row['data']} | `{row['network']}` | {row['epochs']} | {len(row['issun'])} | {' | '.join(sides)} "
            f"| {100 * row['apart']:+.2f} | {100 * row['allowed']:.2f} |"
        )
    return ["Test accuracy with the same recipe, mean ± standard error over seeds.", "", *lines, "", machine(measured["about"])]


def page() -> str:
    """Return the whole page."""
    lines = [
        "# How fast, and as good?",
        "",
        "Made from `benchmarks/results/` by `python benchmarks/speed_page.py`; how it was measured, and how to repeat it on your machine,",
        "stands in `benchmarks/README.md`. `issun bench` measures your own machine.",
    ]
    sections = (
        ("Training time beside Keras and PyTorch", "peers", peers_section),
        ("A whole sweep", "sweep", sweep_section),
        ("Accuracy beside Keras", "parity", parity_section),
    )
    for title, name, section in sections:
        if measured := read(name):
            lines += ["", f"## {title}", "", *section(measured)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())
