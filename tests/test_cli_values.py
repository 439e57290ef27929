"""What numbers on the command line may look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runner import Issun
from issun.api.values import accuracy, count, image_shape, seeds
from issun.errors import IssunError


@pytest.mark.parametrize(("text", "value"), [("97%", 0.97), ("0.97", 0.97), ("99.5 %", 0.995), (".5", 0.5), ("1", 1.0), ("100%", 1.0)])
def test_accuracies(text: str, value: float) -> None:
    assert accuracy(text, "--target") == value


@pytest.mark.parametrize("text", ["97", "0", "0%", "-1", "101%", "high", "", "nan", "inf", "1e-3", "0.9.7"])
def test_wrong_accuracies(text: str) -> None:
    with pytest.raises(IssunError, match=r"--target \(=.*\) must be an accuracy above 0 and at most 100 %: write 97% or 0\.97"):
        accuracy(text, "--target")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("932", 932),
        ("5k", 5000),
        ("1.5M", 1_500_000),
        ("64Ki", 65536),
        ("16kB", 16000),
        ("1,199,882", 1_199_882),
        ("2KiB", 2048),
        ("1_000", 1000),
    ],
)
def test_counts(text: str, value: int) -> None:
    assert count(text, "--max-params") == value


@pytest.mark.parametrize("text", ["0", "-5", "5x", "1.5", "0.0001k", "many", "", "k", "nan", "1e3"])
def test_wrong_counts(text: str) -> None:
    with pytest.raises(IssunError, match=r"--max-params \(=.*\) must be a whole number of at least 1: write 932, 5k or 1\.5M"):
        count(text, "--max-params")


def test_options_that_are_not_given() -> None:
    assert accuracy(None, "--target") is None
    assert count(None, "--max-params") is None


def test_image_shapes() -> None:
    assert image_shape("28x28x1", "--input") == (28, 28, 1)
    assert image_shape("32x48", "--input") == (32, 48, 1)
    for text in ("28", "28x28x0", "28x28x1x1", "28x-28", "ax28", ""):
        with pytest.raises(IssunError, match=r"--input \(=.*\) must be height x width x channels"):
            image_shape(text, "--input")


def test_seeds() -> None:
    assert seeds("3", "--seeds") == 3
    assert seeds("0, 7", "--seeds") == (0, 7)
    assert seeds("7,", "--seeds") == (7,)
    for text in ("", "-1", "a", "1..3", ",", "0,,1"):
        with pytest.raises(IssunError, match=r"--seeds \(=.*\) must be a number of seeds \(3\) or a list of seeds \(0,1,7\)"):
            seeds(text, "--seeds")


def test_more_threads_than_any_machine_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    assert "1024" in issun.fails("sweep", "digits", "dense", "--threads", "99999999999999999999", "--dry-run")
