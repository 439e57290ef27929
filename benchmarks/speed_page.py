"""Write `docs/speed.md` from what was measured: `python benchmarks/speed_page.py > docs/speed.md`.

Reads `benchmarks/results/`, those files that are there; what each script writes is named in `benchmarks/README.md`. Needs Python only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import textwrap
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
_NAMES = {"keras": "Keras", "torch": "PyTorch"}


def read(name: str) -> dict[str, Any] | None:
    """Return one file of results, None if it does not exist."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def machine(about: dict[str, Any]) -> str:
    """Return the machine and the versions of a measurement, in one sentence."""
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
    """Return the table of the time of one epoch, compared with the peers."""
    about = measured["about"]
    sides = list(about["peers"])
    titles = [f"{_NAMES[side]} / issun" for side in sides]
    lines = [
        f"| network | batch | parameters | issun, µs per image | share of the peak | {' | '.join(titles)} |",
        f"|---|---:|---:|---:|---:|{'---:|' * len(sides)}",
    ]
    for row in measured["cases"]:
        case, ours = row["case"], row["seconds"]["issun"]
        ratios = [
            spread([theirs / own for own, theirs in zip(ours, row["seconds"][side], strict=True)]) if side in row["seconds"] else "–"
            for side in sides
        ]
        size, each = "x".join(map(str, case["input"])), 1e6 * statistics.median(ours) / case["images"]
        cells = [f"`{case['network']}` ({size})", str(case["batch"]), f"{row['parameters']:,}", f"{each:.2f}"]
        cells += [f"{100 * row['share_of_peak']:.0f} %", *ratios]
        lines.append(f"| {' | '.join(cells)} |")
    peak = 2e-9 * about["multiply_adds_a_second"]
    text = (
        f"Time of one epoch of training with Adam, {about['threads']} threads for each library: the median of {about['rounds']} "
        "alternating rounds, with the range in brackets. A ratio of 2 means that the other library takes twice as long. The peak is "
        f"{peak:.0f} GFLOP/s of multiply-adds between registers, measured just before; the share counts only the multiply-adds that "
        "training needs. Keras and PyTorch ran in their fastest configuration."
    )
    return [text, "", *lines, "", machine(about)]


def sets_section(measured: dict[str, Any]) -> list[str]:
    """Return how the builds for other processors compare with Keras, which uses every instruction set of the machine."""
    lines = ["| network | issun's instruction set | issun, µs per image | Keras / issun |", "|---|---|---:|---:|"]
    for name, part in measured.items():
        for row in part["cases"]:
            ours, theirs = row["seconds"]["issun"], row["seconds"]["keras"]
            each = 1e6 * statistics.median(ours) / row["case"]["images"]
            ratio = spread([b / a for a, b in zip(ours, theirs, strict=True)])
            lines.append(f"| `{row['case']['network']}` | {name} | {each:.2f} | {ratio} |")
    text = "issun restricted to the instruction sets of older processors, on one machine. Keras uses every instruction set of the machine."
    return [text, "", *lines, "", machine(next(iter(measured.values()))["about"])]


def features_section(measured: dict[str, Any]) -> list[str]:
    """Return the time of extracting features, compared with Keras's `predict`."""
    lines = ["| network, without its classifier | issun, s | Keras, s | Keras / issun |", "|---|---:|---:|---:|"]
    for row in measured["cases"]:
        ours, theirs = row["seconds"]["issun"], row["seconds"]["keras"]
        ratio = spread([b / a for a, b in zip(ours, theirs, strict=True)])
        lines.append(
            f"| `{row['case']['network'].removesuffix(', dense')}` | {statistics.median(ours):.3f} | {statistics.median(theirs):.3f} "
            f"| {ratio} |"
        )
    images, threads = measured["cases"][0]["case"]["images"], measured["about"]["threads"]
    text = (
        f"Time to extract the features of {images:,} images of 28x28, {threads} threads for each library. Keras's `predict` uses the "
        "fastest of four batch sizes."
    )
    return [text, "", *lines, "", machine(measured["about"])]


