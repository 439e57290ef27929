"""How long does one image take, on one core: the generated C against onnxruntime? `python benchmarks/export.py [--json FILE]`.

One image at a time, as a microcontroller or a web server would. The process is pinned to one core and onnxruntime gets one thread; the
weights are drawn at random, since the time does not depend on them. onnxruntime is called from Python; what such a call costs by itself is
measured with a graph that does nothing, and stands beside. The C loops over the images in C. The median of the rounds, and their range, in
microseconds for an image.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling
from issun.engine.weights import initialised
from issun.exporters.c.compile import Library, compiler, write_source
from issun.exporters.c.source import float_source, int8_source
from issun.exporters.check import noise
from issun.exporters.onnx_file import onnx_model
from issun.exporters.quantize import quantised
from issun.exporters.ranges import measured
from issun.model import Model
from issun.study.machine import machine

NETWORKS = (
    "conv 2, conv 2, pool, conv 4, conv 4, pool, dense",
    "conv 32, pool, conv 64, pool, conv 64, dense 64, dense",
)


def model_of(text: str) -> Model:
    """Return a network for MNIST with random weights."""
    net = parse_network(text, (28, 28, 1), 10)
    return Model(net, initialised(net, "he", 0), Scaling((1 / 255,), (0.0,)), tuple("0123456789"))


def session_of(model: object) -> Callable[[NDArray[np.uint8]], object]:
    """Return a function that runs an ONNX model on images, one by one, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.uint8]) -> None:
        for place in range(len(images)):
            session.run(None, {"images": images[place : place + 1]})

    return run


def nothing() -> object:
    """Return an ONNX model that gives back its images."""
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, ["N", 28, 28, 1]) for name in ("images", "same")]
    node = onnx.helper.make_node("Identity", ["images"], ["same"])
    opset = [onnx.helper.make_opsetid("", 14)]
    return onnx.helper.make_model(onnx.helper.make_graph([node], "nothing", value[:1], value[1:]), opset_imports=opset, ir_version=7)


def sides(model: Model, folder: Path) -> dict[str, Callable[[NDArray[np.uint8]], object]]:
    """Return what is compared, by name: each answers images one by one."""
    found = {"onnxruntime": session_of(onnx_model(model)), "a call of onnxruntime": session_of(nothing())}
    whole = quantised(model, measured(model, noise(model, 500)))
    for optimize in ("-O2", "-O3"):
        for number in ("float32", "int8"):
            place = folder / f"{number}{optimize}"
            place.mkdir()
            source = float_source(model, place / "net.c") if number == "float32" else int8_source(whole, place / "net.c")
            library = Library([(source, write_source(source, place)[0], model.net)], optimize)
            found[f"C, {number}, {optimize}"] = library.answers
    return found


def microseconds(run: Callable[[NDArray[np.uint8]], object], images: NDArray[np.uint8], rounds: int) -> list[float]:
    """Return the time of one image in each round, after a round that warms up."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        run(images)
        times.append(1e6 * (time.perf_counter() - began) / len(images))
    return times[1:]


def main() -> None:
    """Print a line for each network and side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = []
    for text in options.networks:
        model = model_of(text)
        print(f"{text}: {model.net.parameters:,} parameters, {model.net.macs:,} MACs")
        with tempfile.TemporaryDirectory() as folder:
            for name, run in sides(model, Path(folder)).items():
                times = microseconds(run, noise(model, options.images), options.rounds)
                print(f"  {name:<24}{statistics.median(times):9.1f} µs  ({min(times):.1f} to {max(times):.1f})")
                results.append({"network": text, "parameters": model.net.parameters, "side": name, "microseconds": times})
    if options.json:
        told = subprocess.run([str(compiler()), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        about = machine() | {"compiler": told, "onnxruntime": onnxruntime.__version__}
        options.json.write_text(json.dumps({"machine": about, "images": options.images, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
