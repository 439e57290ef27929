"""A split's name, as models and studies keep it, gives the split back."""

from __future__ import annotations

import pytest

from issun.datasets.split import Split
from issun.errors import DataError


@pytest.mark.parametrize(
    "split", [Split(), Split(0.25, 7), Split(1 / 3, 2**60), Split(0.2, how="last"), Split(1e-05, 3, groups="0123456789abcdef")], ids=str
)
def test_names_are_read_back(split: Split) -> None:
    assert Split.named(split.id) == split


def test_the_part_that_the_data_brings() -> None:
    assert Split.named("given").how == "given"


@pytest.mark.parametrize("name", ["", "0.1", "last", "0.1 seed", "last 0.1 seed 3", "1-2 seed 3", "0.1 seed -1", "given 0.1", "x" * 1000])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(DataError, match="unknown split"):
        Split.named(name)
