"""Where there is no terminal, a sweep writes a line for each trial that ends, and one a minute while a large one takes its time."""

from __future__ import annotations

import pytest

from issun.cli.progress import PATIENCE, SweepView
from issun.study.progress import Progress, Running


def moment(elapsed: float, event: str | None = None) -> Progress:
    running = (Running("conv 32, dense", 9_999, 1, 3, 12, 0.9),)
    return Progress(5, 1, 1, 0, running, None, elapsed, 90.0, event)


def lines(moments: list[Progress], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with SweepView() as view:
        for progress in moments:
            view(progress)
    written = capsys.readouterr()
    assert written.out == ""
    return written.err.splitlines()


def test_an_event_is_a_line_and_a_look_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines([moment(1), moment(2, "done: dense"), moment(3)], capsys) == ["[2/5, about 1 min 30 s left] done: dense"]


def test_a_long_silence_is_broken_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    silent = [moment(PATIENCE * share) for share in (0.5, 1.0, 1.5, 2.0)]
    said = lines(silent, capsys)
    assert len(said) == 2
    assert all(line.endswith("training: conv 32, dense  seed 1, epoch 3 of 12") for line in said)
