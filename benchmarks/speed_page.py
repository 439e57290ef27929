"""Write `docs/speed.md` from what was measured: `python benchmarks/speed_page.py > docs/speed.md`.

Reads `benchmarks/results/`, those files that are there; what each script writes is named in `benchmarks/README.md`. Needs Python only.
"""

from __future__ import annotations

import argparse
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


def sets_section(measured: dict[str, Any]) -> list[str]:
    """Return how the builds for other processors compare with Keras, which uses whatever the machine has."""
    lines = ["| network | issun's instruction set | issun, µs an image | Keras / issun |", "|---|---|---:|---:|"]
    for name, part in measured.items():
        for row in part["cases"]:
            ours, theirs = row["seconds"]["issun"], row["seconds"]["keras"]
            each = 1e6 * statistics.median(ours) / row["case"]["images"]
            ratio = spread([b / a for a, b in zip(ours, theirs, strict=True)])
            lines.append(f"| `{row['case']['network']}` | {name} | {each:.2f} | {ratio} |")
    text = "The builds for older processors on the same machine, Keras with all that the machine has:"
    return [text, "", *lines, "", machine(next(iter(measured.values()))["about"])]


def features_section(measured: dict[str, Any]) -> list[str]:
    """Return what extracting features takes beside Keras's `predict`."""
    lines = ["| network, without its classifier | issun, s | Keras, s | Keras / issun | at least |", "|---|---:|---:|---:|---:|"]
    for row in measured["cases"]:
        ours, theirs = row["seconds"]["issun"], row["seconds"]["keras"]
        ratio = spread([b / a for a, b in zip(ours, theirs, strict=True)])
        lines.append(
            f"| `{row['case']['network'].removesuffix(', dense')}` | {statistics.median(ours):.3f} | {statistics.median(theirs):.3f} "
            f"| {ratio} | {row['least']:g} |"
        )
    images, threads = measured["cases"][0]["case"]["images"], measured["about"]["threads"]
    text = f"The features of {images:,} images of 28x28, {threads} threads each; Keras's `predict` in the fastest of four batch sizes."
    return [text, "", *lines, "", machine(measured["about"])]


def growth_section(measured: dict[str, Any]) -> list[str]:
    """Return how the time grows with the work."""
    text = (
        "One epoch of `conv 2, conv 2, pool, conv 4, conv 4, pool, dense` over more and more images; of the same network with more "
        "and more filters; more and more trials of it. Where the time grows as the work does, the slope of a line is 1; few filters fill "
        "the registers badly, so that the multiply-adds of larger networks are cheaper."
    )
    return [text, "", "![Seconds against images, multiply-adds and trials](images/growth.png)", "", machine(measured["about"])]


def export_section(measured: dict[str, Any]) -> list[str]:
    """Return what one image takes in the C that is exported."""
    lines = ["| network | side | µs an image |", "|---|---|---:|"]
    for row in measured["results"]:
        times = row["microseconds"]
        each = f"{statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})"
        lines.append(f"| `{row['network']}` | {row['side']} | {each} |")
    where = measured["machine"]
    text = (
        "Inference, one image at a time, on one core: the C that `issun export` writes beside onnxruntime, called from Python; what such a "
        "call takes by itself stands beside it. Medians of nine rounds, and their range."
    )
    return [text, "", *lines, "", f"{machine(where)[:-1]}; {where['compiler']}; onnxruntime {where['onnxruntime']}."]


def quantized_section(measured: dict[str, Any]) -> list[str]:
    """Return what int8 costs, and the bytes of compiled objects."""
    lines = ["| network | seeds | float32 | int8 | int8, fine-tuned |", "|---|---:|---:|---:|---:|"]
    networks: dict[str, list[dict[str, Any]]] = {}
    for row in measured["results"]:
        networks.setdefault(row["network"], []).append(row)
    for network, rows in networks.items():
        cells = [points([row["float32"] for row in rows])]
        for kind in ("int8", "int8 fine-tuned"):
            change = points([row[kind] - row["float32"] for row in rows], "+")
            cells.append(f"{points([row[kind] for row in rows])} ({change})")
        lines.append(f"| `{network}` | {len(rows)} | {' | '.join(cells)} |")
    lines += ["", "| network | processor | number | flash, bytes | RAM, bytes |", "|---|---|---|---:|---:|"]
    for network, (row, *_) in networks.items():
        for number in ("float32", "int8"):
            for target, found in row[f"bytes {number}"].items():
                if isinstance(found, dict):
                    lines.append(f"| `{network}` | {target} | {number} | {found['flash']:,} | {found['ram']:,} |")
    text = (
        "MNIST test accuracy in per cent, mean ± standard deviation over seeds, in brackets the change from the same weights in float32; "
        "fine-tuning chose its epoch on validation. Bytes are those of the compiled objects."
    )
    return [text, "", *lines, "", machine(measured["machine"])]


def points(values: list[float], sign: str = "") -> str:
    """Return mean and standard deviation of fractions, in per cent."""
    return f"{100 * statistics.mean(values):{sign}.2f} ± {100 * statistics.stdev(values):.2f}"


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
    runs = [measured, *(run for name in ("parity-textbook", "parity-cifar") if (run := read(name)))]
    for row in (row for run in runs for row in run["cases"]):
        sides = [
            f"{100 * statistics.mean(row[side]):.2f} ± {100 * statistics.stdev(row[side]) / len(row[side]) ** 0.5:.2f} %"
            for side in ("issun", "keras")
        ]
        lines.append(
            f"| {row['data']} | `{row['network']}` | {row['epochs']} | {len(row['issun'])} | {' | '.join(sides)} "
            f"| {100 * row['apart']:+.2f} | {100 * row['allowed']:.2f} |"
        )
    where = list(dict.fromkeys(machine(run["about"]) for run in runs))
    return ["Test accuracy with the same recipe, mean ± standard error over seeds.", "", *lines, "", "  \n".join(where)]


def _sets() -> dict[str, Any]:
    """Return the files of `peers.py --isa`, by instruction set."""
    return {name: measured for name in ("avx2", "baseline") if (measured := read(f"peers-{name}"))}


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
        ("The same on another machine, before the last changes to the core", "peers-epyc", peers_section),
        ("Older processors", "sets", sets_section),
        ("A whole sweep", "sweep", sweep_section),
        ("Growth", "growth", growth_section),
        ("Accuracy beside Keras", "parity", parity_section),
        ("Features", "features", features_section),
        ("Handed over: the C that is exported", "export", export_section),
        ("Handed over: eight bits", "quantized", quantized_section),
    )
    for title, name, section in sections:
        if measured := _sets() if name == "sets" else read(name):
            lines += ["", f"## {title}", "", *section(measured)]
    return "\n".join(lines)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # it has no options but --help
    print(page())