def growth_section(measured: dict[str, Any]) -> list[str]:
    """Return how the time scales with the work."""
    text = (
        "The time of one epoch of `conv 2, conv 2, pool, conv 4, conv 4, pool, dense` against the number of images, the number of filters "
        "and the number of trials. A slope of 1 means that the time is proportional to the work. A few filters do not fill the registers, "
        "so a multiply-add costs less in larger networks."
    )
    return [text, "", "![Seconds against images, multiply-adds and trials](images/growth.png)", "", machine(measured["about"])]


def export_section(measured: dict[str, Any]) -> list[str]:
    """Return the time of one image in exported C."""
    lines = ["| network | program | µs per image |", "|---|---|---:|"]
    for row in measured["results"]:
        times = row["microseconds"]
        each = f"{statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})"
        lines.append(f"| `{row['network']}` | {row['side']} | {each} |")
    where = measured["machine"]
    text = (
        'Inference, one image at a time, on one core: the C that `issun export` writes, and onnxruntime called from Python. "A call of '
        'onnxruntime" is the overhead of such a call alone. Medians of nine rounds, with the range in brackets.'
    )
    return [text, "", *lines, "", f"{machine(where)[:-1]}; {where['compiler']}; onnxruntime {where['onnxruntime']}."]


def quantized_section(measured: dict[str, Any]) -> list[str]:
    """Return the accuracy that int8 costs, and the bytes of the compiled objects."""
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
    lines += ["", "| network | processor | number format | flash, bytes | RAM, bytes |", "|---|---|---|---:|---:|"]
    for network, (row, *_) in networks.items():
        for number in ("float32", "int8"):
            for target, found in row[f"bytes {number}"].items():
                if isinstance(found, dict):
                    lines.append(f"| `{network}` | {target} | {number} | {found['flash']:,} | {found['ram']:,} |")
    text = (
        "MNIST test accuracy in per cent, mean ± standard deviation over seeds. In brackets: the change from the same weights in float32. "
        "Fine-tuning chooses its epoch on validation. Flash and RAM are those of the compiled objects."
    )
    return [text, "", *lines, "", machine(measured["machine"])]


def points(values: list[float], sign: str = "") -> str:
    """Return mean and standard deviation of fractions, in per cent."""
    return f"{100 * statistics.mean(values):{sign}.2f} ± {100 * statistics.stdev(values):.2f}"


#: What `sweep_versus_torch.py --family` trains.
_FAMILIES = {
    "plain": "`conv a, conv a, pool, conv b, conv b, pool, dense` with a = 1..4, b = 1..6",
    "separable": "`conv a same norm, pool, sepconv b same norm, pool, res (sepconv b same norm), gap, dense` with a = 2, 4, 6, 8 and "
    "b = 4, 8, …, 24",
}


def sweep_section(measured: dict[str, Any]) -> list[str]:
    """Return the time of a whole sweep."""
    about = measured["about"]
    threads = about["threads"]
    ours, theirs, one = (statistics.median(measured[key]) for key in ("issun", "torch", "issun_one_thread"))
    ratios = [b / a for a, b in zip(measured["issun"], measured["torch"], strict=True)]
    work = 24 * about["epochs"]
    family = _FAMILIES[about.get("family", "plain")]
    text = (
        f"The sweep trains {family}: 24 networks on {about['images']:,} images, {about['epochs']} epoch each. issun trains "
        f"{work / ours:.1f} networks × epochs per second. PyTorch, in a pool of {threads} single-threaded processes, trains "
        f"{work / theirs:.1f}. The ratio is {spread(ratios)}. On {threads} threads issun takes {ours / one:.2f} times as long as on one."
    )
    return [text, "", machine(about)]


def _images(row: dict[str, Any]) -> str:
    return f"{row['images']:,}" if "images" in row else "all"


