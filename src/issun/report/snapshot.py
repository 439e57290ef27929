"""A study as it is at one moment: what is asked of it many times is read once."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.study import Study
from issun.study.frontier import networks_frame


class Snapshot(Study):
    """A `Study` that does not grow while one looks at it: trials that end later are not in it.

    A page asks for the history of every network, and each question would read all trials again.
    """

    _frame: pd.DataFrame | None = None
    _networks: pd.DataFrame | None = None
    _about: dict[str, Any] | None = None

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
