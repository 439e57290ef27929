"""The compiled core, as `native/bindings.cpp` makes it; use `issun.engine.native`.

Records are plain: every field is an attribute, given to the constructor by name; `native/plan.hpp` and `native/engine.hpp` say what
each means. A list that is read from a record is a copy.
"""

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from issun.engine.protocol import CancelFlag

class Kind(Enum):
    conv = 0
    dense = 1
    max_pool = 2
    average_pool = 3
    global_average_pool = 4
    dropout = 5
    activate = 6
    depthwise = 7
    add = 8
    norm = 9
    scale = 10
    normalise = 11
    concat = 12
    gate = 13

class Act(Enum):
    linear = 0
    relu = 1
    leaky = 2
    tanh = 3
    gelu = 4
    hardswish = 5
    prelu = 6
    relu6 = 7
    sigmoid = 8
    silu = 9
    elu = 10
    rational = 11

class Optimizer(Enum):
    sgd = 0
    adam = 1
    rmsprop = 2
    adadelta = 3

class Operator:
    kind: Kind
    row: int
    input: int
    other: int
    in_channels: int
    in_rows: int
    in_columns: int
    out_channels: int
    out_rows: int
    out_columns: int
    kernel_rows: int
    kernel_columns: int
    stride_rows: int
    stride_columns: int
    dilation_rows: int
    dilation_columns: int
    pad_top: int
    pad_left: int
    parts: int
    act: Act
    slope: float
    trained: bool
    kernel: int
    kernel_size: int
    bias: int
    bias_size: int
    mean: int
    variance: int
    l1: float
    l2: float
    rate: float
    threshold: int
    spatial: bool
    sets: int
    def __init__(
        self,
        *,
        kind: Kind,
        row: int,
        in_channels: int,
        in_rows: int,
        in_columns: int,
        out_channels: int,
        out_rows: int,
        out_columns: int,
        input: int = 0,
        other: int = -1,
        kernel_rows: int = 1,
        kernel_columns: int = 1,
        stride_rows: int = 1,
        stride_columns: int = 1,
        dilation_rows: int = 1,
        dilation_columns: int = 1,
        pad_top: int = 0,
        pad_left: int = 0,
        parts: int = 1,
        act: Act = Act.linear,
        slope: float = 0.0,
        trained: bool = False,
        kernel: int = -1,
        kernel_size: int = 0,
        bias: int = -1,
        bias_size: int = 0,
        mean: int = -1,
        variance: int = -1,
        l1: float = 0.0,
        l2: float = 0.0,
        rate: float = 0.0,
        threshold: int = 0,
        spatial: bool = False,
        sets: int = 0,
    ) -> None: ...

class Edge(Enum):
    fill = 0
    repeat = 1
    mirror = 2

class Augment:
    recolours: bool
    moves: bool
    bilinear: bool
    mixes: bool
    bend: int
    edge: Edge
    fill: int
    def __init__(
        self,
        *,
        recolours: bool = False,
        moves: bool = False,
        bilinear: bool = False,
        mixes: bool = False,
        bend: int = 0,
        edge: Edge = Edge.fill,
        fill: int = 0,
    ) -> None: ...

class Network:
    operators: Sequence[Operator]
    height: int
    width: int
    channels: int
    classes: int
    factor: Sequence[float]
    offset: Sequence[float]
    weights: int
    batch: int
    augment: Augment
    takes_values: bool
    macs_before: int
    channels_last: bool
    def __init__(
        self,
        *,
        operators: Sequence[Operator],
        height: int,
        width: int,
        channels: int,
        classes: int,
        weights: int,
        batch: int,
        factor: Sequence[float] = (),
        offset: Sequence[float] = (),
        augment: Augment = ...,
        takes_values: bool = False,
        macs_before: int = 0,
        channels_last: bool = False,
    ) -> None: ...

class LossSettings:
    smoothing: float
    class_weights: Sequence[float]
    share: float
    temperature: float
    def __init__(
        self, *, smoothing: float = 0.0, class_weights: Sequence[float] = (), share: float = 0.0, temperature: float = 1.0
    ) -> None: ...

class OptimizerSettings:
    kind: Optimizer
    momentum: float
    beta_1: float
    beta_2: float
    rho: float
    epsilon: float
    nesterov: bool
    weight_decay: float
    clip_norm: float
    average: float
    def __init__(
        self,
        *,
        kind: Optimizer,
        momentum: float,
        beta_1: float,
        beta_2: float,
        rho: float,
        epsilon: float,
        nesterov: bool,
        weight_decay: float,
        clip_norm: float,
        average: float,
    ) -> None: ...

class EpochResult:
    @property
    def loss(self) -> float: ...
    @property
    def correct(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def finite(self) -> bool: ...
    @property
    def cancelled(self) -> bool: ...

compiler: str

def available_sets() -> list[str]: ...
def processor_sets() -> list[str]: ...
def measure_peak(threads: int, seconds: float, instruction_set: str) -> float: ...

class Engine:
    def __init__(self, network: Network, loss: LossSettings, threads: int, instruction_set: str = "") -> None: ...
    @property
    def instruction_set(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    @property
    def segments(self) -> int: ...
    @property
    def memory(self) -> int: ...
    def ticks(self, count: bool) -> list[int]: ...
    def train(
        self,
        images: NDArray[np.uint8] | NDArray[np.float32],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        rates: NDArray[np.float64],
        weights: NDArray[np.float32],
        moments: NDArray[np.float32],
        average: NDArray[np.float32] | None,
        step: int,
        settings: OptimizerSettings,
        seed: int,
        epoch: int,
        cancel: CancelFlag | None,
        draws: NDArray[np.int32] | None,
        mix: NDArray[np.float32] | None,
        taught: NDArray[np.float32] | None = None,
    ) -> EpochResult: ...
    def logits(
        self,
        images: NDArray[np.uint8] | NDArray[np.float32],
        indices: NDArray[np.int64],
        weights: NDArray[np.float32],
        out: NDArray[np.float32],
        cancel: CancelFlag | None,
        draws: NDArray[np.int32] | None = None,
        mix: NDArray[np.float32] | None = None,
    ) -> bool: ...
    def gradients(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        weights: NDArray[np.float32],
        seed: int,
        epoch: int,
        out: NDArray[np.float32],
        draws: NDArray[np.int32] | None,
        mix: NDArray[np.float32] | None,
        taught: NDArray[np.float32] | None = None,
    ) -> float: ...
    def step(
        self,
        gradient: NDArray[np.float32],
        weights: NDArray[np.float32],
        moments: NDArray[np.float32],
        average: NDArray[np.float32] | None,
        step: int,
        rate: float,
        settings: OptimizerSettings,
    ) -> None: ...
