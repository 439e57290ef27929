"""Does issun reach the same accuracy as Keras or PyTorch with the same recipe? `python benchmarks/parity.py --data-dir FOLDER --json FILE`

The same network, Adam at a constant rate of 0.001, the batch of 128 and as many epochs on both sides, ten times:
both start from the same Glorot weights (Keras's own differ for depthwise kernels), and shuffle in orders of their own. The mean test
accuracies are compared. They agree when they differ by no more than the points allowed for the case, or by twice the standard error of the
difference, whichever is larger: else the exit code is 1. The test images choose nothing.
The peer is Keras; PyTorch for a network with `groups`, whose gradients TensorFlow computes on a CPU only after minutes of compilation.
Needs Keras on TensorFlow and PyTorch beside issun.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

try:
    import tensorflow as tf
    import torch
except ImportError as error:
    sys.exit(f"{Path(__file__).name} needs Keras, TensorFlow and PyTorch ({error}): pip install -r benchmarks/requirements-peers.txt")

from numpy.typing import NDArray
from torch.nn import functional

from issun import load
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine import NativeEngine, Scaling, State, scaling_for, threads_available
from issun.engine.weights import as_tensors, initialised
from issun.exporters.keras.network import set_weights
from issun.exporters.torch.file import state_of
from issun.model import Model
from issun.randomness import shuffled
from issun.recipe import Recipe
from issun.study.machine import machine
from issun.timing.keras_side import KerasTraining, Setup, largest_difference
from issun.timing.torch_side import torch_model


class TorchTraining:
    """A network as PyTorch's module from issun's first weights, with its data; images are float32 (N, height, width, channels)."""

    def __init__(
        self, net: Net, recipe: Recipe, images: NDArray[np.float32], labels: NDArray[np.int32], scaling: Scaling, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self._module = torch_model(net)
        names = tuple(str(number) for number in range(net.classes))
        state = state_of(Model(net, initialised(net, "glorot", seed), scaling, names))
        self._module.load_state_dict(state, strict=False)  # issun counts no batches
        self._images, self._labels, self._batch = _channels_first(images), torch.from_numpy(labels).long(), recipe.batch_size
        rates = (recipe.beta_1, recipe.beta_2)
        self._optimizer = torch.optim.Adam(self._module.parameters(), recipe.learning_rate, rates, recipe.epsilon, fused=True)

    def train(self, epochs: int) -> None:
        """Train for some epochs."""
        self._module.train()
        for _ in range(epochs):
            for chosen in torch.randperm(len(self._labels)).split(self._batch):
                self._optimizer.zero_grad(set_to_none=True)
                functional.cross_entropy(self._module(self._images[chosen]), self._labels[chosen]).backward()
                self._optimizer.step()

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of images."""
        self._module.eval()
        with torch.inference_mode():
            found: NDArray[np.float32] = torch.cat([self._module(batch) for batch in _channels_first(images).split(1000)]).numpy()
        return found

    def accuracy(self, images: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
        """Return the fraction of images that the module classifies correctly."""
        return float((self.logits(images).argmax(axis=1) == labels).mean())


def _channels_first(images: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class Case:
    """What is trained for how long beside what, how many points apart the two may be, and on how many images: the first ones, or all."""

    data: str
    network: str
    epochs: int
    points: float
    images: int | None = None
    peer: str = "Keras"


CASES = (
    Case("mnist", "conv 8, conv 8, pool, conv 16, conv 16, pool, dense", 5, 0.15),
    Case("mnist", "conv 32, pool, conv 64, pool, conv 64, dense 64, dense", 5, 0.15),
    Case("cifar10", "conv 10, pool, dense 256, drop 0.4, dense", 10, 1.0),
    Case(
        "mnist",
        "conv 6 same leaky 0.2 norm image, pool, sepconv 5 same leaky 0.2 norm image, pool, sepconv 9 same leaky 0.2 norm image, "
        "sepconv 10 same leaky 0.2 norm image, pool, sepconv 8 leaky 0.2, gap, dense",
        5,
        0.3,
    ),
    Case(
        "mnist",
        "conv 8, norm layer one, pool, sepconv 26, norm layer one, tied 3 (sepconv 26 same, norm layer one), gap, dense 16, "
        "norm layer one, dense",
        8,
        0.3,
        12_800,
    ),
    Case(
        "cifar10",
        "conv 16 same norm silu, pool, concat (conv 8 1x1 silu | conv 16 same groups 4 elu), gate (gap, dense 6, dense 24 linear), "
        "res scaled (conv 24 same groups 3 rational), pool, tied 2 (sepconv 24 same norm), gap, dense",
        8,
        1.0,
        12_800,
        "PyTorch",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=10, help="trainings of each side, at least 2")
    parser.add_argument("--only", help="cases whose network contains the text")
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds must be at least 2")
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    import keras

    about = machine() | {
        "peer": f"Keras {keras.__version__} on TensorFlow {tf.__version__}; PyTorch {torch.__version__}",
        "started": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }
    results = []
    for case in CASES:
        if arguments.only and arguments.only not in case.network:
            continue
        results.append(compared(case, arguments))
        if arguments.json:  # a long run that is stopped keeps what it has
            arguments.json.write_text(json.dumps({"about": about, "cases": results}, indent=1) + "\n")
    return 0 if all(result["agree"] for result in results) else 1


def compared(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train both sides from every seed; print and return their test accuracies and whether they agree."""
    dataset = load(case.data, arguments.data_dir)
    images, labels = dataset.images[: case.images], dataset.labels[: case.images]
    net = parse_network(case.network, dataset.input, len(dataset.classes))
    recipe = Recipe(optimizer="adam", learning_rate=0.001, schedule="constant", batch_size=128, epochs=case.epochs, initializer="glorot")
    order = np.arange(len(images))
    floats, test = (part.astype(np.float32) / np.float32(255) for part in (images, dataset.test_images))
    scaling = scaling_for(recipe, images, order)
    engine = NativeEngine(net, recipe, scaling, arguments.threads)
    logits = engine.logits(initialised(net, "glorot", 1), images, order[:64])
    if case.peer == "Keras":
        difference = largest_difference(net, floats[:64], logits, 1)
    else:
        found = TorchTraining(net, recipe, floats[:64], labels[:64], scaling, 1).logits(floats[:64])
        difference = float(np.abs(found - logits).max() / np.abs(logits).max())
    if not difference < 1e-4:
        sys.exit(f"`{net}`: from the same weights {case.peer}'s logits differ from issun's by {difference:.1e} of the largest")
    ours: list[float] = []
    theirs: list[float] = []
    for seed in range(arguments.seeds):
        state = State.start(net, recipe, seed)
        for _ in range(recipe.epochs):
            engine.train_epoch(state, images, labels, shuffled(order, seed, state.epoch), seed)
        found = engine.logits(state.weights, dataset.test_images, np.arange(len(test)))
        ours.append(float((found.argmax(axis=1) == dataset.test_labels).mean()))
        training: KerasTraining | TorchTraining
        if case.peer == "Keras":
            training = KerasTraining(net, recipe, floats, labels, Setup(), seed)
            set_weights(training.model, net, as_tensors(net, initialised(net, "glorot", seed)))
        else:
            training = TorchTraining(net, recipe, floats, labels, scaling, seed)
        training.train(recipe.epochs)
        theirs.append(training.accuracy(test, dataset.test_labels))
        print(f"seed {seed}: issun {ours[-1]:.2%}, {case.peer} {theirs[-1]:.2%}", flush=True)
    errors = [statistics.stdev(values) / math.sqrt(len(values)) for values in (ours, theirs)]
    apart = statistics.mean(ours) - statistics.mean(theirs)
    allowed = max(case.points / 100, 2 * math.hypot(*errors))
    agree = abs(apart) <= allowed
    print(f"{net}: test accuracy on {case.data} after {recipe.epochs} epochs, mean ± standard error over {arguments.seeds} seeds")
    print(f"  issun   {statistics.mean(ours):.2%} ± {errors[0]:.2%}")
    print(f"  {case.peer:<8}{statistics.mean(theirs):.2%} ± {errors[1]:.2%}")
    print(f"  {100 * apart:+.2f} points apart, allowed {100 * allowed:.2f}: {'they agree' if agree else 'they DIFFER'}\n", flush=True)
    return {
        "data": case.data,
        "network": str(net),
        "epochs": case.epochs,
        "images": len(images),
        "issun": ours,
        case.peer.lower(): theirs,
        "apart": apart,
        "allowed": allowed,
        "points": case.points,
        "agree": agree,
    }


if __name__ == "__main__":
    sys.exit(main())
