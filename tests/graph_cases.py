"""Networks that are graphs, for the tests of the compiled core: residuals, tied weights, batch normalisation."""

from __future__ import annotations

from issun.arch.layers import (
    LINEAR,
    Activate,
    Activation,
    Classifier,
    Conv,
    Dense,
    Dropout,
    Frozen,
    GlobalAveragePool,
    Layer,
    Pool,
    Residual,
    Tied,
)
from issun.arch.net import Net

RELU, LEAKY = Activation("relu"), Activation("leaky", 0.3)


def same(filters: int, activation: Activation = RELU, norm: bool = False) -> Conv:
    """Return a convolution that leaves height and width as they are."""
    return Conv(filters, padding="same", activation=activation, norm=norm)


GRAPHS: dict[str, tuple[Layer, ...]] = {
    "residual": (same(3), Residual((same(5), same(3, LINEAR))), Activate(RELU), Conv(4), Classifier(4)),
    "residual over the image": (Residual((same(5), same(2))), Pool(), Classifier(4)),
    "1x1 shortcut": (
        same(3),
        Residual((same(5), same(4, LINEAR))),
        Activate(LEAKY),
        Residual((same(6),)),
        GlobalAveragePool(),
        Classifier(4),
    ),
    "pools in residuals": (
        same(3),
        Residual((Pool((3, 3), (1, 1), "same"), Dropout(0.2))),
        Residual((Pool((2, 3), (1, 1), "same", "average"), Residual((Pool((1, 1), (1, 1)),)))),
        Classifier(4),
    ),
    "small dense layers in residuals": (
        Dense(8),
        Residual((Dense(6), Dense(8, LINEAR))),
        Activate(RELU),
        Residual((Dense(8),)),
        Classifier(4),
    ),
    "large dense layers in residuals": (
        Dense(40),
        Residual((Dense(30), Dense(40))),
        Activate(LEAKY),
        Residual((Dense(40),)),
        Classifier(4),
    ),
    "frozen residual first": (Residual((Frozen((same(3),)),)), Residual((Frozen((same(3),)), same(3))), Classifier(4)),
    "tied": (same(3), Tied(3, (same(5), same(3))), Pool(), Classifier(4)),
    "tied over the image": (Tied(3, (Conv(2, (3, 3), padding="same", l1=0.01, l2=0.02),)), Classifier(4)),
    "tied dense": (Dense(60), Tied(2, (Dense(60, l2=0.1),)), Classifier(4)),
    "tied in tied, with a residual": (same(4), Tied(2, (Tied(2, (same(4),)), Residual((same(3), same(4, LINEAR))))), Classifier(4)),
    "frozen tied": (same(4), Tied(2, (Frozen((same(4),)), same(4))), Classifier(4)),
    "norm": (same(4, norm=True), Pool(), Classifier(4)),
    "norms": (same(4, norm=True), Conv(5, activation=LEAKY, norm=True), Pool(), Conv(5, activation=LINEAR, norm=True), Classifier(4)),
    "norm before a pool and dropout": (same(4, norm=True), Dropout(0.3), Pool((3, 3), (2, 2), "same"), same(4, norm=True), Classifier(4)),
    "norm after dense": (Dense(9, norm=True), Dense(40, norm=True), Dense(41), Dense(50, norm=True), Classifier(4)),
    "norms in residuals": (
        same(4, norm=True),
        Residual((same(4, norm=True), same(4, LINEAR, norm=True))),
        Activate(RELU),
        Residual((same(6, norm=True), same(6, norm=True))),
        GlobalAveragePool(),
        Classifier(4),
    ),
    "frozen norms": (Frozen((same(4, norm=True),)), same(4, norm=True), Frozen((same(3, LEAKY, norm=True),)), Classifier(4)),
    "norm and tied": (
        Conv(4, stride=(2, 2), norm=True),
        Tied(2, (same(4),)),
        same(3, norm=True),
        Tied(2, (Residual((same(3),)),)),
        Classifier(4),
    ),
    "norms in tied": (same(4), Tied(3, (same(4, norm=True),)), Pool(), Classifier(4)),
    "norms in tied over the image": (
        Tied(2, (Conv(2, (3, 3), padding="same", norm=True, l1=0.01, l2=0.02), same(2, LEAKY))),
        Classifier(4),
    ),
    "norms in tied dense layers": (Dense(40), Tied(3, (Dense(40, norm=True, l2=0.1), Dense(40, LEAKY))), Dense(70), Classifier(4)),
    "norms in tied in tied, in residuals": (
        same(4, norm=True),
        Tied(2, (Tied(2, (same(4, norm=True), Dropout(0.2))), Residual((same(3), same(4, LINEAR, norm=True))))),
        Residual((Tied(2, (Frozen((same(4, norm=True),)), same(4, norm=True))),)),
        Classifier(4),
    ),
    "frozen norms in tied": (same(4), Frozen((Tied(2, (same(4, norm=True),)),)), Tied(2, (Frozen((same(4, norm=True),)),)), Classifier(4)),
}
NETS = {name: Net((9, 8, 2), 4, layers) for name, layers in GRAPHS.items()}
ALL = Net(
    (9, 8, 2),
    4,
    (
        *(same(4, norm=True), Tied(2, (same(4),)), Residual((same(4, norm=True), Dropout(0.2))), Tied(3, (same(4), same(4, norm=True)))),
        *(Pool(), Dense(40, norm=True), Classifier(4)),
    ),
)
