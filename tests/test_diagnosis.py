"""Learning curves in words: every kind on constructed histories, what was seen of real ones, and that noise does not decide."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.study.diagnosis import AGAINST_OVERFITTING, FEWEST_EPOCHS, Diagnosis, diagnose

#: Of the validation part in all of these.
IMAGES = 5000


def history(train: Any, validation: Any, train_loss: Any = None, val_loss: Any = None) -> pd.DataFrame:
    """Return a history of these accuracies; losses follow from them where they are not given."""
    train, validation = np.asarray(train, float), np.asarray(validation, float)
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(train) + 1),
            "train_loss": 2.3 * (1 - train) if train_loss is None else train_loss,
            "train_accuracy": train,
            "val_loss": 2.3 * (1 - validation) if val_loss is None else val_loss,
            "val_accuracy": validation,
        }
    )


def epochs(count: int) -> np.ndarray:
    return np.arange(1, count + 1)


def two_convs() -> pd.DataFrame:
    """As the two-conv network of the capacity study: train 0.89, validation 0.556 in the end, the validation loss lowest in epoch 8."""
    e = epochs(50)
    train = 0.40 + 0.4926 * (1 - np.exp(-e / 10))
    validation = 0.580 - 0.15 * np.exp(-e / 3) - 0.00048 * e
    loss = np.where(e <= 8, 1.30 + 0.04 * (8 - e), 1.30 + 0.03 * (e - 8))
    return history(train, validation, 1.7 - 1.6 * train, loss)


def penalised(count: int) -> pd.DataFrame:
    """As its deeper network with l1 and l2: 0.504 / 0.490 in epoch 15, 0.672 / 0.650 in epoch 100; the loss holds penalties."""
    e = epochs(count)
    train = np.interp(e, [1, 3, 6, 10, 15, 25, 40, 60, 80, 100], [0.22, 0.34, 0.41, 0.46, 0.504, 0.560, 0.607, 0.641, 0.660, 0.672])
    return history(train, train - 0.014 - 0.008 * (e - 15) / 85, 8 * np.exp(-e / 8) + 2 - train, 8 * np.exp(-e / 8) + 2.02 - train)


def level(at: float = 0.75, gap: float = 0.01, count: int = 60) -> pd.DataFrame:
    """Learns within a tenth of the epochs, then nothing."""
    e = epochs(count)
    train = at - 0.4 * np.exp(-e / (count / 25))
    return history(train, train - gap)


def rising(count: int = 30, gap: float = 0.01) -> pd.DataFrame:
    train = 0.3 + 0.4 * (epochs(count) / count) ** 0.7
    return history(train, train - gap)


def dropped_out() -> pd.DataFrame:
    """With dropout, the training accuracy lies below the validation's throughout; from epoch 15 on validation falls."""
    e = epochs(60)
    after = np.maximum(e - 15, 0)
    train = 0.55 + 0.13 * (1 - np.exp(-e / 20))
    validation = 0.80 - 0.2 * np.exp(-e / 3) - 0.0014 * after
    return history(train, validation, 1.5 - train, 0.6 + 0.03 * np.maximum(15 - e, 0) + 0.006 * after)


def guessing(count: int = 12) -> pd.DataFrame:
    return history(np.full(count, 0.1), np.full(count, 0.1), np.full(count, 2.303), np.full(count, 2.303))


def collapsed() -> pd.DataFrame:
    accuracy = np.where(epochs(14) < 8, 0.4 + 0.03 * epochs(14), 0.1)
    return history(accuracy, accuracy)


CASES = {
    "overfits": (two_convs, dropped_out),
    "improving": (rising, lambda: penalised(15), lambda: penalised(30)),
    "plateau": (level, lambda: level(gap=-0.04), lambda: level(at=0.99, gap=0.005, count=20)),
    "chance": (guessing,),
    "diverged": (collapsed,),
}


@pytest.mark.parametrize(("kind", "make"), [(kind, make) for kind, makes in CASES.items() for make in makes])
def test_every_kind_is_told(kind: str, make: Any) -> None:
    frame = make()
    found = diagnose(frame, 10, images=IMAGES)
    assert found.kind == kind
    assert found.train == frame["train_accuracy"].iloc[-1]
    assert found.validation == frame["val_accuracy"].iloc[-1]
    assert str(found) == f"{found.sentence}. Next: {found.advice}."


@given(st.sampled_from([(kind, make) for kind, makes in CASES.items() for make in makes]), st.integers(0, 10**6), st.floats(0, 1))
def test_tiny_noise_does_not_change_the_kind(case: tuple[str, Any], seed: int, size: float) -> None:
    """Up to a third of a standard error of 5,000 images (0.0023), on every figure; guessing has less of it."""
    kind, make = case
    frame, generator = make(), np.random.default_rng(seed)
    for column in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        frame[column] += size * 0.0023 * generator.standard_normal(len(frame))
    assert diagnose(frame, 10, images=IMAGES).kind == kind


