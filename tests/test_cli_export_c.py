"""`issun export --to c`: what it writes and says, and what it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from c_cases import needs_compiler
from cli_runner import Issun, write_small_digits


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    issun = Issun(tmp_path, monkeypatch, capsys)
    write_small_digits(tmp_path / "few.npz")
    issun.succeeds(
        "train", "few.npz", "conv 3 norm, pool, dense", "--epochs", "2", "--folds", "1", "-o", "net.safetensors", "--threads", "1"
    )
    return issun


@needs_compiler
def test_int8_is_written_and_told(trained: Issun) -> None:
    lines = trained.succeeds("export", "net.safetensors", "--to", "c", "--int8", "--finetune").splitlines()
    assert "numbers: int8" in lines
    assert any(line.startswith("working memory: ") for line in lines)
    assert "checked on 20 validation images of few.npz" in lines
    assert lines[-2:] == ["File  net.c", "File  net.h"]
    assert all(len(line) <= 80 for line in lines)
    assert "net.c already exists" in trained.fails("export", "net.safetensors", "--to", "c")
    trained.succeeds("export", "net.safetensors", "--to", "c", "--force")
    assert "float net_memory" in Path("net.c").read_text()


def test_what_int8_needs(trained: Issun) -> None:
    Path("few.npz").unlink()
    assert "int8 needs images to measure" in trained.fails("export", "net.safetensors", "--to", "c", "--int8")
    assert "--finetune needs the training images and labels" in trained.fails(
        "export", "net.safetensors", "--to", "c", "--int8", "--finetune"
    )
    assert "--finetune requires --int8" in trained.fails("export", "net.safetensors", "--to", "c", "--finetune")
    assert "PyTorch has no option `int8`" in trained.fails("export", "net.safetensors", "--to", "torch", "--int8")
    assert not list(Path().glob("net.[cph]*"))


@needs_compiler
def test_int8_that_loses_accuracy_names_what_helps(trained: Issun, monkeypatch: pytest.MonkeyPatch) -> None:
    advice = "--finetune trains further"
    monkeypatch.setattr("issun.api.export.TOLERATED", -1.0)  # whatever it loses is too much
    assert advice in " ".join(trained.succeeds("export", "net.safetensors", "--to", "c", "--int8").split())
    assert advice not in trained.succeeds("export", "net.safetensors", "--to", "c", "--force")
    monkeypatch.setattr("issun.api.export.TOLERATED", 1.0)
    assert advice not in trained.succeeds("export", "net.safetensors", "--to", "c", "--int8", "--force")
