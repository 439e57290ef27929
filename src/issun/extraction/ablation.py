"""What each part of a network is worth: pixels, pooling alone, convolutions with several kinds of weights, all behind the same heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.arch.ops import Kind
from issun.datasets.dataset import Dataset, Split
from issun.engine.fitting import Epoch
from issun.errors import HeadError, NetworkError
from issun.extraction.comparing import Source, input_scaling, untrained
from issun.extraction.extractor import Extractor, operation_index, trained_extractor
from issun.extraction.making import Weights, make_extractor
from issun.extraction.patches import Patches
from issun.recipe import Recipe
from issun.training import train_network

#: What tables call the parts that need no convolution.
PIXELS, POOLED = "pixels", "pooling only"


def image_part(net: Net) -> int:
    """Return the number (as `operation_index` counts) of the last layer before the first hidden dense layer, or before the classifier.

    Raises
    ------
    HeadError
        Where the network has no convolution up to there: nothing could be left out.
    """
    dense = next((op for op in net.ops if op.kind is Kind.DENSE and not op.classifier), None)
    layer = (net.ops[-1].source if dense is None else dense.source) + 1
    if not any(op.kind in (Kind.CONV, Kind.DEPTHWISE) for op in net.ops[:layer]):
        raise HeadError(f"`{net}` has no convolution before its first dense layer, so there is nothing to take apart; give it one")
    return layer


def pooling_only(net: Net, layer: int) -> Net | None:
    """Return the network with only the poolings of its layers up to number `layer`; None where it has none, or they fit no longer."""
    poolings = [op.text for op in net.ops[:layer] if op.kind in (Kind.MAX, Kind.AVERAGE, Kind.GAP)]
    if not poolings:
        return None
    try:
        return parse_network(", ".join([*poolings, "dense"]), net.input, net.classes)
    except NetworkError:  # what the convolutions cut off was needed, or after `gap` nothing can be pooled
        return None


def ablation(
    net: Net,
    dataset: Dataset,
    split: Split,
    recipe: Recipe,
    *,
    weights: Sequence[Weights] = ("random", "patches", "pca"),
    draws: Sequence[int] = (0, 1, 2, 3, 4),
    layer: int | str | None = None,
    patches: Patches | None = None,
    threads: int | None = None,
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> list[Source]:
    """Return the parts of a network as sources for `compare`: pixels, poolings, convolutions of each kind of weights, trained ones.

    Parameters
    ----------
    net : Net
    dataset, split
        Weights are drawn, taken from patches and trained on the images to train on.
    recipe : Recipe
        How the trained one is trained, and how all images are scaled.
    weights : sequence of str
        Of `issun.extraction.WEIGHTS`.
    draws : sequence of int
        Seeds: of weights that are drawn, and of trainings. Pixels and poolings are there once, since nothing is drawn.
    layer : int or str, optional
        Whose output the heads get; by default the last one before the first dense layer.
    patches : Patches, optional
        How filters are taken from patches.
    threads : int, optional
    on_epoch : callable, optional
        Called with the seed and an epoch's line while a network is trained.

    Raises
    ------
    HeadError
        Where the network has no convolution, or (when its turn comes) its training diverges.
    NetworkError
        Where it has no such layer.
    """
    chosen = image_part(net) if layer is None else operation_index(net, layer) + 1
    scaling = input_scaling(dataset, split, recipe.scaling)
    parts = [Source(PIXELS, draws[0], lambda: make_extractor(net, "random", dataset.images, scaling, layer=0))]
    pooled = pooling_only(net, chosen)
    if pooled is not None:
        parts.append(Source(POOLED, draws[0], lambda: make_extractor(pooled, "random", dataset.images, scaling)))
    parts += untrained(net, weights, dataset, split, draws=draws, layer=chosen, scaling=recipe.scaling, patches=patches)

    def trained_with(seed: int) -> Source:
        def make() -> Extractor:
            def note(line: Epoch, state: Any) -> None:
                if on_epoch is not None:
                    on_epoch(seed, line)

            outcome = train_network(net, recipe, dataset, split, seed, threads=threads, on_epoch=note)
            if outcome.diverged:
                raise HeadError(f"training `{net}` with seed {seed} diverged: take a smaller learning rate (now {recipe.learning_rate:g})")
            return trained_extractor(outcome.model(dataset), chosen)

        return Source("trained", seed, make)

    return [*parts, *(trained_with(seed) for seed in draws)]
