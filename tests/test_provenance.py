"""Where a model comes from: what is written is read back, and a file's own texts stay as they are."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.datasets.resizing import Fitting
from issun.provenance import DataSource, Folds, KeptEpoch, Provenance

WHOLE = Provenance(
    study="a.sqlite",
    made_by="ConvNetClassifier",
    data=DataSource("photos (new)", "0123456789abcdef"),
    seed=3,
    validation="10 % of each class",
    split="s",
    validation_images="10 0123",
    chosen="best of 3 seeds on validation",
    val_accuracy=0.98765,
    val_accuracy_mean=1.0,
    epoch=KeptEpoch(3, 12),
    folds=Folds(5, 320),
    recipe="{}",
    weights="random",
    head="ridge {}",
    mark="as published",
    issun="0.1.0",
    range=4095,
    test_share=0.3,
    fitting=Fitting("pad", True),
    warning="none",
    finetuned="for int8",
    trained_as="dense",
    teacher="conv 8, dense (812 parameters)",
    dependence="its teacher had other validation images",
)


def test_every_fact_is_written_and_read_back() -> None:
    assert all(getattr(WHOLE, one.name) not in (None, "") for one in fields(WHOLE) if one.name != "others")
    texts = WHOLE.as_dict()
    assert len(texts) == len(fields(WHOLE)) - 1
    back = Provenance.read(texts)
    assert (back.as_dict(), back.val_accuracy, back.others) == (texts, 0.9877, {})
    assert (back.data, back.seed, back.epoch, back.range, back.fitting) == (WHOLE.data, 3, (3, 12), 4095, ("pad", True))
    assert (back.folds, back.test_share) == ((5, 320), 0.3)


@pytest.mark.parametrize(
    "texts",
    [
        {"data": "digits"},
        {"data": "digits (0123)"},
        {"seed": "first"},
        {"seed": "007"},
        {"validation accuracy": "0.93"},
        {"validation accuracy": "nan"},
        {"epoch": "the last"},
        {"range": "1e3"},
        {"range": "-1"},
        {"resize": "zoom"},
        {"resize": "crop"},
        {"photographer": "me", "split": ""},
    ],
)
def test_what_a_file_says_otherwise_stays_as_it_is(texts: dict[str, str]) -> None:
    assert Provenance.read(texts).as_dict() == texts


@given(st.dictionaries(st.sampled_from([*WHOLE.as_dict(), "other"]), st.text(max_size=20)))
def test_no_text_is_lost(texts: dict[str, str]) -> None:
    assert Provenance.read(texts).as_dict() == texts


def test_a_number_that_is_written_otherwise_is_read_too() -> None:
    assert [Provenance.read({"range": text}).range for text in ("1e3", "65535", "65535.0", "0")] == [1000, 65535, 65535, None]
    assert Provenance.read({"seed": "007"}).seed == 7
