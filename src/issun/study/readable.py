"""What is read of a study by whatever stands beside it or above it: the part of `Study` that answers and pictures are made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.model import Model
from issun.recipe import Recipe
from issun.study.entry import Entry
from issun.study.facts import Facts
from issun.study.plan import DataFacts
from issun.study.searched import Searched

#: A network: its text, its id, the network itself, an entry of a study, or a row of `Study.networks`.
NetworkLike = str | Net | Entry | pd.Series


class Judge(NamedTuple):
    """A model, and the images (indices into the training part) that it has judged without having seen them."""

    model: Model
    images: NDArray[np.int64]


class Readable(Protocol):
    """A study, as `Study` reads it; each member is described there."""

    path: Path

    @property
    def about(self) -> dict[str, Any]: ...

    @property
    def facts(self) -> Facts: ...

    @property
    def mark(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def incomplete(self) -> int: ...

    @property
    def entries(self) -> tuple[Entry, ...]: ...

    @property
    def searched(self) -> Searched | None: ...

    def network(self, network: NetworkLike | None = None) -> Entry: ...

    def net(self, network: NetworkLike) -> Net: ...

    def data_of(self, network: NetworkLike | None = None) -> DataFacts: ...

    def recipe(self, recipe_id: str) -> Recipe: ...

    def history(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame: ...

    def predictions(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame: ...

    def remedies(self) -> Sequence[object]: ...

    def model(self, network: NetworkLike | None = None, seed: int | None = None) -> Model: ...

    def judges(self, network: NetworkLike | None = None, seed: int | None = None) -> list[Judge]: ...

    @property
    def heads(self) -> pd.DataFrame: ...

    def head_results(self, *, test: bool = False) -> pd.DataFrame: ...

    def head_predictions(self, head_id: str) -> NDArray[np.int32]: ...

    def test_results(self) -> dict[str, tuple[float, float]]: ...
