"""How much memory is there for images, also in a container?"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from folder_of import draw_classes
from idx_files import idx, write_all
from issun.datasets import load
from issun.datasets.idx import read_idx
from issun.datasets.memory import check_memory, memory_limit
from issun.errors import DataError

MACHINE = 8 * 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else MACHINE // 4096)


def system(root: Path, groups: str, **files: str) -> Path:
    """Write a tree of /proc and /sys; the keys of `files` are paths below /sys/fs/cgroup with __ for the slashes."""
    tree = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{path.replace('__', '/')}": content for path, content in files.items()}
    for path, content in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


V1 = "9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "1073741824\n"}, 2**30),
        ("0::/\n", {"memory.max": "max\n"}, MACHINE),
        ("0::/\n", {}, MACHINE),
        ("0::/user/app\n", {"user__app__memory.max": "max\n", "user__memory.max": "2000\n"}, 2000),
        ("0::/user/app\n", {"user__app__memory.max": "1000\n", "user__memory.max": "2000\n"}, 1000),
        ("0::/user/app\n", {"other__memory.max": "1000\n"}, MACHINE),
        ("0::/../..\n", {"memory.max": "3000\n"}, 3000),
        ("0::/\n", {"memory.max": str(MACHINE * 4)}, MACHINE),
        (V1, {"memory__docker__abc__memory.limit_in_bytes": "4000\n"}, 4000),
        (V1, {"memory__memory.limit_in_bytes": "5000\n"}, 5000),  # the host's path, the container's own tree
        (V1, {"memory__memory.limit_in_bytes": "9223372036854771712\n"}, MACHINE),
        (V1, {"cpu__docker__abc__memory.limit_in_bytes": "4000\n"}, MACHINE),
        ("no such line\n\n::\n", {"memory.max": "0\n"}, MACHINE),
    ],
)
def test_the_smaller_of_the_machine_and_the_container(tmp_path: Path, groups: str, files: dict[str, str], limit: int) -> None:
    assert memory_limit(system(tmp_path, groups, **files)) == limit


def test_a_system_without_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_limit(tmp_path) == MACHINE

    def unknown(name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.sysconf", unknown)
    assert memory_limit(tmp_path) == sys.maxsize


def test_the_readers_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.memory.memory_limit", lambda: 1400)
    check_memory("these", 700)
    with pytest.raises(DataError, match=r"these has 701 values, too many for half of this machine's memory \(1,400 bytes\)"):
        check_memory("these", 701)
    path = write_all(tmp_path, {"images": idx(np.zeros((30, 5, 5), np.uint8))}) / "images"
    with pytest.raises(DataError, match="750 values, too many for half"):
        read_idx(path, 3)
    np.savez(tmp_path / "some.npz", x=np.zeros((40, 5, 5), np.uint8), y=np.arange(40) % 2)
    with pytest.raises(DataError, match=r"some.npz: x has 1,000 values, too many for half"):
        load(tmp_path / "some.npz")
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    draw_classes(tmp_path / "pets", {"a": 5, "b": 5})
    with pytest.raises(DataError, match=r"pets, at 30x30, has 27,000 values, too many for half"):
        load(tmp_path / "pets", size=(30, 30), enlarge=True)
