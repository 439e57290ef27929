"""`Model`: a trained network that predicts, evaluates, and is saved and loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.datasets.appearance import Appearance
from issun.engine import make_engine, threads_available
from issun.engine.fitting import log_softmax, loss_and_accuracy
from issun.engine.folding import fold
from issun.engine.protocol import Scaling
from issun.errors import ModelError
from issun.markup import block, paragraph, table, text
from issun.model_file import ModelParts, read_model, write_model
from issun.provenance import Provenance
from issun.recipe import Recipe

#: Class names listed in a notebook.
_CLASSES_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a model does on labelled images.

    Attributes
    ----------
    images : int
        How many there were.
    loss : float
        Mean cross-entropy (natural logarithm), without penalties.
    accuracy : float
        Fraction of images whose class has the largest probability.
    confusion : ndarray of int64, shape (classes, classes)
        Images by true class (row) and predicted class (column).
    """

    images: int
    loss: float
    accuracy: float
    confusion: NDArray[np.int64]


def as_batch(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return images for a network that takes `shape` (height, width, channels), with all four axes and C-contiguous.

    The channel axis may be left out where there is one channel, and the first axis for one image.

    Raises
    ------
    ModelError
        Where they are not uint8 of this shape.
    """
    images = np.asarray(images)
    height, width, channels = shape
    expected = f"(N, {height}, {width}, {channels})"
    if images.dtype != np.uint8:
        raise ModelError(
            f"images must be uint8 (0 to 255), shape {expected}, not {images.dtype}; for values from 0 to 1 use "
            f"(images * 255).round().astype('uint8')"
        )
    given = images.shape
    if given == shape or (channels == 1 and given == (height, width)):
        images = images.reshape(1, height, width, channels)
    elif channels == 1 and given[1:] == (height, width):
        images = images[..., None]
    elif given[1:] != shape:
        raise ModelError(f"images must have the shape {expected}, not {given}")
    return np.ascontiguousarray(images)


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network with everything that prediction needs.

    Parameters
    ----------
    net : Net
    weights : ndarray of float32, shape (net.stored,)
        All finite, in the order of `Net.tensors`.
    scaling : Scaling
        How uint8 values become the network's input, per channel.
    classes : tuple of str
        Class names, one for each logit.
    provenance : Provenance
        Where it comes from: its data, seed, recipe.
    appearance : Appearance, optional
        Statistics of its training images, so that `issun.predict` can detect images that differ from them.

    Raises
    ------
    ModelError
        Where the parts do not fit together, or weights are not finite.
    """

    net: Net
    weights: NDArray[np.float32]
    scaling: Scaling
    classes: tuple[str, ...]
    provenance: Provenance = field(default_factory=Provenance)
    appearance: Appearance | None = None

    def __post_init__(self) -> None:
        if self.weights.dtype != np.float32 or self.weights.shape != (self.net.stored,):
            raise ModelError(
                f"`weights` must be float32 of shape ({self.net.stored},) for `{self.net}`, not {self.weights.dtype} of shape "
                f"{self.weights.shape}"
            )
        if not np.isfinite(self.weights).all():
            raise ModelError("the weights are not finite: the training diverged; train again with a smaller `learning_rate`")
        if len(self.classes) != self.net.classes or len(set(self.classes)) < len(self.classes):
            raise ModelError(f"`classes` must be {self.net.classes} different names, one for each logit, not {self.classes}")
        if not len(self.scaling.factor) == len(self.scaling.offset) == self.net.input[2]:
            raise ModelError(f"`scaling` must have a factor and an offset for each of the {self.net.input[2]} channels, not {self.scaling}")

    @property
    def about(self) -> dict[str, str]:
        """The metadata of the model file: `provenance` as strings by name."""
        return self.provenance.as_dict()

    def logits(self, images: NDArray[np.uint8], threads: int | None = None) -> NDArray[np.float32]:
        """Return the network's outputs before softmax.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, height, width, channels)
            Values from 0 to 255. The channel axis may be left out where the network takes one channel, and the first axis for one image.
        threads : int, optional
            How many to use; by default one for each core.

        Returns
        -------
        ndarray of float32, shape (N, classes)

        Raises
        ------
        ModelError
            Where the images do not fit the network.
        """
        batch = as_batch(images, self.net.input)
        engine = make_engine(self.net, Recipe(), self.scaling, threads=threads_available() if threads is None else threads)
        logits = engine.logits(self.weights, batch, np.arange(len(batch)))
        if not np.isfinite(logits).all():
            raise ModelError("the network's outputs are not finite: its weights are too large; train again with a smaller `learning_rate`")
        return logits

    def predict_proba(self, images: NDArray[np.uint8], threads: int | None = None) -> NDArray[np.float32]:
        """Return the class probabilities (softmax), float32 of shape (N, classes); each row sums to 1. Arguments as of `logits`."""
        return np.exp(log_softmax(self.logits(images, threads))).astype(np.float32)

    def predict(self, images: NDArray[np.uint8], threads: int | None = None) -> NDArray[np.int64]:
        """Return the index of each image's most probable class (the first of equals), shape (N,). Arguments as of `logits`."""
        return np.asarray(self.logits(images, threads).argmax(axis=1), np.int64)

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.integer], threads: int | None = None) -> Evaluation:
        """Compare predictions with labels.

        Parameters
        ----------
        images, threads
            As of `logits`; at least one image.
        labels : ndarray of int, shape (N,)
            Class indices.

        Raises
        ------
        ModelError
            Where the images do not fit the network, or the labels do not fit the images or the classes.
        """
        labels, count = np.asarray(labels), len(self.classes)
        logits = self.logits(images, threads)
        if labels.dtype.kind not in "iu" or labels.shape != (len(logits),) or not len(labels):
            raise ModelError(
                f"`labels` must be whole numbers of shape ({len(logits)},), one for each image, at least one; not {labels.dtype} of shape "
                f"{labels.shape}"
            )
        if labels.min() < 0 or labels.max() >= count:
            raise ModelError(f"`labels` must lie between 0 and {count - 1}, not between {labels.min()} and {labels.max()}")
        loss, accuracy = loss_and_accuracy(logits, labels)
        pairs = labels.astype(np.int64) * count + logits.argmax(axis=1)
        return Evaluation(len(labels), loss, accuracy, np.bincount(pairs, minlength=count * count).reshape(count, count))

    def folded(self) -> Model:
        """Return the model for inference: the same predictions, with every `norm` folded into the layer before it.

        ``provenance.trained_as`` then holds the network that was trained. Without `norm` the model itself is returned.
        """
        if self.net.stored == self.net.parameters:
            return self
        net, weights = fold(self.net, self.weights)
        return Model(net, weights, self.scaling, self.classes, replace(self.provenance, trained_as=str(self.net)), self.appearance)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, `folded`, to a safetensors file, whole or not at all; equal models give equal bytes.

        Raises
        ------
        ModelError
            Where the file cannot be written.
        """
        model = self.folded()
        write_model(Path(path), ModelParts(model.net, model.weights, model.scaling, model.classes, model.provenance, model.appearance))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model that `save` wrote.

        Raises
        ------
        ModelError
            Where the file is not a usable model; the message gives the reason.
        """
        return cls(*read_model(Path(path)))

    def _repr_html_(self) -> str:
        """The network's layers, the classes and the facts about its making, for notebooks."""
        classes = ", ".join(self.classes[:_CLASSES_SHOWN]) + (
            f", … ({len(self.classes):,} in all)" if self.classes[_CLASSES_SHOWN:] else ""
        )
        facts = [("classes", classes), *((name, value) for name, value in self.about.items() if name != "recipe")]
        fold = f'<details><summary style="opacity:.7">{text("About this model")}</summary>{table(("", ""), facts, left=2)}</details>'
        return block(paragraph("Model"), self.net._repr_html_(), fold)
