"""The page about microcontrollers, from the folder of photos to the class that `main.c` prints; the photos are digits."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from c_cases import needs_compiler
from cli_runner import Issun
from issun.datasets.named import load
from places import ROOT
from test_readme import BLOCK

PAGE = ROOT / "docs" / "microcontroller.md"
BIRDS = ("owl", "hawk", "tern", "wren", "crow", "swan", "gull", "duck", "lark", "rook")


@needs_compiler
def test_from_photos_to_a_running_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("cc") is None:
        pytest.skip("the compiler is not called cc here")
    issun = Issun(tmp_path, monkeypatch, capsys)
    digits = load("digits")
    for number, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        path = tmp_path / "pictures" / BIRDS[label] / f"video{label}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0].repeat(2, axis=0).repeat(2, axis=1)).save(path)
    said: list[str] = []
    for kind, _, body in BLOCK.findall(PAGE.read_text()):
        if kind == "console":
            for command in body.strip().splitlines():
                said.append(issun.succeeds(*shlex.split(command)[1:]))
        elif kind == "c":
            Path("main.c").write_text(body)
        elif kind == "sh":
            script = body.replace("python -c", f"{shlex.quote(sys.executable)} -c")
            done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
    accuracy = next(line for line in said[3].splitlines() if line.startswith("accuracy"))
    assert float(accuracy.split()[4]) > 90
    assert said[4].startswith("owl, score ")
    assert "owl" in said[5]
    assert np.array(Image.open("pictures/owl/video0_0.png")).shape == (16, 16)
