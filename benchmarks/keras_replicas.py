"""Whether the surprising replicas surprise in Keras too.

    python benchmarks/keras_replicas.py --data-dir FOLDER
    python studies/page.py

Three outcomes of the published protocols look like mistakes of whoever repeats them, so Keras, with which they were found, is asked too:

- `capacity`, the grid: most of the 80 networks never leave chance. Keras and issun train each of them for a few epochs; where they are then
  is compared.
- `cnn-svm`: a support vector machine with gamma 1 / features does hardly better than guessing. Keras trains the network as published, and
  scikit-learn's machine learns from the numbers before the activation, with that gamma and with its present default.
- `capacity`, l1 and l2 for 100 epochs: the last epoch is some points below the original's. From the same weights, on the same batches and
  without dropout, the losses of both sides are compared step by step. And both train the network as published for fewer epochs, from
  two seeds each, besides the training that `studies/results` holds; what they reach on the images watched, epoch by epoch, is compared.

Needs Keras and TensorFlow beside issun (`benchmarks/requirements-peers.txt`); with scikit-learn-intelex the machines take minutes less.
Writes `benchmarks/results/keras_replicas.json`; a further run goes on where one was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import sklearn

try:
    import keras
    import tensorflow as tf
except ImportError as error:
    sys.exit(f"{Path(__file__).name} needs Keras and TensorFlow ({error}): pip install -r benchmarks/requirements-peers.txt")

from issun import load, parse_network
from issun.datasets.dataset import Dataset
from issun.engine import NativeEngine, State, scaling_for, threads_available
from issun.engine.weights import as_tensors
from issun.exporters.keras.network import set_weights
from issun.randomness import shuffled
from issun.study.file import read_study_file
from issun.study.machine import machine
from issun.study.parts import prepare
from issun.study.plan import Trial
from issun.timing.keras_side import KerasTraining, Setup

try:
    from sklearnex.svm import SVC
except ImportError:
    from sklearn.svm import SVC

BENCHMARKS = Path(__file__).resolve().parent
STUDIES = BENCHMARKS.parent / "studies"

#: Epochs of each network of the grid: whether a network learns at all is decided in the first.
EPOCHS = 5
#: Epochs of the network with l1 and l2: enough to see how high its validation accuracy lies, and how far it jumps.
LONG = 40
#: Steps whose losses are compared.
STEPS = 60
#: Accuracy on ten classes below which a network is said to be at chance.
CHANCE = 0.15


def trials_of(study: str, part: str, dataset: Dataset) -> tuple[Trial, ...]:
    """Return the trials of a part of a study file."""
    return prepare(read_study_file(STUDIES / f"{study}.toml"), part, dataset).plan.trials


def keras_trained(trial: Trial, dataset: Dataset) -> tuple[KerasTraining, np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return Keras's side of a trial, not trained yet, its images to train on and to watch, and how images are scaled for it."""
    train, aside = dataset.parts(trial.split)
    divisor = np.float32({"unit": 255, "raw": 1}[trial.recipe.scaling])

    def scaled(images: np.ndarray) -> np.ndarray:
        return images.astype(np.float32) / divisor

    training = KerasTraining(trial.net, trial.recipe, scaled(dataset.images[train]), dataset.labels[train], Setup(), trial.seed)
    return training, train, aside, scaled


def keras_accuracy(trial: Trial, dataset: Dataset) -> float:
    """Return Keras's accuracy on the images watched after a few epochs."""
    keras.utils.clear_session()
    training, _, aside, scaled = keras_trained(trial, dataset)
    training.train(EPOCHS)
    return training.accuracy(scaled(dataset.images[aside]), dataset.labels[aside])


def issun_accuracy(trial: Trial, dataset: Dataset) -> float:
    """Return the same of issun."""
    train, aside = dataset.parts(trial.split)
    engine = NativeEngine(trial.net, trial.recipe, scaling_for(trial.recipe, dataset.images, train), threads_available())
    state = State.start(trial.net, trial.recipe, trial.seed)
    for _ in range(EPOCHS):
        engine.train_epoch(state, dataset.images, dataset.labels, shuffled(train, trial.seed, state.epoch), trial.seed)
    logits = engine.logits(state.weights, dataset.images, aside)
    return float((logits.argmax(axis=1) == dataset.labels[aside]).mean())


