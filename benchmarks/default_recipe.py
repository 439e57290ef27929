"""Candidates for the default recipe, compared on validation over kinds of images, amounts of them and sizes of networks.

    python benchmarks/default_recipe.py cause  --data-dir FOLDER --hands sign-digits-48.npz --output FOLDER
    python benchmarks/default_recipe.py screen --data-dir FOLDER --hands sign-digits-48.npz --output FOLDER
    python benchmarks/default_recipe.py final  --data-dir FOLDER --hands sign-digits-48.npz --output FOLDER
    python benchmarks/default_recipe.py paired --data-dir FOLDER --output FOLDER
    python benchmarks/default_recipe.py table benchmarks/results/default_recipe_screen.csv

`cause` changes one factor of the recipe that was the default before, on photographs of hands, ten seeds each, and counts filters that are
0 for every image. `screen` trains every candidate on every problem (images, four networks, three seeds); `final` the finalists with five
other seeds; `paired` the finalists and the default before, on digits, MNIST and CIFAR-10, with the same five seeds each. Every trial goes
into a study in FOLDER, and a command that was stopped goes on. Each writes a CSV to `benchmarks/results`; `table` prints, for each
candidate, how far it stays behind the best candidate of the same problem and network. No test figure is read.

The folder of data holds `mnist.npz` and `cifar10.npz` in Keras's layout; the hands are an archive of `x`, uint8 (N, 48, 48, 3), and `y`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

import issun.training
from issun import Study, load
from issun.arch.net import Net
from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset, Split
from issun.engine import Scaling, State, scaling_for
from issun.extraction.extractor import OperationValues
from issun.recipe import Recipe
from issun.study.plan import DataFacts, plan
from issun.study.store import Store
from issun.study.workers import run
from issun.training import Outcome, train_network

RESULTS = Path(__file__).parent / "results"

#: The settings that every candidate names, so that it stays what it is when the default changes.
BEFORE: dict[str, Any] = {"scaling": "unit", "initializer": "glorot", "optimizer": "adam", "learning_rate": 0.005, "warmup": 0.1}
STANDARD = BEFORE | {"scaling": "standard"}

#: Images that a data-dependent start looks at.
LOOKED_AT = 256


@dataclass(frozen=True)
class Candidate:
    """A way to train: settings of a recipe, and what else is done to the weights before the first step."""

    settings: dict[str, Any]
    start: str = "drawn"


CANDIDATES = {
    "unit (before)": Candidate(BEFORE),
    "standard": Candidate(STANDARD),
    "standard, he": Candidate(STANDARD | {"initializer": "he"}),
    "standard, rate 0.003": Candidate(STANDARD | {"learning_rate": 0.003}),
    "standard, warm-up 0.2": Candidate(STANDARD | {"warmup": 0.2}),
    "standard, orthogonal": Candidate(STANDARD | {"initializer": "orthogonal"}),
    "standard, channels started": Candidate(STANDARD, "channels"),
    "standard, orthogonal, LSUV": Candidate(STANDARD | {"initializer": "orthogonal"}, "layers"),
}

BEFORE_NAME = "unit (before)"

#: The two that stayed behind least on the average in the screening.
FINALISTS = ("standard", "standard, orthogonal")

#: One factor at a time, for `cause`.
FACTORS = {
    "before": Candidate(BEFORE),
    "centred only": Candidate(BEFORE, "centred"),
    "deviation 1 only": Candidate(BEFORE, "stretched"),
    "standard": Candidate(STANDARD),
    "he": Candidate(BEFORE | {"initializer": "he"}),
    "rate 0.002": Candidate(BEFORE | {"learning_rate": 0.002}),
    "warm-up 0.3": Candidate(BEFORE | {"warmup": 0.3}),
    "gradient clipped at 1": Candidate(BEFORE | {"clip_norm": 1.0}),
    "channels started": Candidate(BEFORE, "channels"),
}

_PLAIN = (
    "conv 2, conv 2, pool, conv 4, conv 4, pool, dense",
    "conv 4, pool, conv 8, pool, conv 16, gap, dense",
    "conv 8 norm, pool, conv 16 norm, pool, conv 32 norm, gap, dense",
    "conv 16, pool, conv 32, pool, dense 256, dense",
)
_DIGITS = (
    "conv 2 same, pool, dense",
    "conv 4 same, pool, conv 8 same, gap, dense",
    "conv 8 same norm, pool, conv 16 same norm, gap, dense",
    "conv 32 same, conv 64 same, pool, dense 128, dense",
)
_HANDS = ("conv n, pool, conv 2n, pool, conv 4n, gap, dense", "n=2..8*2")


@dataclass(frozen=True)
class Problem:
    """Images to train on, and networks: `images` of the training part are trained on, and up to `aside` more are watched."""

    name: str
    data: str
    images: int
    aside: int
    networks: tuple[str, ...] = _PLAIN
    size: int | None = None
    gray: bool = False
    change: Callable[[NDArray[np.uint8]], NDArray[np.float64]] | None = None


PROBLEMS = (
    Problem("digits", "digits", 1_150, 287, _DIGITS),
    Problem("mnist-1000", "mnist", 1_000, 5_000),
    Problem("mnist-5000", "mnist", 5_000, 5_000),
    Problem("cifar10-5000", "cifar10", 5_000, 5_000),
    Problem("hands-48-grey", "hands", 1_238, 413, gray=True),
    Problem("hands-24-colour", "hands", 1_238, 413, size=24),
    Problem("hands-48-colour-400", "hands", 400, 1_200),
    Problem("photos-bright-1000", "cifar10", 1_000, 5_000, change=lambda pixels: 160 + pixels * (95 / 255)),
    Problem("photos-dark-300", "cifar10", 300, 5_000, change=lambda pixels: pixels * 0.25),
    Problem("photos-pale-2000", "cifar10", 2_000, 5_000, change=lambda pixels: 100 + pixels * 0.2),
)

#: For the pairs: all images, and fewer for the largest networks.
PAIRED = (
    Problem("digits, all", "digits", 10**6, 0, _DIGITS),
    Problem(
        "mnist, all",
        "mnist",
        10**6,
        0,
        (
            "conv 2, conv 2, pool, conv 4, conv 4, pool, dense",
            "conv 8, conv 8, pool, conv 16, conv 16, pool, dense",
            "pool, dense 32, dense 32, dense",
        ),
    ),
    Problem("mnist-10000", "mnist", 10_000, 1_000, ("conv 32, pool, conv 64, pool, conv 64, dense 64, dense",)),
    Problem(
        "cifar10, all",
        "cifar10",
        10**6,
        0,
        (
            "conv 4, pool, conv 4, pool, conv 4, pool, dense",
            "conv 8, conv 8, pool, conv 16, conv 16, pool, dense",
            "conv 8 norm, pool, conv 16 norm, pool, conv 32 norm, gap, dense",
        ),
    ),
    Problem("cifar10-5000, large", "cifar10", 5_000, 5_000, ("conv 10, pool, dense 256, drop 0.4, dense",)),
)


def images_of(problem: Problem, arguments: argparse.Namespace) -> Dataset:
    """Return the images of a problem, changed as it says."""
    data = load(str(arguments.hands) if problem.data == "hands" else problem.data, arguments.data_dir)
    total = problem.images + problem.aside
    if total < len(data.images):
        _, chosen = Split(total / len(data.images), seed=1).indices(data.labels, data.classes)
        data = replace(data, images=data.images[chosen], labels=data.labels[chosen], files=())
    images, test = (prepared(part, problem) for part in (data.images, data.test_images))
    return replace(data, name=problem.name, images=images, test_images=test)


def prepared(images: NDArray[np.uint8], problem: Problem) -> NDArray[np.uint8]:
    """Return images grey, smaller, brighter or paler, as the problem asks."""
    if problem.change is not None:
        return np.rint(problem.change(images)).astype(np.uint8)
    if not problem.gray and problem.size is None:
        return images
    changed = []
    for pixels in images:
        picture = Image.fromarray(pixels)
        picture = picture.convert("L") if problem.gray else picture
        side = problem.size or picture.height
        picture = picture if side == picture.height else picture.resize((side, side), Image.Resampling.BOX)
        changed.append(np.asarray(picture).reshape(side, side, -1))
    return np.stack(changed)


def started(net: Net, recipe: Recipe, seed: int, images: NDArray[np.uint8], train: NDArray[np.int64], how: str, scaling: Scaling) -> State:
    """Return the state before the first step, where the start looks at training images.

    ``channels`` gives every filter and unit mean 0 and deviation 1 over images and positions, before its activation (Krähenbühl et al.
    2016, within-channel); ``layers`` every layer deviation 1 as a whole (Mishkin & Matas 2016). Layers with `norm` and the classifier
    stay as they were drawn.
    """
    state = State.start(net, recipe, seed)
    if how not in ("channels", "layers"):
        return state
    looked = np.ascontiguousarray(train[:: max(1, len(train) // LOOKED_AT)][:LOOKED_AT])
    own: dict[int, dict[str, Any]] = {}
    for tensor in net.tensors:
        own.setdefault(tensor.op, {})[tensor.role] = tensor
    for row in net.ops[:-1]:
        if not {"kernel", "bias"} <= own.get(row.index, {}).keys():
            continue
        kernel, bias = own[row.index]["kernel"], own[row.index]["bias"]
        values = values_of(net, row.index, True, state.weights, images, looked, scaling)
        deviation = values.std(axis=0) if how == "channels" else np.full(values.shape[1], values.std())
        deviation = np.maximum(deviation, 1e-6)
        state.weights[kernel.slice].reshape(len(deviation), -1)[:] /= deviation[:, None]
        if how == "channels":
            state.weights[bias.slice] = (state.weights[bias.slice] - values.mean(axis=0)) / deviation
    return state


def values_of(
    net: Net, row: int, before: bool, weights: NDArray[np.float32], images: NDArray[np.uint8], some: NDArray[np.int64], scaling: Scaling
) -> NDArray[np.float64]:
    """Return the values of a row, shape (images × positions, channels)."""
    activation = net.ops[row].activation
    core = OperationValues(net, row, before and activation.kind != "linear", scaling)
    out = np.empty((len(some), core.size), np.float32)
    core.compute(weights, images, some, out)
    return out.reshape(-1, net.ops[row].output[-1]).astype(np.float64)


def trainer(how: str) -> Callable[..., Outcome]:
    """Return what trains one network with a start of this kind, in place of `issun.training.train_network`."""

    def train(
        net: Net, recipe: Recipe, dataset: Dataset, split: Split, seed: int, *, state: State | None = None, **options: Any
    ) -> Outcome:
        if state is None:
            part, _ = dataset.parts(split)
            state = started(net, recipe, seed, dataset.images, part, how, scaling_for(recipe, dataset.images, part))
        return train_network(net, recipe, dataset, split, seed, state=state, **options)

    return train


def half_standard(how: str) -> Callable[..., Scaling]:
    """Return an input scaling that does one half of what ``standard`` does: ``centred`` or ``stretched``."""

    def scaling(recipe: Recipe, images: NDArray[np.uint8], indices: NDArray[np.int64]) -> Scaling:
        whole = scaling_for(recipe.model_copy(update={"scaling": "standard"}), images, indices)
        if how == "stretched":
            return Scaling(whole.factor, tuple(0.0 for _ in whole.factor))
        return Scaling(tuple(1 / 255 for _ in whole.factor), tuple(o / f / 255 for f, o in zip(whole.factor, whole.offset, strict=True)))

    return scaling


def studied(
    problem: str, dataset: Dataset, split: Split, networks: Sequence[str], name: str, candidate: Candidate, seeds: range, output: Path
) -> Study:
    """Return the study of one candidate on one problem; what it lacks is trained."""
    path = output / f"{problem}, {name}, seeds {seeds.start} to {seeds.stop - 1}.sqlite"
    recipe = Recipe.for_images(len(dataset.parts(split)[0]), **candidate.settings)
    halved = candidate.start in ("centred", "stretched")
    issun.training.scaling_for = half_standard(candidate.start) if halved else scaling_for  # type: ignore[attr-defined]
    with Store(path, DataFacts.of(dataset)) as store:
        trials = plan(bind_arguments(list(networks)), dataset, recipe, split, seeds)
        run(trials, dataset, store, command="benchmarks/default_recipe.py", train=trainer(candidate.start))
    issun.training.scaling_for = scaling_for  # type: ignore[attr-defined]
    print(f"{problem}: {name}", file=sys.stderr, flush=True)
    return Study(path)


def lines_of(study: Study, problem: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield one line of the table for each trial."""
    frame = study.trials_dataframe().sort_values(["parameters", "network", "seed"])
    for row in frame.itertuples():
        last = study.history(row.network, row.seed).iloc[-1]
        yield {
            "problem": problem,
            "network": row.network,
            "parameters": row.parameters,
            "candidate": name,
            "seed": row.seed,
            "validation": round(row.val_accuracy, 5),
            "training": round(last.train_accuracy, 5),
            "seconds": round(row.seconds, 2),
        }