@pytest.mark.parametrize("seed", range(20))
def test_the_two_conv_network_overfits_whatever_the_noise_of_a_constant_rate(seed: int) -> None:
    frame, generator = two_convs(), np.random.default_rng(seed)
    frame["val_accuracy"] += 0.012 * generator.standard_normal(50)
    frame["val_loss"] += 0.03 * generator.standard_normal(50)
    found = diagnose(frame, 10, images=IMAGES)
    assert found.kind == "overfits"
    assert found.best_epoch is not None
    assert 4 <= found.best_epoch <= 13


def test_the_sentence_of_the_two_conv_network() -> None:
    found = diagnose(two_convs(), 10, images=IMAGES)
    assert found.sentence.startswith("overfits from epoch 9: train 0.89, validation 0.56; the best epoch was 8 ")
    assert (found.since, found.best_epoch) == (9, 8)
    assert "dropout" in found.advice
    assert "augmentation" in found.advice


def test_the_penalised_network_is_undertrained_at_epoch_15_and_nearly_through_at_100() -> None:
    early = diagnose(penalised(15), 10, images=IMAGES)
    assert early.kind == "improving"
    assert early.sentence.startswith("still improving: train 0.50, validation 0.49, up 0.0")
    assert "as many epochs" in early.advice
    assert diagnose(pd.concat([penalised(100)] + [penalised(100).iloc[[-1]]] * 60), 10, images=IMAGES).kind == "plateau"


def test_a_plateau_says_since_when_and_what_next() -> None:
    frame = level(count=60)
    found = diagnose(frame, 10, images=IMAGES)
    assert found.sentence.startswith("the limit of this network and recipe: plateau since epoch ")
    assert found.since is not None
    assert 8 <= found.since <= 14
    assert "larger network" in found.advice
    ahead = diagnose(level(gap=0.06), 10, images=IMAGES)
    assert ahead.kind == "plateau"
    assert "augmentation, or a little more dropout or l2: training is ahead" in ahead.advice
    augmented = diagnose(level(gap=0.06), 10, images=IMAGES, used=["augmentation"])
    assert augmented.advice == ahead.advice.replace("augmentation", "stronger augmentation")


@pytest.mark.parametrize("seed", range(5))
def test_a_validation_that_jumps_is_no_limit_while_training_rises(seed: int) -> None:
    """As the penalised network at epoch 30: was it as good as it gets, or was it not to be seen?"""
    e = epochs(40)
    train = 0.45 + 0.0015 * e
    jumps = 0.05 * np.random.default_rng(seed).choice([-1.0, 1.0], 40)
    flat = np.full(40, 0.47)
    shaken = diagnose(history(train, flat + jumps), 10, images=IMAGES, schedule="constant")
    assert shaken.kind == "plateau"
    assert re.search(r"apparently no longer improving: .*training still rises, but validation varies by 0\.\d\d from", shaken.sentence)
    assert "a learning rate that falls" in shaken.advice
    # Without the jumps it is seen that validation does not follow; and where training is flat too, jumps change nothing.
    assert "the limit of this network" in diagnose(history(train, flat), 10, images=IMAGES, schedule="constant").sentence
    assert (
        "the limit of this network" in diagnose(history(np.full(40, 0.49), flat + jumps), 10, images=IMAGES, schedule="constant").sentence
    )


def test_a_flat_end_of_a_schedule_is_no_plateau_yet() -> None:
    """Rises with the cosine's middle; the flat end is the rate, which has run out."""
    e = epochs(40)
    train = 0.50 + 0.10 * (1 - np.exp(-e / 8)) + 0.10 * (1 - np.cos(np.pi * e / 40)) / 2
    rose = diagnose(history(train, train - 0.01), 10, images=IMAGES, schedule="cosine")
    assert rose.kind == "improving"
    assert "cosine" in rose.advice
    late = np.concatenate([np.full(31, 0.70), np.full(9, 0.7105)])
    found = diagnose(history(late, late - 0.01), 10, images=IMAGES, schedule="cosine")
    assert found.kind == "plateau"
    assert "had decayed" in found.sentence
    assert "twice as many epochs" in found.advice


def test_dropout_or_augmentation_alone_is_no_overfitting_and_no_underfitting() -> None:
    assert diagnose(level(gap=-0.08), 10, images=IMAGES).kind == "plateau"
    assert diagnose(rising(gap=-0.08), 10, images=IMAGES).kind == "improving"


def test_a_rate_that_shakes_both_curves_is_no_overfitting() -> None:
    """The validation accuracy falls, but so does training's: nothing is learned by heart."""
    e = epochs(40)
    train = 0.8 - 0.4 * np.exp(-e / 4) - 0.003 * np.maximum(e - 20, 0)
    assert diagnose(history(train, train - 0.01), 10, images=IMAGES).kind == "plateau"


