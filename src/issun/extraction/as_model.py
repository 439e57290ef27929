"""`as_model`: an extractor and a linear head are together a network like any other, which can be saved, exported and asked.

Whatever is linear in a head (standardisation, coefficients, intercepts) folds into the network's classifier. What a ridge regression or a
linear support vector machine says of a class is no logit, though: softmax would make nearly equal probabilities of it. So all scores are
multiplied by one number, that which makes the cross-entropy of the validation images least: temperature scaling (Guo, Pleiss, Sun &
Weinberger 2017, "On calibration of modern neural networks"). Where all validation images are answered rightly it would be endless; so the
labels are taken as right with a probability a little below 1, (images + 1) / (images + 2), as Platt does (1999, "Probabilistic outputs for
support vector machines"). No answer changes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from issun.arch.graph import operations
from issun.arch.layers import LINEAR, Activate, Classifier, Conv, Dense, DepthwiseConv, Frozen, Layer
from issun.arch.net import IMAGE, Net
from issun.datasets.dataset import Dataset, Split
from issun.engine.fitting import log_softmax
from issun.errors import HeadError
from issun.extraction.comparing import Source
from issun.extraction.extractor import Extractor
from issun.extraction.head_kinds import HEADS
from issun.extraction.ridge import LinearWeights
from issun.extraction.training import HeadResult
from issun.model import Model
from issun.provenance import Provenance

#: Layers that can end before their activation.
_ACTIVATED = (Conv, DepthwiseConv, Dense, Activate)

#: Between which factors the temperature is looked for.
_SCALES = (1e-3, 1e4)


def as_model(extractor: Extractor, result: HeadResult, dataset: Dataset, split: Split, seed: int = 0) -> Model:
    """Return an extractor with a linear head as a `Model`: its layers, then ``dense``.

    Parameters
    ----------
    extractor : Extractor
    result : HeadResult
        Of a linear head on its features: ridge, logistic or linear-svm.
    dataset : Dataset
        That it learnt from: for the names of the classes, and the validation images that its probabilities are fitted to.
    split : Split
    seed : int
        Of the draw, to be told in the file.

    Returns
    -------
    Model
        Its classes are those of the head, image by image, but for ties in the last digit.

    Raises
    ------
    HeadError
        Where the head is not linear, or the features come from inside a group, so that no line of text says what is left of the network.
    """
    linear, unseeing = result.fitted.linear(), result.chosen.linear()
    if linear is None or unseeing is None:
        names = ", ".join(head.name for head in HEADS.values() if head.linear)
        raise HeadError(f"the head {result.wish.head.name} is not linear and cannot be saved as a network; linear heads are {names}")
    _, aside = dataset.parts(split)
    net = _with_classifier(extractor, len(dataset.classes))
    factor = _temperature(extractor, unseeing, dataset, aside)  # by the head that has not learnt from the validation images
    provenance = Provenance.of_data(
        dataset,
        split,
        seed=seed,
        val_accuracy=result.validation,
        weights=extractor.source,
        head=f"{result.wish.head.name} {json.dumps(result.settings)}",
    )
    return Model(net, _weights(extractor, net, linear, factor), extractor.scaling, dataset.classes, provenance, dataset.appearance)


def _with_classifier(extractor: Extractor, classes: int) -> Net:
    """Return the network up to the layer that gives the features, with its classifier behind it; layers that nobody trained are frozen."""
    net, operation, untrained = extractor.net, extractor.operation, extractor.source != "trained"
    if operation == IMAGE:
        return Net(net.input, classes, (Classifier(classes),))
    layers = list(_thawed(net.layers) if untrained else net.layers)
    counts = (count for count in range(1, len(layers) + 1) if len(operations(net.input, layers[:count])) == operation + 1)
    kept = layers[: next(counts, 0)]
    if not kept or (extractor.pre_activation and not isinstance(kept[-1], _ACTIVATED)):
        raise HeadError(
            f"layer {operation + 1}, `{net.ops[operation].text}`, is inside a larger layer of `{net}`, where no network can end: save the "
            f"head of another layer"
        )
    if extractor.pre_activation:
        last: Any = kept.pop()
        kept += [] if isinstance(last, Activate) else [replace(last, activation=LINEAR)]
    extracting = (Frozen(tuple(kept)),) if untrained and any(op.weights for op in operations(net.input, kept)) else tuple(kept)
    return Net(net.input, classes, (*extracting, Classifier(classes)))


def _thawed(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield the layers, those of frozen groups one by one."""
    for layer in layers:
        yield from _thawed(layer.layers) if isinstance(layer, Frozen) else (layer,)


def _temperature(extractor: Extractor, linear: LinearWeights, dataset: Dataset, aside: NDArray[np.int64]) -> float:
    """Return the factor with which the scores are the best logits, by the cross-entropy of the validation images."""
    scores = np.concatenate([linear.scores(part) for _, part in extractor.batches(dataset.images[aside])]).astype(np.float64)
    labels = dataset.labels[aside]

    doubt = 1 / (len(labels) + 2)
    right = np.full(scores.shape, doubt / (scores.shape[1] - 1))
    right[np.arange(len(labels)), labels] = 1 - doubt

    def loss(exponent: float) -> float:
        return float(-(right * log_softmax(scores * math.exp(exponent))).sum(axis=1).mean())

    return math.exp(float(minimize_scalar(loss, bounds=(math.log(_SCALES[0]), math.log(_SCALES[1])), method="bounded").x))


def _weights(extractor: Extractor, net: Net, linear: LinearWeights, factor: float) -> NDArray[np.float32]:
    """Return the weights of the extractor's layers and of the classifier, as the network has them."""
    height, width, channels = extractor.shape
    # Features are in the order height, width, channel; a dense layer has them in the order channel, height, width.
    kernel = linear.weights.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(net.classes, -1)
    old: Mapping[str, NDArray[np.float32]] = {tensor.name: extractor.weights[tensor.slice] for tensor in extractor.net.tensors}
    flat = np.empty(net.stored, np.float32)
    last = len(net.ops) - 1
    own = {"kernel": kernel * factor, "bias": linear.offsets * factor}
    for tensor in net.tensors:
        flat[tensor.slice] = (own[tensor.role] if tensor.op == last else old[tensor.name]).ravel()
    return flat


class BestLinear:
    """Keeps the linear head that is best on validation, the first of equals, with its extractor: for `keep` of `compare`.

    Attributes
    ----------
    best : tuple of (Source, Extractor, HeadResult), or None
        None as long as no linear head was trained.
    """

    def __init__(self) -> None:
        self.best: tuple[Source, Extractor, HeadResult] | None = None

    def __call__(self, source: Source, extractor: Extractor, result: HeadResult) -> None:
        """Look at one more head."""
        if result.wish.head.linear and (self.best is None or result.validation > self.best[2].validation):
            self.best = source, extractor, result

    def model(self, dataset: Dataset, split: Split) -> Model:
        """Return it as a model; errors as of `as_model`, and where no linear head was trained."""
        if self.best is None:
            raise HeadError("only linear heads can be saved as a network, and none was trained: use ridge, logistic or linear-svm")
        source, extractor, result = self.best
        return as_model(extractor, result, dataset, split, source.draw)
