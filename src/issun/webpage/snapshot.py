"""A study as it is at one moment: what is asked of it many times is read once."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.study import Study
from issun.study.frontier import networks_frame
from issun.study.reading import NetworkLike


class Snapshot(Study):
    """A `Study` that does not grow while one looks at it: trials that end later are not in it.

    A page asks for the history of every network, and each question would read all trials again.
    """

    _frame: pd.DataFrame | None = None
    _networks: pd.DataFrame | None = None
    _about: dict[str, Any] | None = None
    _places: dict[tuple[Any, ...], int] | None = None

    @property
    def frame(self) -> pd.DataFrame:
        if self._frame is None:
            self._frame = super().frame
        return self._frame

    @property
    def networks(self) -> pd.DataFrame:
        if self._networks is None:
            self._networks = networks_frame(self.frame)
        return self._networks

    @property
    def about(self) -> dict[str, Any]:
        if self._about is None:
            self._about = super().about
        return self._about

    def head_results(self, *, test: bool = False) -> pd.DataFrame:
        found = super().head_results(test=test)
        return found[found["trial_id"].isna() | found["trial_id"].isin(self.frame["trial_id"])]

    def network(self, network: NetworkLike | None = None) -> pd.Series[Any]:
        # A row of `networks` is what would be found.
        return network if isinstance(network, pd.Series) and "best_seed" in network else super().network(network)

    def _trial(self, network: NetworkLike | None, seed: int | None) -> pd.Series[Any]:
        row = self.network(network)
        if self._places is None:
            keys = self.frame[["network_id", "recipe_id", "split", "seed"]].itertuples(index=False, name=None)
            self._places = {key: place for place, key in enumerate(keys)}
        key = row["network_id"], row["recipe_id"], row["split"], int(row["best_seed"]) if seed is None else seed
        if key not in self._places:
            return super()._trial(row, seed)  # which says what is wrong
        return self.frame.iloc[self._places[key]]
