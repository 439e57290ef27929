"""Run `issun` as people do, within this process because that is quick, or as a process of its own where that is the point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from issun.__main__ import main

#: Enough steps in two epochs of few images that networks beat guessing.
QUICK = ("--batch-size", "4", "--learning-rate", "0.02")

#: A tiny training of a tiny family, wherever a test needs one.
TINY = ("conv n, pool, dense", "n=1,2", "--epochs", "2", "--seeds", "2", "--folds", "1", "--threads", "1", *QUICK)


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int


class Issun:
    """Calls the command line with arguments, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.delenv("ISSUN_DATA", raising=False)

    def run(self, *arguments: str | Path) -> Done:
        """Return what the command did."""
        self._monkeypatch.setattr(sys, "argv", ["issun", *map(str, arguments)])
        self._capsys.readouterr()
        answer = signal.getsignal(signal.SIGINT)
        try:
            code = main()
        except SystemExit as exit:
            code = int(exit.code or 0)
        finally:
            signal.signal(signal.SIGINT, answer)  # a process that ends needs it no more; this one does
        captured = self._capsys.readouterr()
        return Done(captured.out, captured.err, code)

    def succeeds(self, *arguments: str | Path) -> str:
        """Check that the command ends well and return its stdout."""
        done = self.run(*arguments)
        assert done.code == 0, done.err
        return done.out

    def fails(self, *arguments: str | Path, code: int = 2) -> str:
        """Check that the command ends with `code` and return its stderr."""
        done = self.run(*arguments)
        assert done.code == code, done.out + done.err
        return done.err

    def answers(self, *arguments: str | Path) -> dict[str, Any]:
        """Return the object that the command prints with ``--json``."""
        found: dict[str, Any] = json.loads(self.succeeds(*arguments, "--json"))
        return found


def process(*arguments: str | Path, folder: Path, **options: Any) -> subprocess.Popen[str]:
    """Start ``issun`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "issun", *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        **options,
    )


def write_small_digits(path: Path, images: int = 200) -> None:
    """Write an .npz of bundled digits with a test part, small enough to train on in no time."""
    bundle = load_digits()
    pixels, labels = (bundle.images * 15).astype(np.uint8), bundle.target
    test = slice(images, 2 * images)
    np.savez(path, x_train=pixels[:images], y_train=labels[:images], x_test=pixels[test], y_test=labels[test])
