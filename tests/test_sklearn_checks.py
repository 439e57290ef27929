"""The estimators keep scikit-learn's contract: every check of `check_estimator`, none exempted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from issun import ConvFeatures, ConvNetClassifier

# `check_array_api_input` skips itself unless the environment variable SCIPY_ARRAY_API is set.
ESTIMATORS = [
    ConvFeatures(threads=1),
    ConvFeatures("conv 4 same", weights="random", threads=1),
    ConvNetClassifier("conv 8 same, dense 16, dense", epochs=25, learning_rate=0.02, threads=1),
]


@parametrize_with_checks(ESTIMATORS)
@pytest.mark.filterwarnings("default")
def test_contract(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
