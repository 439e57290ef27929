"""What errors networks will have, judging by what they are made of and by those that were trained.

After Liu et al. (2018) and Dai et al. (2019), who let a predictor fitted to earlier networks choose which are worth a training. Here it is
two models of scikit-learn over `issun.arch.traits.traits`: a ridge regression says by what the error after a first look is multiplied to
give that after the full recipe (networks that learn slowly gain more), and a ridge regression whose penalty comes from the data (MacKay
1992; `BayesianRidge`) says what that will be of a network that nobody has trained yet.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.preprocessing import StandardScaler

#: The ratio between the errors of both recipes counts as if so many usual networks had been seen with this one: about what a quarter of
#: the epochs had in first trials on digits and MNIST.
CAUTION, USUAL_RATIO = 2, 0.6

#: Penalty of the traits' share in that ratio: about so many networks must agree before it is half of what they say.
_PENALTY = 5.0

#: From how many networks on it says anything of one that was not trained.
FEWEST = 30

#: Its errors are at least so large, in natural logarithms: training from another seed alone makes as much.
_LEAST_SPREAD = 0.05

Rows = NDArray[np.float64]
Logs = NDArray[np.float64]


class Predictor:
    """Fitted to networks that were trained.

    Parameters
    ----------
    rows : ndarray of float64, shape (networks, traits)
        What they are made of.
    short, full : ndarray of float64, shape (networks,)
        Natural logarithms of their errors after both recipes, means over seeds; nan where there is none.

    Attributes
    ----------
    spread : float
        Standard deviation of what `expected` gets wrong, in natural logarithms; nan where it says nothing.
    """

    def __init__(self, rows: Rows, short: Logs, full: Logs) -> None:
        self._traits = StandardScaler().fit(rows) if len(rows) else None
        seen = short[~np.isnan(short)]
        self._middle, self._deviation = (float(seen.mean()), max(float(seen.std()), 1e-6)) if len(seen) else (0.0, 1.0)
        both = ~np.isnan(short) & ~np.isnan(full)
        reasons = self._reasons(rows[both], short[both])
        usual = np.zeros((CAUTION, reasons.shape[1]))
        ratios = np.concatenate([full[both] - short[both], np.full(CAUTION, math.log(USUAL_RATIO))])
        self._ratio = Ridge(alpha=_PENALTY).fit(np.concatenate([reasons, usual]), ratios) if both.any() else None
        self.spread = math.nan
        if len(rows) >= FEWEST:
            assert self._traits is not None
            known = np.where(np.isnan(full), self.after_look(rows, short), full)
            standard = self._traits.transform(rows)
            self._errors = BayesianRidge().fit(standard, known)
            self.spread = max(float((known - self._errors.predict(standard)).std()), _LEAST_SPREAD)

    def _reasons(self, rows: Rows, short: Logs) -> Rows:
        standard = rows if self._traits is None or not len(rows) else self._traits.transform(rows)
        return np.column_stack([standard, (short - self._middle) / self._deviation])

    def after_look(self, rows: Rows, short: Logs) -> Logs:
        """Return what errors networks will have after the full recipe, from those after the short one.

        Parameters
        ----------
        rows : ndarray of float64, shape (N, traits)
        short : ndarray of float64, shape (N,)
            Natural logarithms of the errors after the short recipe; nan where there is none.

        Returns
        -------
        ndarray of float64, shape (N,)
            Natural logarithms; nan where `short` is.
        """
        if self._ratio is None or not len(rows):
            return short + math.log(USUAL_RATIO)
        told = ~np.isnan(short)
        found = short.copy()
        found[told] += np.minimum(0.0, self._ratio.predict(self._reasons(rows[told], short[told]))) if told.any() else 0.0
        return found

    def expected(self, rows: Rows) -> Logs:
        """Return what errors untrained networks will have after the full recipe: natural logarithms, float64 of shape (N,), for rows of
        shape (N, traits). It needs `FEWEST` networks: `spread` is a number then."""
        assert self._traits is not None
        return np.asarray(self._errors.predict(self._traits.transform(rows)))