def grid(dataset: Dataset, found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Train every network of the grid for a few epochs on both sides."""
    networks = found.setdefault("networks", {})
    found |= {"epochs": EPOCHS, "chance": CHANCE}
    for trial in trials_of("capacity", "grid", dataset):
        if str(trial.net) not in networks:
            networks[str(trial.net)] = {"keras": keras_accuracy(trial, dataset), "issun": issun_accuracy(trial, dataset)}
            print(f"{trial.net}: Keras {networks[str(trial.net)]['keras']:.2%}, issun {networks[str(trial.net)]['issun']:.2%}", flush=True)
            keep()


def machines(dataset: Dataset, found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Let support vector machines learn from the hidden layer of the network that Keras has trained as published."""
    if "scale" in found:
        return
    (trial,) = trials_of("cnn-svm", "replica", dataset)
    training, _, _, scaled = keras_trained(trial, dataset)
    training.train(trial.recipe.epochs)
    found["softmax"] = training.accuracy(scaled(dataset.test_images), dataset.test_labels)
    (hidden,) = (layer for layer in training.model.layers if isinstance(layer, keras.layers.Dense) and layer.units == 512)
    extractor = keras.Model(training.model.inputs, hidden.output)
    features, test = (extractor.predict(scaled(images), batch_size=1000, verbose=0) for images in (dataset.images, dataset.test_images))
    pairs = features[: len(features) // 2 * 2].reshape(2, -1, features.shape[1])
    found["squared_distance"] = float(np.median(np.square(pairs[0] - pairs[1]).sum(axis=1)))
    for gamma in ("auto", "scale"):
        began = time.perf_counter()
        answers = SVC(C=1.0, gamma=gamma).fit(features, dataset.labels).predict(test)
        found[gamma] = float((answers == dataset.test_labels).mean())
        found[f"{gamma}_largest_share"] = float(np.bincount(answers.astype(int)).max() / len(answers))
        found[f"{gamma}_seconds"] = time.perf_counter() - began
        print(f"gamma {gamma}: {found[gamma]:.2%} of the test images (softmax {found['softmax']:.2%})", flush=True)
        keep()


def steps(dataset: Dataset, found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Take the same steps from the same weights on both sides, and note the losses (with the penalties) of their batches."""
    if "keras" in found:
        return
    trial = next(trial for trial in trials_of("capacity", "replica", dataset) if trial.recipe.epochs == 100)
    text = re.sub(r", drop [0-9.]+", "", str(trial.net))  # what is dropped is drawn by each side in its own way
    trial = replace(trial, net=parse_network(text, dataset.input, len(dataset.classes)))
    training, train, _, scaled = keras_trained(trial, dataset)
    engine = NativeEngine(trial.net, trial.recipe, scaling_for(trial.recipe, dataset.images, train), threads_available())
    state = State.start(trial.net, trial.recipe, trial.seed)
    set_weights(training.model, trial.net, as_tensors(trial.net, state.weights))
    losses: dict[str, list[float]] = {"keras": [], "issun": []}
    for step in range(STEPS):
        batch = train[step * trial.recipe.batch_size : (step + 1) * trial.recipe.batch_size]
        losses["issun"].append(float(engine.train_epoch(state, dataset.images, dataset.labels, batch, trial.seed).loss))
        training.model.reset_metrics()
        losses["keras"].append(float(training.model.train_on_batch(scaled(dataset.images[batch]), dataset.labels[batch])[0]))
    found |= {"network": text, **losses}
    print(f"{STEPS} steps from the same weights: the last losses are {losses['keras'][-1]:.4f} and {losses['issun'][-1]:.4f}", flush=True)
    keep()


def long(dataset: Dataset, found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Train the network with l1 and l2 in Keras, and note the accuracy on the images watched after every epoch."""
    trial = next(trial for trial in trials_of("capacity", "replica", dataset) if trial.recipe.epochs == 100)
    found["network"] = str(trial.net)
    for seed in (0, 1):
        if len(found.setdefault("keras", {}).get(str(seed), [])) == LONG:
            continue
        keras.utils.clear_session()
        training, _, aside, scaled = keras_trained(replace(trial, seed=seed), dataset)
        watched, labels, reached = scaled(dataset.images[aside]), dataset.labels[aside], []
        while len(reached) < LONG:
            training.train(1)
            reached.append(training.accuracy(watched, labels))
            print(f"l1 and l2 in Keras, seed {seed}, epoch {len(reached)}: validation {reached[-1]:.2%}", flush=True)
        found["keras"][str(seed)] = reached
        keep()


def own(dataset: Dataset, found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Train the same in issun, from further seeds."""
    trial = next(trial for trial in trials_of("capacity", "replica", dataset) if trial.recipe.epochs == 100)
    train, aside = dataset.parts(trial.split)
    engine = NativeEngine(trial.net, trial.recipe, scaling_for(trial.recipe, dataset.images, train), threads_available())
    for seed in (1, 2):
        if len(found.setdefault("issun", {}).get(str(seed), [])) == LONG:
            continue
        state, reached = State.start(trial.net, trial.recipe, seed), []
        while state.epoch < LONG:
            engine.train_epoch(state, dataset.images, dataset.labels, shuffled(train, seed, state.epoch), seed)
            logits = engine.logits(state.weights, dataset.images, aside)
            reached.append(float((logits.argmax(axis=1) == dataset.labels[aside]).mean()))
            print(f"l1 and l2 in issun, seed {seed}, epoch {state.epoch}: validation {reached[-1]:.2%}", flush=True)
        found["issun"][str(seed)] = reached
        keep()


def main() -> None:
    """Do what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results" / "keras_replicas.json")
    arguments = parser.parse_args()
    threads = threads_available()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    found: dict[str, Any] = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    versions = f"Keras {keras.__version__} on TensorFlow {tf.__version__}, scikit-learn {sklearn.__version__}"
    found["about"] = f"{machine()['processor']}, {threads} threads, {versions}, {time.strftime('%Y-%m-%d')}"

    def keep() -> None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    dataset = load("cifar10", arguments.data_dir)
    grid(dataset, found.setdefault("grid", {}), keep)
    machines(dataset, found.setdefault("machines", {}), keep)
    steps(dataset, found.setdefault("steps", {}), keep)
    long(dataset, found.setdefault("long", {}), keep)
    own(dataset, found["long"], keep)


if __name__ == "__main__":
    main()