def test_a_textbook_network_is_no_overfitting_for_a_gap_of_a_few_errors() -> None:
    e = epochs(12)
    frame = history(1 - 0.04 * np.exp(-e / 3), 0.991 - 0.02 * np.exp(-e / 2), 0.13 * np.exp(-e / 3), 0.03 + 0.0009 * e)
    found = diagnose(frame, 10, images=6000, schedule="cosine")
    assert found.kind == "plateau"
    assert "0.991" in found.sentence


@pytest.mark.parametrize("count", range(FEWEST_EPOCHS))
def test_too_short(count: int) -> None:
    found = diagnose(rising(30).iloc[:count], 10)
    assert found.kind == "too short"
    assert "at least 5 epochs" in found.advice
    assert ("no epochs" if not count else "1 epoch" if count == 1 else f"{count} epochs") in found.sentence


def test_divergence_names_the_epoch_and_what_had_been_reached() -> None:
    frame = rising(10)
    frame.loc[6:, "train_loss"] = [np.nan, np.inf, np.nan, np.nan]
    found = diagnose(frame, 10)
    assert found.kind == "diverged"
    assert found.sentence.startswith("diverged in epoch 7: the loss is no longer a finite number; validation had reached 0.")
    assert (found.since, found.best_epoch) == (7, 6)
    assert "lower learning rate" in found.advice
    frame.loc[0, "val_loss"] = np.nan
    assert diagnose(frame, 10).sentence == "diverged in epoch 1: the loss is no longer a finite number"


def test_collapse_names_the_epoch() -> None:
    found = diagnose(collapsed(), 10, images=IMAGES)
    assert "fell back to chance" in found.sentence
    assert found.best_epoch == 7
    assert found.since in (8, 9)


def test_chance_is_that_of_the_classes() -> None:
    half = np.full(12, 0.5)
    assert diagnose(history(half, half), 2, images=IMAGES).kind == "chance"
    assert diagnose(history(half, half), 10, images=IMAGES).kind == "plateau"
    uneven = np.full(12, 0.9)
    found = diagnose(history(uneven, uneven), 2, images=IMAGES, chance=0.9)
    assert found.kind == "chance"
    assert "never left chance: train 0.900, validation 0.900, where guessing gives 0.900" in found.sentence
    hundred = np.full(12, 0.03)
    assert diagnose(history(hundred, hundred), 100, images=IMAGES).kind == "plateau"


def test_few_images_make_it_careful() -> None:
    """Rising by 0.02 is an improvement on 5,000 images and may be nothing on 100."""
    curve = np.concatenate([np.full(10, 0.70), np.linspace(0.70, 0.72, 8)])
    flat = np.full(18, 0.72)
    assert diagnose(history(flat, curve), 10, images=IMAGES).kind == "improving"
    assert diagnose(history(flat, curve), 10, images=100).kind == "plateau"


def test_what_was_done_already_is_not_advised() -> None:
    advice = diagnose(two_convs(), 10, images=IMAGES, used=["dropout", "augmentation"]).advice
    assert "dropout" not in advice
    assert "augmentation" not in advice
    assert "l2" in advice
    everything: Diagnosis = diagnose(two_convs(), 10, images=IMAGES, used=[*AGAINST_OVERFITTING])
    assert everything.advice == "a smaller network"


#: Stored histories of real trainings, each with what must be said of it after so many epochs; the rate was constant, so that the first
#: epochs are those of a shorter training.
REAL = json.loads(Path(__file__).with_name("real_histories.json").read_text())


@pytest.mark.parametrize(
    ("real", "count", "kind"),
    [pytest.param(real, count, kind, id=f"{real['network']} {count}") for real in REAL for count, kind in real["expected"]],
)
def test_real_trainings_are_told_right(real: dict[str, Any], count: int, kind: str) -> None:
    frame = pd.DataFrame(real["history"])
    assert len(frame) >= count
    found = diagnose(frame.iloc[:count], real["classes"], images=real["validation_images"], schedule=real["schedule"])
    assert found.kind == kind, found


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([0.444, 0.779, 0.846, 0.868, 0.878], [0.738, 0.828, 0.869, 0.883, 0.883]),
        ([0.396, 0.790, 0.858, 0.886, 0.887], [0.690, 0.876, 0.890, 0.890, 0.890]),
    ],
)
def test_five_epochs_of_a_cosine_are_no_limit(train: list[float], validation: list[float]) -> None:
    """`dense` on the bundled digits, two seeds; in 30 epochs it reaches 0.95. With 145 images the last steps are within noise."""
    found = diagnose(history(train, validation), 10, images=145, schedule="cosine")
    assert found.kind == "improving"
