"""What is left of a folder's decoding when it is stopped, or when the disk is full? Nothing that harms the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli_runner import process
from folder_of import draw, draw_classes, pixels

#: Images of the folder that is stopped, and seconds that each is made to take.
COUNT, SECONDS = 1000, 0.2

#: `issun data pets` on one core; each image says when it is decoded, and takes so long that 1,000 of them would take minutes.
SLOWLY = f"""
import os, sys, time
import issun.datasets.decode_listed as threads
from issun.__main__ import main

def slowly(path, wishes, white, decode=threads.decode_each):
    print("decoding", flush=True)
    time.sleep({SECONDS})
    return decode(path, wishes, white)

threads.decode_each = slowly
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
sys.argv = ["issun", "data", "pets"]
sys.exit(main())
"""

#: The same command, while the cache is written: the signal comes when its file is there.
WRITING = """
import os, signal, sys
import numpy as np
from issun.__main__ import main

def interrupted(stream, array, write=np.lib.format.write_array, **options):
    write(stream, array, **options)
    print(sum(len(files) for _, _, files in os.walk(os.environ["ISSUN_CACHE"])), flush=True)
    os.kill(os.getpid(), signal.SIGINT)

np.lib.format.write_array = interrupted
sys.argv = ["issun", "data", "pets"]
sys.exit(main())
"""

#: The same command where no file may grow beyond 20,000 bytes, the nearest to a full disk that a process can have for itself.
FULL = """
import resource, sys
from issun.__main__ import main

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.argv = ["issun", "data", "pets", "--json"]
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kept(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def next_run(folder: Path) -> dict[str, object]:
    """Run `issun data pets` as people do and return what it says."""
    run = process("data", "pets", "--json", folder=folder)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    answer: dict[str, object] = json.loads(out)
    return answer


def test_ctrl_c_while_decoding(tmp_path: Path, cache: Path) -> None:
    for name in ("cats", "dogs"):
        first = draw(tmp_path / "pets" / name / "0.png", pixels(len(name), 8, 8, 3))
        for index in range(1, COUNT // 2):
            os.link(first, first.with_name(f"{index}.png"))
    started = python(SLOWLY, tmp_path)
    assert started.stdout is not None
    begun = started.stdout.readline()
    assert begun == "decoding\n", started.communicate(timeout=60)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert err.splitlines()[-1].startswith("issun: stopped")
    assert "Traceback" not in err
    assert out.count("decoding") < 50, "it goes on with images that had not begun"
    assert kept(cache) == []
    assert next_run(tmp_path)["sizes"] == [{"size": "8x8", "files": COUNT}]
    assert len(kept(cache)) == 1


def test_ctrl_c_while_the_cache_is_written(tmp_path: Path, cache: Path) -> None:
    draw_classes(tmp_path / "pets", {"cats": 10, "dogs": 10})
    started = python(WRITING, tmp_path)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert out == "1\n", "the file that was being written"
    assert "Traceback" not in err
    assert kept(cache) == []
    assert next_run(tmp_path)["sizes"] == [{"size": "6x5", "files": 20}]


def test_a_full_disk_is_said_and_nothing_else(tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("resource")
    draw_classes(tmp_path / "pets", {"cats": 50, "dogs": 50}, (16, 16, 3))
    started = python(FULL, tmp_path)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    said = json.loads(out)
    (note,) = (note for note in said["notes"] if "could not be cached" in note)
    assert "File too large" in note
    assert kept(cache) == []
    whole = next_run(tmp_path)
    assert {**said, "notes": None, "cache": whole["cache"]} == {**whole, "notes": None}
    assert whole["notes"] == [other for other in said["notes"] if other != note]
    assert len(kept(cache)) == 1
