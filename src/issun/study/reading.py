"""What do pictures and remarks need of a study? The part of `Study` that they read, so that they stand beside it and not inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.model import Model

#: A network: its text, its id, the network itself, or a row of `Study.networks`.
NetworkLike = str | Net | pd.Series


class Readable(Protocol):
    """A study, as `Study` reads it; each member is described there."""

    path: Path

    @property
    def about(self) -> dict[str, Any]: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def frame(self) -> pd.DataFrame: ...

    @property
    def networks(self) -> pd.DataFrame: ...

    def net(self, row: pd.Series[Any]) -> Net: ...

    def network(self, network: NetworkLike | None = None) -> pd.Series[Any]: ...

    def history(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame: ...

    def predictions(self, network: NetworkLike | None = None, seed: int | None = None) -> pd.DataFrame: ...

    @property
    def heads(self) -> pd.DataFrame: ...

    def head_predictions(self, head_id: str) -> NDArray[np.int32]: ...

    def model(self, network: NetworkLike | None = None, seed: int | None = None) -> Model: ...


def shown_network(study: Readable, network: NetworkLike | None) -> pd.Series[Any]:
    """Return the network that a picture is of: the one that is asked for, else the one that the study names as its smallest.

    Where nothing beats guessing a study names none. A picture chooses nothing, and may show why it is so: it is of the most accurate.
    """
    if network is None:
        rows = study.networks
        ended = rows[rows["diverged"] < rows["seeds"]]
        if len(ended) and not ended["beats_guessing"].any():
            row: pd.Series[Any] = ended.sort_values("validation", ascending=False, kind="stable").iloc[0]
            return row
    return study.network(network)
