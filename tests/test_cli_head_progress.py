"""What heads are doing: a bar on a terminal, and in a log no more lines than one wants to read."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from issun.cli import progress
from issun.extraction.comparing import SourceProgress
from issun.extraction.search import HeadProgress
from issun.plots.progress import head_picture


def test_a_log_leaves_out_what_follows_fast_but_not_what_is_new_or_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.HeadView() as view:
        for epoch in range(1, 6):
            view(SourceProgress("trained", HeadProgress("softmax", epoch, 5, None, f"epoch {epoch}")))
        view(SourceProgress("trained", HeadProgress("svm", 1, 3, 40.0, "C 1")))
        now += progress.PACE
        view(SourceProgress("trained", HeadProgress("svm", 2, 3, 20.0, "C 3")))
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "[1/5] trained, softmax: epoch 1",
        "[5/5] trained, softmax: epoch 5",
        "[1/3, about 40 s left] trained, svm: C 1",
        "[2/3, about 20 s left] trained, svm: C 3",
    ]


@pytest.mark.parametrize("total", [0, 12])
def test_a_terminal_shows_one_line_that_is_never_wider_than_it(total: int) -> None:
    console = Console(width=60, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(head_picture("random", HeadProgress("svm", 3, total, 40.0, "C 1, gamma scale: validation 91.20 %")))
    [line] = console.file.getvalue().splitlines()
    assert line.startswith("━━━━━") == bool(total)
    assert "random, svm" in line
    assert len(line) <= 60
