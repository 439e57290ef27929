"""One small network for every operator and every way in which operators meet, by name. Several tests run over them.

The operator stands behind a layer that is trained, so that the gradient of its input shows in that layer's.
"""

from __future__ import annotations

from issun.arch.layers import (
    LINEAR,
    Activate,
    Activation,
    ActivationKind,
    Branch,
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Frozen,
    Gate,
    GlobalAveragePool,
    Layer,
    Normalise,
    Pool,
    Residual,
    Scale,
    SeparableConv,
    Tied,
)
from issun.arch.net import Net

IMAGE = (6, 5, 2)
CLASSES = 3
GELU, PRELU, TANH = Activation("gelu"), Activation("prelu"), Activation("tanh")
KINDS: tuple[ActivationKind, ...] = (
    *("linear", "relu", "leaky", "prelu", "gelu", "hardswish", "tanh", "relu6"),
    *("sigmoid", "silu", "elu", "rational"),
)
FIRST = Conv(3, (2, 2), activation=TANH)
LAST = Classifier(CLASSES)

LAYERS: dict[str, tuple[Layer, ...]] = {
    "rectangular window": (FIRST, Conv(4, (3, 1), activation=TANH), Conv(2, (1, 4), padding="same", activation=TANH), LAST),
    "1x1": (FIRST, Conv(4, (1, 1), activation=GELU), LAST),
    "strides": (FIRST, Conv(4, (2, 3), (2, 1), activation=TANH), Conv(2, (2, 2), (3, 2), "same", TANH), LAST),
    "dilation": (FIRST, Conv(4, (2, 2), dilation=(2, 3), activation=TANH), LAST),
    "dilation, same": (FIRST, Conv(4, (3, 2), padding="same", dilation=(2, 2), activation=TANH), LAST),
    "dilation wider than the image": (FIRST, Conv(2, (3, 3), padding="same", dilation=(7, 4), activation=TANH), LAST),
    "groups": (FIRST, Conv(6, (2, 2), groups=3, activation=TANH), Conv(4, (2, 3), groups=2, activation=GELU, padding="same"), LAST),
    "groups, strides": (FIRST, Conv(4, (1, 1)), Conv(6, (3, 2), (2, 1), "same", groups=2, activation=TANH, bias=False), LAST),
    "groups, dilated": (Conv(4, (2, 2), groups=2, activation=TANH), Conv(2, (2, 2), dilation=(2, 2), groups=2, l2=0.05), LAST),
    "groups, 1x1": (FIRST, Conv(10, (1, 1), activation=TANH), Conv(10, (1, 1), groups=5, activation=PRELU), LAST),
    "groups, norm": (FIRST, Conv(4, (1, 1)), Conv(6, (2, 2), groups=2, activation=TANH, norm=True), LAST),
    "groups, tied": (
        Conv(4, (2, 2), groups=2, activation=TANH),
        Tied(3, (Conv(4, padding="same", groups=2, activation=TANH, l1=0.02),)),
        LAST,
    ),
    "groups in res": (Conv(4, (2, 2)), Residual((Conv(8, padding="same", groups=4, activation=TANH),)), LAST),
    "dwconv": (FIRST, DepthwiseConv(activation=TANH), LAST),
    "dwconv, multiplied": (FIRST, DepthwiseConv(2, (2, 3), (2, 1), "same", activation=TANH), LAST),
    "dwconv, dilated": (FIRST, DepthwiseConv(3, (2, 2), dilation=(1, 3), activation=TANH, bias=False), LAST),
    "sepconv": (FIRST, SeparableConv(4, (3, 2), padding="same", activation=GELU, l2=0.01), LAST),
    "dense": (FIRST, Dense(6, GELU, l1=0.01), Dense(4, TANH, bias=False), LAST),
    "pools": (FIRST, Pool((2, 2), (1, 1), kind="average"), Pool((2, 2), (2, 1), "same"), LAST),
    "gap": (FIRST, GlobalAveragePool(), LAST),
    "scale of channels": (FIRST, Scale(), LAST),
    "scale of features": (FIRST, Dense(4, TANH), Scale(), LAST),
    "norm of a conv": (FIRST, Conv(4, (2, 2), activation=TANH, norm=True), LAST),
    "norm of a dwconv": (FIRST, DepthwiseConv(2, (2, 2), activation=GELU, norm=True), LAST),
    "norm of a sepconv": (FIRST, SeparableConv(4, (2, 2), activation=PRELU, norm=True), LAST),
    "norm of a dense": (FIRST, Dense(5, TANH, norm=True), LAST),
    "norm after norm": (Conv(3, (2, 2), activation=TANH, norm=True), Conv(4, (2, 2), activation=PRELU, norm=True, l2=0.1), LAST),
    "frozen norm": (FIRST, Frozen((Conv(4, (2, 2), activation=TANH, norm=True), Scale())), LAST),
    "norm image": (FIRST, Normalise("image"), Activate(TANH), LAST),
    "norm image one, of a conv": (FIRST, Conv(4, (2, 2), activation=TANH, norm=Normalise("image", pairs="one")), LAST),
    "norm layer, of a sepconv": (FIRST, SeparableConv(4, (2, 2), activation=PRELU, norm=Normalise("layer")), LAST),
    "norm layer one": (FIRST, Normalise("layer", pairs="one"), Activate(GELU), LAST),
    "norm layer none": (FIRST, Normalise("layer", pairs="none"), Conv(2, (2, 2), activation=TANH), LAST),
    "norm group, of a dwconv": (FIRST, DepthwiseConv(2, (2, 2), activation=GELU, norm=Normalise("group", 3)), LAST),
    "norm group one": (FIRST, Conv(4, (2, 2), activation=TANH), Normalise("group", 2, "one"), LAST),
    "norm layer of features": (FIRST, Dense(7, TANH, norm=Normalise("layer")), Normalise("layer", pairs="one"), LAST),
    "norm of each image after one of the batch": (FIRST, Conv(4, (2, 2), activation=TANH, norm=True), Normalise("image"), LAST),
    "norm of the batch after one of each image": (FIRST, Normalise("layer"), Conv(4, (2, 2), activation=TANH, norm=True), LAST),
    "frozen norm of each image": (FIRST, Frozen((Normalise("group", 3), Conv(4, (2, 2), norm=Normalise("layer"), activation=TANH))), LAST),
    "norm of each image in res": (
        FIRST,
        Residual((Normalise("image"), Conv(3, padding="same", activation=TANH))),
        Normalise("layer"),
        LAST,
    ),
    "norm of each image, tied": (FIRST, Tied(3, (Conv(3, padding="same", activation=TANH), Normalise("layer", pairs="one"))), LAST),
    "norm of each image, tied in tied": (
        FIRST,
        Tied(2, (Tied(2, (Conv(3, (1, 1), activation=PRELU, norm=Normalise("image")),)), Normalise("group", 3))),
        LAST,
    ),
    "norm, tied": (FIRST, Tied(3, (Conv(3, padding="same", activation=TANH, norm=True, l2=0.05),)), LAST),
    "norm of a dwconv and a sepconv, tied": (
        FIRST,
        Tied(2, (DepthwiseConv(padding="same", activation=PRELU, norm=True), SeparableConv(3, padding="same", activation=TANH, norm=True))),
        LAST,
    ),
    "norm of a dense, tied": (FIRST, Dense(5, TANH), Tied(2, (Dense(5, PRELU, norm=True), Scale())), LAST),
    "frozen norm, tied": (FIRST, Frozen((Tied(2, (Conv(3, (1, 1), activation=TANH, norm=True),)),)), LAST),
    "scale each": (FIRST, Tied(3, (Conv(3, (1, 1), activation=TANH), Scale(each=True))), Scale(each=True), LAST),
    "dropout": (FIRST, Dropout(0.3), Dense(6, TANH), Dropout(0.5), LAST),
    "spatial dropout": (FIRST, Dropout(0.4, spatial=True), LAST),
    "res": (FIRST, Residual((Conv(3, padding="same", activation=GELU),)), Activate(TANH), LAST),
    "res, other channels": (FIRST, Residual((Conv(5, padding="same", activation=TANH),)), LAST),
    "res of the image": (Residual((Conv(2, padding="same", activation=TANH), Dropout(0.2))), LAST),
    "res of the image, other channels": (Residual((Conv(4, padding="same", activation=TANH),)), LAST),
    "res of features": (FIRST, Dense(4, TANH), Residual((Dense(7, TANH), Dense(4, LINEAR))), LAST),
    "res in res": (
        FIRST,
        Residual(
            (Conv(3, padding="same", activation=TANH), Residual((Conv(5, (1, 1), activation=GELU, norm=True),)), Conv(3, (1, 1), norm=True))
        ),
        LAST,
    ),
    "res scaled": (FIRST, Residual((Conv(3, padding="same", activation=GELU),), scaled=True), Activate(PRELU), LAST),
    "res scaled, other channels": (FIRST, Residual((Conv(5, padding="same", activation=TANH, norm=True),), scaled=True), LAST),
    "res scaled of the image": (Residual((Dropout(0.2), Scale()), scaled=True), Conv(3, (2, 2), activation=TANH), LAST),
    "res scaled of features": (FIRST, Dense(4, TANH), Residual((Dense(4, TANH),), scaled=True), LAST),
    "res scaled, tied and frozen": (
        FIRST,
        Tied(3, (Residual((SeparableConv(3, padding="same", activation=TANH),), scaled=True),)),
        Frozen((Residual((Conv(3, padding="same", activation=TANH),), scaled=True),)),
        LAST,
    ),
    "res of a dropout": (FIRST, Residual((Dropout(0.5, spatial=True),)), LAST),
    "frozen res": (FIRST, Frozen((Residual((Conv(4, padding="same", activation=TANH),)),)), Scale(), LAST),
    "tied": (FIRST, Tied(3, (Conv(3, padding="same", activation=TANH, l2=0.05),)), LAST),
    "tied features": (FIRST, Dense(4, TANH), Tied(2, (Dense(4, PRELU, l1=0.02), Scale(), Dropout(0.2))), LAST),
    "tied in tied": (FIRST, Tied(2, (Tied(2, (Conv(3, (1, 1), activation=PRELU),)), DepthwiseConv(padding="same", activation=TANH))), LAST),
    "tied res": (FIRST, Tied(2, (Residual((SeparableConv(3, padding="same", activation=TANH),)), Activate(PRELU))), LAST),
    "res of tied": (FIRST, Residual((Tied(3, (Conv(3, (1, 1), activation=GELU), Scale())),)), LAST),
    "frozen tied": (FIRST, Frozen((Tied(2, (Conv(3, (1, 1), activation=PRELU),)),)), LAST),
    "elu with a slope": (FIRST, Conv(4, (2, 2), activation=Activation("elu", 0.3)), Activate(Activation("elu", 0.6)), LAST),
    "rational, tied and frozen": (
        FIRST,
        Tied(2, (Conv(3, padding="same", activation=Activation("rational"), norm=Normalise("image")), Activate(Activation("rational")))),
        Frozen((SeparableConv(4, (2, 2), activation=Activation("rational"), norm=True),)),
        LAST,
    ),
    "concat": (FIRST, Concat((Branch((Conv(4, padding="same", activation=TANH),)), Branch((Conv(2, (1, 1), activation=GELU),)))), LAST),
    "concat of three, pooled": (
        FIRST,
        Concat(
            (
                Branch((Conv(4, (2, 2), (2, 2), activation=TANH),)),
                Branch((Pool(),)),
                Branch((SeparableConv(3, (1, 1), activation=PRELU), Pool((2, 2), (2, 2), kind="average"))),
            )
        ),
        Conv(4, (2, 1), activation=TANH),
        LAST,
    ),
    "concat with what enters": (FIRST, Concat((Branch(()), Branch((Conv(4, padding="same", activation=TANH),)))), Activate(GELU), LAST),
    "concat with the image": (Concat((Branch((Conv(4, padding="same", activation=TANH),)), Branch(()))), Scale(), LAST),
    "concat of what enters, twice": (FIRST, Concat((Branch(()), Branch(()))), Conv(3, (2, 2), activation=TANH), LAST),
    "concat of vectors": (
        FIRST,
        Concat(
            (
                Branch((GlobalAveragePool(), Dense(4, TANH))),
                Branch((Conv(4, padding="same", activation=TANH), GlobalAveragePool())),
                Branch((Dense(5, GELU),)),
            )
        ),
        Concat((Branch((Dense(3, TANH),)), Branch(()))),
        LAST,
    ),
    "concat in concat, in res": (
        FIRST,
        Residual((Concat((Branch((Concat((Branch(()), Branch((Activate(TANH),)))), Scale())), Branch((Dropout(0.3),)))),)),
        LAST,
    ),
    "concat with norms": (
        FIRST,
        Concat(
            (
                Branch((Conv(4, padding="same", activation=TANH, norm=True),)),
                Branch((Conv(2, (1, 1), activation=TANH, norm=Normalise("layer")), Conv(3, (1, 1), activation=PRELU, norm=True))),
            )
        ),
        Conv(3, (2, 2), activation=TANH, norm=True),
        LAST,
    ),
    "tied concat": (
        FIRST,
        Tied(2, (Concat((Branch((Conv(2, padding="same", activation=TANH),)), Branch((Conv(1, (1, 1), activation=PRELU),)))),)),
        LAST,
    ),
    "frozen concat": (Frozen((Concat((Branch((Conv(2, (2, 2)),)), Branch((Pool((2, 2), (1, 1)),)))),)), Conv(4, activation=TANH), LAST),
    "concat of frozen and trained": (
        FIRST,
        Concat((Branch((Frozen((Conv(2, (2, 2)),)),)), Branch((Conv(2, (2, 2), activation=TANH),)))),
        LAST,
    ),
    "gate of each value": (FIRST, Gate((Conv(3, padding="same", activation=TANH),)), LAST),
    "gate of each channel": (FIRST, Gate((GlobalAveragePool(), Dense(2, TANH), Dense(3, LINEAR))), Conv(2, (2, 2), activation=TANH), LAST),
    "gate of each channel, one pixel": (FIRST, Gate((Conv(3, (5, 4), activation=PRELU),)), LAST),
    "gate of each channel, of the image": (Gate((Dense(2, LINEAR),)), LAST),
    "gate of itself": (FIRST, Gate((Activate(LINEAR),)), LAST),
    "gate of the image by itself": (Gate((Activate(LINEAR),)), LAST),
    "gate of features": (FIRST, Dense(5, TANH), Gate((Dense(4, GELU), Dense(5, TANH))), LAST),
    "gate of one pixel": (FIRST, Conv(4, (5, 4), activation=TANH), Gate((GlobalAveragePool(), Dense(4, TANH))), LAST),
    "gate in res": (
        FIRST,
        Residual(
            (Conv(5, padding="same", activation=TANH), Gate((GlobalAveragePool(), Dense(5, LINEAR))), Conv(3, (1, 1), activation=LINEAR))
        ),
        Activate(TANH),
        LAST,
    ),
    "gate with norms": (
        FIRST,
        Conv(4, (2, 2), activation=TANH, norm=True),
        Gate((Conv(4, (1, 1), activation=GELU, norm=True), Dropout(0.3))),
        Conv(3, (1, 1), activation=TANH, norm=True),
        LAST,
    ),
    "tied gate": (FIRST, Tied(3, (Conv(3, padding="same", activation=TANH), Gate((GlobalAveragePool(), Dense(3, PRELU))))), LAST),
    "frozen gate": (FIRST, Gate((Frozen((GlobalAveragePool(), Dense(3, LINEAR))),)), LAST),
    "gate of what is frozen": (Frozen((FIRST,)), Gate((Conv(3, (1, 1), activation=LINEAR),)), Scale(), LAST),
    "gate in concat in gate": (
        FIRST,
        Gate((Concat((Branch((Gate((Conv(3, (1, 1), activation=TANH),)),)), Branch(()))), Conv(3, (1, 1), activation=LINEAR))),
        LAST,
    ),
    **{f"{kind} of a layer": (FIRST, Conv(4, (2, 2), activation=Activation(kind)), LAST) for kind in KINDS},
    **{f"{kind} alone": (FIRST, Activate(Activation(kind)), Dense(5, LINEAR), Activate(Activation(kind)), LAST) for kind in KINDS},
}
OPERATORS: dict[str, Net] = {name: Net(IMAGE, CLASSES, layers) for name, layers in LAYERS.items()}
