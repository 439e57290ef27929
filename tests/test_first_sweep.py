"""The command that `issun data` ends with works as it is pasted, for every kind of images."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import issun as package
from cli_runner import Issun, write_small_digits
from folder_of import draw_classes
from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset
from issun.datasets.summary import first_sweep


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    return Issun(tmp_path, monkeypatch, capsys)


def pasted(issun: Issun, *arguments: str) -> list[str]:
    """Return the words of the command that `issun data` prints last, as a shell reads them; it is planned."""
    out = issun.succeeds("data", *arguments)
    _, command = out.split("Suggested first sweep:\n")
    assert max(map(len, command.splitlines())) <= 80
    shell = "issun() { printf '%s\\0' issun \"$@\"; }\n" + command
    words = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    assert words[:2] == ["issun", "sweep"]
    assert words == issun.answers("data", *arguments)["sweep"]["words"]
    plan = issun.answers(*words[1:], "--dry-run")
    assert plan["trials"] > 0
    assert plan["infeasible"] == []
    # It trains the family that is named beside it.
    first = issun.answers("data", *arguments)["sweep"]
    assert [family["family"] for family in plan["families"]] == [first["family"]]
    assert plan["recipe"]["augment"] == first["augment"]
    changed = "" if first["augment"] is None else f", augmentation {first['augment']}"
    assert f"{first['family']}, {first['values']}{changed}" in " ".join(out.split())
    return words


@pytest.mark.parametrize("channels", [1, 3])
def test_a_family_for_every_size(channels: int) -> None:
    sides = (*range(1, 70), 96, 127, 128, 224, 500, 1024, 4096)
    for height, width in {*((side, side) for side in sides), *((side, 150) for side in sides), *((150, side) for side in sides)}:
        images = np.broadcast_to(np.zeros((1, 1, 1, channels), np.uint8), (1, height, width, channels))
        dataset = _Shape((height, width, channels))
        fitting = first_sweep(dataset)  # type: ignore[arg-type]
        assert fitting.input == images.shape[1:]
        for family in bind_arguments([fitting.family, fitting.values]):
            feasible, impossible = family.networks(fitting.input, 10)
            assert not impossible, (fitting, impossible)
            assert len(feasible) >= 4
            if max(height, width) >= 40 and min(height, width) >= 40:
                assert "gap" in fitting.family
                assert max(net.parameters for _, net in feasible) < 1_000_000


class _Shape:
    """All that is looked at where images are no files."""

    name, files, groups, test_files, images = "images", (), (), (), range(400)

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.input = shape


def test_named_data_and_archives(issun: Issun) -> None:
    assert pasted(issun, "digits")[2:] == ["digits"]
    write_small_digits(issun.folder / "it's small.npz")
    assert pasted(issun, "it's small.npz")[2] == "it's small.npz"


def test_names_that_a_shell_would_take_apart(issun: Issun) -> None:
    for name in ("my photos; $(rm x)", "-pets", 'a "b" \\'):
        draw_classes(issun.folder / name, {"a": 12, "b": 12}, (28, 28))
        arguments = (f"./{name}",) if name.startswith("-") else (name,)
        assert pasted(issun, *arguments)[2].endswith(name)


def test_photographs_of_several_sizes(issun: Issun) -> None:
    for number, shape in enumerate([(90, 120, 3), (180, 240, 3)]):
        draw_classes(issun.folder / "alike" / "..", {f"alike/{label}": 0 for label in "ab"})
        for label in "ab":
            for index in range(8):
                path = issun.folder / "alike" / label / f"{chr(97 + index)}{number}x.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = np.random.default_rng(index + 100 * number + ord(label)).integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(noise).save(path)
    words = pasted(issun, "alike")
    assert words[words.index("--size") + 1] == "48x64"
    assert "--gray" not in words
    own = pasted(issun, "alike", "--size", "20", "--gray")
    assert own[own.index("--size") + 1] == "20"
    assert own.count("--gray") == own.count("--size") == 1
    draw_classes(issun.folder / "alike", {"a/tall": 12, "b/tall": 12}, (70, 30, 3))
    words = pasted(issun, "alike")
    assert words[words.index("--size") + 1] == "48x48"


def test_colours_that_say_nothing(issun: Issun) -> None:
    generator = np.random.default_rng(0)
    for label in "ab":
        for index in range(12):
            grey = generator.integers(20, 230, (24, 24, 1))
            path = issun.folder / "faded" / label / f"{chr(97 + index)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((grey + generator.integers(-2, 3, (24, 24, 3))).astype(np.uint8)).save(path)
    assert "--gray" in pasted(issun, "faded")
    assert "--gray" not in pasted(issun, "faded", "--rgb")


def test_tracks_are_offered_and_kept_together(issun: Issun) -> None:
    draw_classes(issun.folder / "signs", {"a": 30, "b": 30}, (12, 12))
    for label in "ab":
        for index in range(30):
            file = issun.folder / "signs" / label / f"{index}.png"
            file.rename(file.with_name(f"{index // 5:05}_{index % 5:05}.png"))
    facts = issun.answers("data", "signs")
    assert facts["tracks"] == {"pattern": r"^(.+)_[0-9]+\.", "groups": 12, "largest": 5, "fewest": 6, "example": facts["tracks"]["example"]}
    words = pasted(issun, "signs")
    assert words[words.index("--groups") + 1] == r"^(.+)_[0-9]+\."
    again = pasted(issun, "signs", "--groups", words[words.index("--groups") + 1])
    assert again.count("--groups") == 1
    grouped = issun.answers("data", "signs", "--groups", words[words.index("--groups") + 1])
    assert grouped["groups"]["groups"] == 12
    assert grouped["tracks"] is None


@pytest.mark.parametrize("name", ["digits"])
def test_in_python(name: str) -> None:
    held = package.data(name, near=False)
    assert held.duplicates.near is None
    assert held.as_dict()["near_copies"] is None
    first = held.first_sweep
    assert first.command == "issun sweep digits"
    assert (first.family, first.values, first.augment) == ("conv n, pool, conv 2n, dense", "n=1..16*2", "")
    assert isinstance(held.dataset, Dataset)