def dead_share(study: Study, dataset: Dataset, split: Split, candidate: Candidate) -> dict[tuple[str, int], tuple[float, float]]:
    """Return, for each network and seed, the share of ReLU filters that are 0 for all of 512 training images: before and after training."""
    train, _ = dataset.parts(split)
    some = np.ascontiguousarray(train[:512])
    found = {}
    for row in study.trials_dataframe().itertuples():
        model = study.model(row.network, row.seed)
        recipe = Recipe.for_images(len(train), **candidate.settings)
        first = started(model.net, recipe, row.seed, dataset.images, train, candidate.start, model.scaling).weights
        shares = []
        for weights in (first, model.weights):
            largest = [
                values_of(model.net, layer.index, False, weights, dataset.images, some, model.scaling).max(axis=0)
                for layer in model.net.ops
                if layer.activation.kind == "relu"
            ]
            shares.append(float((np.concatenate(largest) <= 0).mean()))
        found[row.network, row.seed] = (shares[0], shares[1])
    return found


def cause(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One factor at a time, on grey hands of 48 pixels, ten seeds."""
    dataset = images_of(Problem("hands-48-grey", "hands", 10_000, 0, gray=True), arguments)
    split = Split()
    lines = []
    for name, candidate in FACTORS.items():
        study = studied("hands, one factor", dataset, split, _HANDS, name, candidate, range(10), arguments.output)
        dead = dead_share(study, dataset, split, candidate)
        for line in lines_of(study, "hands, one factor", name):
            before, after = dead[line["network"], line["seed"]]
            lines.append(line | {"dead_before": round(before, 4), "dead_after": round(after, 4)})
    return lines


def compared(arguments: argparse.Namespace, names: Sequence[str], seeds: range) -> list[dict[str, Any]]:
    """Train candidates on every problem."""
    lines: list[dict[str, Any]] = []
    for problem in PROBLEMS:
        if arguments.only and problem.name not in arguments.only:
            continue
        dataset = images_of(problem, arguments)
        split = Split(problem.aside / (problem.images + problem.aside), seed=1)
        for name in names:
            study = studied(problem.name, dataset, split, problem.networks, name, CANDIDATES[name], seeds, arguments.output)
            lines += lines_of(study, problem.name, name)
    return lines


def screen(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All candidates, three seeds."""
    return compared(arguments, arguments.candidates or list(CANDIDATES), range(3))


def final(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The finalists, with five seeds that the screening had not."""
    return compared(arguments, arguments.candidates or FINALISTS, range(100, 105))


def paired(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The finalists beside what was the default before, on all images, with the same five seeds."""
    lines: list[dict[str, Any]] = []
    for problem in PAIRED:
        dataset = images_of(problem, arguments)
        split = Split(problem.aside / (problem.images + problem.aside)) if problem.aside else Split()
        for name in (BEFORE_NAME, *(arguments.candidates or FINALISTS)):
            study = studied(problem.name, dataset, split, problem.networks, name, CANDIDATES[name], range(5), arguments.output)
            lines += lines_of(study, problem.name, name)
    return lines


def table(arguments: argparse.Namespace) -> None:
    """Print how far each candidate stays behind the best of each problem and network, and the means themselves."""
    frame = pd.read_csv(arguments.csv)
    if "dead_before" in frame:
        grouped = frame.groupby(["candidate", "parameters"], sort=False)
        shown = grouped.agg(mean=("validation", "mean"), sd=("validation", "std"), least=("validation", "min"),
                            dead_before=("dead_before", "mean"), dead_after=("dead_after", "mean"))  # fmt: skip
        print((100 * shown).round(1).to_string())
        return
    if arguments.paired:
        print(pairs(frame).round(2).to_string(index=False))
        return
    means = frame.groupby(["problem", "network", "parameters", "candidate"])["validation"].agg(["mean", "std", "min"]).reset_index()
    means["behind"] = 100 * (means.groupby(["problem", "network"])["mean"].transform("max") - means["mean"])
    print("| recipe | behind the best, mean | worst | where | deviation, mean | largest |")
    print("|---|---:|---:|---|---:|---:|")
    order = means.groupby("candidate")["behind"].mean().sort_values()
    for name in order.index:
        own = means[means["candidate"] == name]
        worst, spread = own.loc[own["behind"].idxmax()], 100 * own["std"]
        print(
            f"| {name} | {own['behind'].mean():.2f} | {worst['behind']:.2f} | {worst['problem']}, {worst['parameters']:,} parameters | "
            f"{spread.mean():.2f} | {spread.max():.1f} |"
        )
    print()
    shown = means.pivot_table(index=["problem", "parameters"], columns="candidate", values="mean")
    print((100 * shown[list(order.index)]).round(2).to_string())


def pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how much better each candidate is than the default before, in points over pairs of the same seed, and how long it takes.

    ``worse`` marks what is worse by more than two standard errors of the difference and by more than 0.3 points.
    """
    keys = ["problem", "parameters"]
    wide = frame.pivot_table(index=[*keys, "seed"], columns="candidate", values=["validation", "seconds"])
    rows = []
    for name in [name for name in dict.fromkeys(frame["candidate"]) if name != BEFORE_NAME]:
        gains = 100 * (wide["validation", name] - wide["validation", BEFORE_NAME])
        for where, gain in gains.groupby(keys):
            error = gain.std() / np.sqrt(len(gain))
            worse = "worse" if gain.mean() < -max(2 * error, 0.3) else ""
            rows.append((name, *where, gain.mean(), error, worse))
        longer = wide["seconds", name].sum() / wide["seconds", BEFORE_NAME].sum()
        rows.append((name, "all", 0, gains.groupby(keys).mean().mean(), np.nan, f"{longer:.2f} times the seconds"))
    return pd.DataFrame(rows, columns=["candidate", *keys, "difference", "standard error", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for work in (cause, screen, final, paired):
        runner = commands.add_parser(work.__name__, help=work.__doc__)
        runner.add_argument("--data-dir", type=Path)
        runner.add_argument("--hands", type=Path)
        runner.add_argument("--output", type=Path, default=Path(), help="where the studies go")
        runner.add_argument("--only", nargs="+", help="problems, such as mnist-1000")
        runner.add_argument("--candidates", nargs="+")
        runner.set_defaults(do=work)
    printer = commands.add_parser("table")
    printer.add_argument("csv", type=Path)
    printer.add_argument("--paired", action="store_true", help="beside the default before, seed by seed")
    printer.set_defaults(do=table)
    arguments = parser.parse_args()
    if arguments.do is table:
        table(arguments)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = arguments.do(arguments)
    pd.DataFrame(lines).to_csv(RESULTS / f"default_recipe_{arguments.do.__name__}.csv", index=False)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
