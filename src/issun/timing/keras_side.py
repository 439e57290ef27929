"""Keras's side: a network and recipe as a compiled model on TensorFlow, as its exporter writes it, in its fastest form."""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.weights import as_tensors, initialised
from issun.exporters.keras.network import Start, applied, set_weights
from issun.recipe import Recipe
from issun.timing.cases import Case, pixels
from issun.timing.sides import serve


class TimedModel(keras.Model):  # type: ignore[misc]
    """A model that notes when each epoch of `fit` begins: Keras resets the metrics there.

    A callback would be asked at every batch too, and a stopwatch around `fit` would count what it prepares before its first epoch.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.beginnings: list[float] = []

    def reset_metrics(self) -> None:
        """Note the time."""
        self.beginnings.append(time.perf_counter())
        super().reset_metrics()


def keras_model(net: Net, initializer: Start = "glorot") -> TimedModel:
    """Return a network as a Keras model of float32 images (N, height, width, channels), giving logits; not yet compiled."""
    image = keras.Input(net.input)
    return TimedModel(image, applied(net, image, initializer))


def optimizer_of(recipe: Recipe, steps: int) -> Any:
    """Return the recipe's optimizer and schedule; `steps` is how many steps the whole training takes."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate, recipe.beta_1, recipe.beta_2, recipe.epsilon)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, recipe.momentum)
    if recipe.optimizer not in ("rmsprop", "adadelta"):
        raise NotImplementedError(f"`{recipe.optimizer}` is not supported in the comparison with Keras")
    kind = keras.optimizers.RMSprop if recipe.optimizer == "rmsprop" else keras.optimizers.Adadelta
    return kind(rate, rho=recipe.rho, epsilon=recipe.epsilon)


@dataclass(frozen=True)
class Setup:
    """One of the ways to run a Keras model: how images reach it, whether XLA compiles its step, batches of one call."""

    feed: str = "arrays"
    jit: bool = False
    steps_per_execution: int = 1

    def __str__(self) -> str:
        return f"{self.feed}, jit_compile={self.jit}, steps_per_execution={self.steps_per_execution}"


class KerasTraining:
    """A compiled Keras model with its data, ready to be trained for some epochs at a time."""

    def __init__(
        self, net: Net, recipe: Recipe, images: NDArray[np.float32], labels: NDArray[np.int32], setup: Setup, seed: int = 0
    ) -> None:
        keras.utils.set_random_seed(seed)
        self.model = keras_model(net, recipe.initializer)
        self.model.compile(
            optimizer=optimizer_of(recipe, recipe.steps(len(images)) * recipe.epochs),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=setup.jit,
            steps_per_execution=setup.steps_per_execution,
        )
        self._images, self._batch = images, recipe.batch_size
        self._extractor: Any = None
        self._batches: dict[int, float] = {}
        self._fit_arguments: dict[str, Any] = {"x": images, "y": labels, "batch_size": recipe.batch_size}
        if setup.feed == "tf.data":
            data = tf.data.Dataset.from_tensor_slices((images, labels)).cache().shuffle(len(images), seed=seed)
            self._fit_arguments = {"x": data.batch(recipe.batch_size).prefetch(tf.data.AUTOTUNE), "shuffle": False}

    def train(self, epochs: int) -> float:
        """Train for some epochs and return the median of their seconds."""
        self.model.beginnings.clear()
        self.model.fit(**self._fit_arguments, epochs=epochs, verbose=0)
        marks = [*self.model.beginnings, time.perf_counter()]
        assert len(marks) == epochs + 1, "Keras no longer resets the metrics once an epoch"
        return statistics.median(after - before for before, after in itertools.pairwise(marks))

    def predict(self) -> float:
        """Compute the logits of all images and return the seconds."""
        began = time.perf_counter()
        self.model.predict(self._images, batch_size=self._batch, verbose=0)
        return time.perf_counter() - began

    def features(self) -> float:
        """Compute what enters the classifier for all images, in the batches that were fastest, and return the seconds."""
        if not self._batches:
            self._extractor = keras.Model(self.model.inputs, self.model.layers[-1].input)
            for batch in (32, 128, 512, 2048):
                self._features(batch)
                self._batches[batch] = min(self._features(batch) for _ in range(2))
        return self._features(min(self._batches, key=self._batches.__getitem__))

    def _features(self, batch: int) -> float:
        began = time.perf_counter()
        self._extractor.predict(self._images, batch_size=batch, verbose=0)
        return time.perf_counter() - began

    @property
    def batches(self) -> dict[str, float]:
        """The seconds of every batch size with which features were computed."""
        return {f"batches of {batch}": seconds for batch, seconds in self._batches.items()}

    def accuracy(self, images: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
        """Return the fraction of images that the model classifies correctly."""
        logits = self.model.predict(images, batch_size=1000, verbose=0)
        return float((logits.argmax(axis=1) == labels).mean())


def largest_difference(net: Net, images: NDArray[np.float32], logits: NDArray[np.float32], seed: int) -> float:
    """Return how far the Keras model's logits are from issun's, for the weights that `seed` draws, as a share of the largest logit."""
    model = keras_model(net)
    set_weights(model, net, as_tensors(net, initialised(net, "glorot", seed)))
    return float(np.abs(model.predict(images, verbose=0) - logits).max() / np.abs(logits).max())


def fastest_setup(net: Net, recipe: Recipe, images: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[Setup, dict[str, float]]:
    """Return the setup whose epochs are the fastest, and the seconds of every one that was tried.

    One choice after the other: XLA or not, then how images come in, then how many steps one call takes.
    """
    tried: dict[Setup, float] = {}

    def best(*candidates: Setup) -> Setup:
        for setup in candidates:
            if setup not in tried:
                training = KerasTraining(net, recipe, images, labels, setup)
                training.train(1)  # traces and compiles
                tried[setup] = training.train(2)
        return min(candidates, key=lambda setup: tried[setup])

    first = best(Setup(jit=False), Setup(jit=True))
    second = best(first, Setup("tf.data", first.jit))
    third = best(second, Setup(second.feed, second.jit, 16))
    return third, {str(setup): seconds for setup, seconds in tried.items()}


class KerasCase:
    """A case under the setup that was fastest when each was tried."""

    def __init__(self, case: Case, threads: int) -> None:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        self._work = case.work
        images, labels = pixels(case)
        floats = images.astype(np.float32) / np.float32(255)
        setup, self._tried = (Setup(), {}) if case.work != "train" else fastest_setup(case.net, case.recipe, floats, labels)
        self._setup = setup
        self._training = KerasTraining(case.net, case.recipe, floats, labels, setup)
        self.epoch()

    def epoch(self) -> float:
        """Run one epoch, or one pass of inference, and return its seconds."""
        if self._work == "features":
            return self._training.features()
        return self._training.predict() if self._work == "predict" else self._training.train(1)

    @property
    def about(self) -> dict[str, Any]:
        """The setup, and the seconds of all that were tried."""
        setup, tried = str(self._setup), self._tried
        if self._work == "features":
            tried = self._training.batches
            setup = min(tried, key=tried.__getitem__)
        return {"setup": setup, "tried": tried, "version": f"{keras.__version__} on TensorFlow {tf.__version__}"}


if __name__ == "__main__":
    serve(KerasCase)