def parity_section(measured: dict[str, Any]) -> list[str]:
    """Return the comparison of accuracies."""
    lines = [
        "| data | network | images | epochs | seeds | issun | Keras | difference, points | tolerance, points |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    runs = [measured, *(run for name in ("parity-textbook", "parity-cifar", "parity-blocks") if (run := read(name)))]
    for row in (row for run in runs for row in run["cases"]):
        sides = [
            f"{100 * statistics.mean(row[side]):.2f} ± {100 * statistics.stdev(row[side]) / len(row[side]) ** 0.5:.2f} %"
            for side in ("issun", "keras")
        ]
        lines.append(
            f"| {row['data']} | `{row['network']}` | {_images(row)} | {row['epochs']} | {len(row['issun'])} | {' | '.join(sides)} "
            f"| {100 * row['apart']:+.2f} | {100 * row['allowed']:.2f} |"
        )
    where = list(dict.fromkeys(machine(run["about"]) for run in runs))
    text = (
        "Test accuracy with the same recipe in both libraries, mean ± standard error over seeds. The networks with separable convolutions "
        "and `norm` start from the same weights in both."
    )
    return [text, "", *lines, "", "  \n".join(where)]


def traffic_section(measured: dict[str, Any]) -> list[str]:
    """Return which share of its time the traffic of batch normalisation is."""
    lines = ["| network | issun, µs per image | traffic, µs | share | arithmetic, µs |", "|---|---:|---:|---:|---:|"]
    for row in measured["cases"]:
        each = 1e6 * statistics.median(row["seconds"]) / row["case"]["images"]
        traffic = 1e6 * row["bytes"] / statistics.median(row["bytes_a_second"])
        arithmetic = 1e6 * row["multiply_adds"] / statistics.median(row["multiply_adds_a_second"])
        lines.append(f"| `{row['case']['network']}` | {each:.2f} | {traffic:.2f} | {traffic / each:.2f} | {arithmetic:.2f} |")
    text = (
        "A batch normalisation needs the whole batch before it can go on, so its values leave a core's own caches. Traffic: the bytes that "
        f"must leave or return, at the speed at which {measured['about']['threads']} threads copy arrays of that size. All was measured in "
        "turn (`python benchmarks/floors.py --measure`)."
    )
    return [text, "", *lines, "", machine(measured["about"])]


def _sets() -> dict[str, Any]:
    """Return the files of `peers.py --isa`, by instruction set."""
    return {name: measured for name in ("avx2", "baseline") if (measured := read(f"peers-{name}"))}


def page() -> str:
    """Return the whole page."""
    lines = [
        "# Speed and accuracy compared with Keras and PyTorch",
        "",
        "This page compares the speed of issun, and the accuracy of its networks, with Keras, PyTorch and onnxruntime.",
        "",
        "Measure your own machine; Keras and PyTorch are compared if they are installed:",
        "",
        "```console",
        'issun bench "conv 2, pool, dense" --rounds 1 --images 1000',
        "```",
        "",
        "It prints the machine's peak, the time per image, the share of the peak that training reaches, and the ratios. In Python:",
        "",
        "```python",
        "import issun",
        "",
        'measured = issun.bench(["conv 2, pool, dense"], images=1000, rounds=1, peers=False)',
        'print(measured.instruction_set, measured.as_dict()["cases"])',
        "```",
        "",
        "All tables below come from `benchmarks/results/`; `python benchmarks/speed_page.py` writes this page. `benchmarks/README.md`",
        "explains each measurement and how to repeat it.",
    ]
    sections = (
        ("Training time compared with Keras and PyTorch", "peers", peers_section),
        ("Training time on another machine, with an earlier version of the core", "peers-epyc", peers_section),
        ("Older processors", "sets", sets_section),
        ("Batch normalisation and memory", "floors", traffic_section),
        ("A complete sweep", "sweep", sweep_section),
        ("A complete sweep of separable networks", "sweep-separable", sweep_section),
        ("Scaling", "growth", growth_section),
        ("Accuracy compared with Keras", "parity", parity_section),
        ("Feature extraction", "features", features_section),
        ("Exported C: time", "export", export_section),
        ("Exported C: int8", "quantized", quantized_section),
    )
    for title, name, section in sections:
        if measured := _sets() if name == "sets" else read(name):
            lines += ["", f"## {title}", "", *section(measured)]
    return "\n".join(part for line in lines for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    """Return a paragraph in lines of at most 140 characters; all else stays as it is."""
    if len(line) <= 140 or line.startswith("|"):
        return [line]
    return textwrap.wrap(line, 140, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # it has no options but --help
    print(page())
