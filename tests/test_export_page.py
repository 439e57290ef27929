"""Does an exported HTML page hold the model, does its JavaScript answer as the model does, and does it say what it is?"""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runner import Issun, write_small_digits
from export_cases import CASES, WILD_NAMES, model_of
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.arch.ops import Kind
from issun.errors import ExportError, MismatchError, NetworkError
from issun.exporters import export_model, page_file
from issun.exporters.check import noise
from issun.model import Model
from issun.provenance import DataSource, Provenance

NET = parse_network("conv 3 norm, pool, dense", (6, 5, 1), 3)


def in_colour(net: Net) -> Net | None:
    """Return a network for images of three channels in place of two; None where it needs an even number."""
    try:
        return parse_network(str(net), (*net.input[:2], 3), net.classes)
    except NetworkError:
        return None


PICTURES = {name: other for name, net in CASES.items() if (other := in_colour(net)) is not None}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not here: install it (Debian: apt install nodejs)")


def content(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read


def about(path: Path) -> dict[str, str]:
    return dict(content(path)["about"])


def test_nearly_all_cases_are_of_pictures() -> None:
    assert len(PICTURES) >= len(CASES) - 5
    assert {op.kind for net in PICTURES.values() for op in net.ops} == set(Kind)


@needs_node
@pytest.mark.parametrize("name", PICTURES)
def test_every_operator_runs_in_the_scripts_of_the_page(tmp_path: Path, name: str) -> None:
    model = model_of(PICTURES[name])
    done = export_model(model, tmp_path / "net", "page", noise(model, 12))
    assert done.files == (tmp_path / "net.html",)
    assert done.facts == {}
    assert done.agreement.images == 12
    assert done.agreement.difference < 1e-5


@needs_node
def test_colours_too(tmp_path: Path) -> None:
    model = model_of(parse_network("conv 4 norm, pool, dense", (9, 7, 3), 5))
    assert export_model(model, tmp_path / "net", "page").agreement.difference < 1e-5


def test_without_node_the_numbers_are_read_back_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    done = export_model(model_of(NET), tmp_path / "net", "page")
    assert done.facts == {"not run": "the page's scripts, since Node.js was not found; only the numbers in the file were checked"}
    assert done.agreement.difference < 1e-6

    right = page_file.wire

    def wrong(model: Model) -> dict[str, Any]:
        made = right(model)
        weights = np.frombuffer(base64.b64decode(made["data"]), "<f4") * np.float32(1.1)
        return made | {"data": base64.b64encode(weights.tobytes()).decode()}

    monkeypatch.setattr(page_file, "wire", wrong)
    with pytest.raises(MismatchError, match=r"other\.html differs from the model"):
        export_model(model_of(NET), tmp_path / "other", "page")
    assert not (tmp_path / "other.html").exists()


@needs_node
@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("x > 0 ? x : 0", "x", MismatchError, "net.html differs from the model"),
        ("sum >> BITS", "sum >> (BITS + 1)", None, ""),  # images of the network's own size are not resized
        ("i < height * width", "i < height * nothing", ExportError, r"failed in Node.js \(ReferenceError: nothing is not defined\)"),
    ],
)
def test_the_scripts_in_the_file_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, error: type[Exception] | None, message: str
) -> None:
    right = page_file.page

    def damaged(*arguments: Any, **options: Any) -> str:
        text = right(*arguments, **options)
        assert old in text
        return text.replace(old, new)

    monkeypatch.setattr(page_file, "page", damaged)
    model = model_of(parse_network("conv 3, pool, dense 4, dense", (6, 5, 1), 3))
    if error is None:
        export_model(model, tmp_path / "net", "page")
        return
    with pytest.raises(error, match=message):
        export_model(model, tmp_path / "net", "page")
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_cannot_be_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "node"
    broken.write_text("#!/bin/sh\necho 'SyntaxError: too old' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    with pytest.raises(ExportError, match=r"failed in Node.js \(SyntaxError: too old\): use Node.js 18 or newer"):
        export_model(model_of(NET), tmp_path / "net", "page")
    broken.write_bytes(b"\x7fELF nothing")
    with pytest.raises(ExportError, match="node cannot be run"):
        export_model(model_of(NET), tmp_path / "net", "page")


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_what_is_no_photo_is_refused(tmp_path: Path, channels: int) -> None:
    model = model_of(parse_network("pool, dense", (6, 5, channels), 3))
    with pytest.raises(ExportError, match=rf"grey \(1 channel\) or RGB \(3\), but the network's input has {channels} channels"):
        export_model(model, tmp_path / "net", "page")
    assert list(tmp_path.iterdir()) == []


@needs_node
def test_a_large_page_is_written_and_told(tmp_path: Path) -> None:
    for width, large in ((300, False), (1200, True)):
        model = model_of(parse_network(f"dense {width}, dense", (8, 8, 1), 3))
        done = export_model(model, tmp_path / f"{width}", "page", noise(model, 3))
        assert (done.bytes > page_file.SMALL) == large
        assert ("large" in done.facts) == large
        if not large:
            assert done.bytes > 100_000


@needs_node
def test_what_the_page_says_of_itself(tmp_path: Path) -> None:
    known = {
        "data": "/home/somebody/photos of birds (0123456789abcdef)",
        "validation accuracy": "0.9312",
        "validation accuracy, mean over seeds": "0.9200",
        "validation images": "145 a80d0ff37c1689a1",
        "chosen": "best of 2 seeds on validation",
    }
    net = parse_network("conv 3 norm, pool, dense", (6, 5, 1), len(WILD_NAMES))
    model = replace(model_of(net), classes=WILD_NAMES, provenance=Provenance.read(known))
    path = export_model(model, tmp_path / "net", "page", training_images=1293).files[0]
    assert "/home/somebody" not in path.read_text("utf-8")
    assert content(path)["title"] == "Image classifier: photos of birds"
    assert tuple(content(path)["classes"]) == WILD_NAMES
    assert about(path) == {
        "Network": "conv 3, pool, dense",
        "Parameters": str(net.parameters),
        "Classes": "8",
        "Input": "6x5 pixels, grey",
        "Trained on": "photos of birds, 1,293 images",
        "Validation accuracy": "93.12 % of 145 images",
        "Lower 95 % bound": "87.48 % of the mean, counting the images alone",
        "Mean over seeds": "92.00 %",
        "Seed": "best of 2 seeds on validation",
    }
    single = Provenance.read({name: known[name] for name in ("validation accuracy", "validation images")})
    alone = export_model(replace(model, provenance=single), tmp_path / "alone", "page").files[0]
    assert about(alone)["Lower 95 % bound"] == "88.81 %, counting the images alone"
    bare = export_model(model_of(NET), tmp_path / "bare", "page").files[0]
    assert content(bare)["title"] == "Image classifier"
    assert set(about(bare)) == {"Network", "Parameters", "Classes", "Input"}


@needs_node
@pytest.mark.parametrize(
    "data", ["", "/", "..", "a/b/", r"C:\Users\somebody\birds", "<script>alert(1)</script>", "\ud800", "https://example.org/x.npz"]
)
def test_odd_names_of_data(tmp_path: Path, data: str) -> None:
    model = replace(model_of(NET), provenance=Provenance(data=DataSource(data, "0" * 16), validation_images="0 x", val_accuracy=0.5))
    path = export_model(model, tmp_path / "net", "page").files[0]
    assert "alert(1)</script>" not in path.read_text("utf-8")
    assert "somebody" not in path.read_text("utf-8")
    assert about(path)["Validation accuracy"] == "50.00 %"


@needs_node
def test_the_same_model_gives_the_same_page_that_asks_for_nothing(tmp_path: Path) -> None:
    first, second = (export_model(model_of(NET), tmp_path / name, "page").files[0].read_text("utf-8") for name in ("a", "b"))
    assert first == second
    assert "default-src 'none'" in first
    assert "connect-src" not in first
    assert set(re.findall(r"https?://[\w./-]*", first)) == {"http://www.w3.org/2000/svg"}, "the name of SVG, which nothing asks for"


@needs_node
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    write_small_digits(tmp_path / "few.npz")
    issun.succeeds(
        "train", "few.npz", "conv 3 norm, pool, dense", "--epochs", "2", "--folds", "1", "-o", "net.safetensors", "--threads", "1"
    )
    lines = issun.succeeds("export", "net.safetensors", "--to", "page").splitlines()
    size = (tmp_path / "net-classifier.html").stat().st_size
    assert lines[1] == f"{Model.load('net.safetensors').net.parameters:,} parameters for HTML: {size:,} bytes"
    assert lines[2] == "checked on 20 validation images of few.npz"
    assert lines[-1] == "File  net-classifier.html", "a study's report is net.html"
    assert about(tmp_path / "net-classifier.html")["Trained on"] == "few.npz, 180 images"
    assert issun.answers("export", "net.safetensors", "-o", "other.html")["format"] == "page"
    assert "HTML has no option `logits`" in issun.fails("export", "net.safetensors", "-o", "x.html", "--logits")
    (tmp_path / "few.npz").rename(tmp_path / "moved.npz")
    issun.run("export", "net.safetensors", "-o", "noise.html")
    assert about(tmp_path / "noise.html")["Trained on"] == "few.npz"


@needs_node
def test_a_model_of_folds_says_on_how_many_images_it_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    write_small_digits(tmp_path / "few.npz")
    issun.succeeds("train", "few.npz", "conv 3, pool, dense", "--epochs", "2", "-o", "net.safetensors", "--threads", "1")
    assert issun.succeeds("export", "net.safetensors", "--to", "page").splitlines()[2] == "checked on 200 training images of few.npz"
    said = about(tmp_path / "net-classifier.html")
    assert said["Validation accuracy"].endswith("% of 200 images in 5 folds")
    assert said["Trained on"] == "few.npz, 200 images"
    assert "Lower 95 % bound" in said
