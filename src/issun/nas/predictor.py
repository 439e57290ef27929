"""What errors networks will have, judging by what they are made of and by those that were trained.

After Liu et al. (2018) and Dai et al. (2019), who let a predictor fitted to earlier networks choose which are worth a training. Here it is
two kinds of models of scikit-learn over `issun.arch.traits.traits`: ridge regressions say by what the error after a look is multiplied to
give that after the full recipe (networks that learn slowly gain more), one for first looks and one for second ones; and a ridge regression
whose penalty comes from the data (MacKay 1992; `BayesianRidge`) says what that will be of a network that nobody has trained yet.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.preprocessing import StandardScaler

#: The ratio between the errors of the full recipe and of a look counts as if so many usual networks had been seen with this one: about what
#: first looks had in first trials on digits and MNIST, and second ones on MNIST.
CAUTION, USUAL_RATIO, USUAL_SECOND = 2, 0.6, 0.8

#: Penalty of the traits' share in that ratio: about so many networks must agree before it is half of what they say.
_PENALTY = 5.0

#: From how many networks on it says anything of one that was not trained.
FEWEST = 30

#: Its errors are at least so large, in natural logarithms: training from another seed alone makes as much.
_LEAST_SPREAD = 0.05

Rows = NDArray[np.float64]
Logs = NDArray[np.float64]


class _Ratio:
    """By what the error after a look is multiplied to give that after the full recipe."""

    def __init__(self, traits: StandardScaler | None, rows: Rows, looked: Logs, full: Logs, usual: float) -> None:
        self._traits, self._usual = traits, math.log(usual)
        seen = looked[~np.isnan(looked)]
        self._middle, self._deviation = (float(seen.mean()), max(float(seen.std()), 1e-6)) if len(seen) else (0.0, 1.0)
        both = ~np.isnan(looked) & ~np.isnan(full)
        self._model = None
        if both.any():
            reasons = self._reasons(rows[both], looked[both])
            ratios = np.concatenate([full[both] - looked[both], np.full(CAUTION, self._usual)])
            self._model = Ridge(alpha=_PENALTY).fit(np.concatenate([reasons, np.zeros((CAUTION, reasons.shape[1]))]), ratios)

    def _reasons(self, rows: Rows, looked: Logs) -> Rows:
        assert self._traits is not None
        return np.column_stack([self._traits.transform(rows), (looked - self._middle) / self._deviation])

    def after(self, rows: Rows, looked: Logs) -> Logs:
        """Return the logarithms of the errors after the full recipe; nan where those after the look are."""
        if self._model is None or not len(rows):
            return looked + self._usual
        told = ~np.isnan(looked)
        found = looked.copy()
        found[told] += np.minimum(0.0, self._model.predict(self._reasons(rows[told], looked[told]))) if told.any() else 0.0
        return found


class Predictor:
    """Fitted to networks that were trained.

    Parameters
    ----------
    rows : ndarray of float64, shape (networks, traits)
        What they are made of.
    short, second, full : ndarray of float64, shape (networks,)
        Natural logarithms of their errors after a first look, a second one and the full recipe, means over seeds; nan where there is none.

    Attributes
    ----------
    spread : float
        Standard deviation of what `expected` gets wrong, in natural logarithms; nan where it says nothing.
    """

    def __init__(self, rows: Rows, short: Logs, second: Logs, full: Logs) -> None:
        self._traits = StandardScaler().fit(rows) if len(rows) else None
        self._first = _Ratio(self._traits, rows, short, full, USUAL_RATIO)
        self._second = _Ratio(self._traits, rows, second, full, USUAL_SECOND)
        self.spread = math.nan
        if len(rows) >= FEWEST:
            assert self._traits is not None
            known = np.where(np.isnan(full), self.after_looks(rows, short, second), full)
            standard = self._traits.transform(rows)
            self._errors = BayesianRidge().fit(standard, known)
            self.spread = max(float((known - self._errors.predict(standard)).std()), _LEAST_SPREAD)

    def after_looks(self, rows: Rows, short: Logs, second: Logs) -> Logs:
        """Return what errors networks will have after the full recipe, from those after the second look, or else after the first.

        Parameters
        ----------
        rows : ndarray of float64, shape (N, traits)
        short, second : ndarray of float64, shape (N,)
            Natural logarithms of the errors after the looks; nan where there is none.

        Returns
        -------
        ndarray of float64, shape (N,)
            Natural logarithms; nan where both are.
        """
        return np.where(np.isnan(second), self._first.after(rows, short), self._second.after(rows, second))

    def expected(self, rows: Rows) -> Logs:
        """Return what errors untrained networks will have after the full recipe: natural logarithms, float64 of shape (N,), for rows of
        shape (N, traits). It needs `FEWEST` networks: `spread` is a number then."""
        assert self._traits is not None
        return np.asarray(self._errors.predict(self._traits.transform(rows)))
