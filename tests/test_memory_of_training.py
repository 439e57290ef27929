"""What training takes of the machine's memory: nothing is left behind, and a sweep holds its images once."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path

import pytest

from issun.arch.notation import parse_network
from issun.recipe import Recipe
from issun.training import train_network
from small_study import digits

STATM = Path("/proc/self/statm")
needs_proc = pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")

TRIALS = (
    ("conv 3 norm, res (conv 3 same), pool, dense", {"augment": "rotate 10, mixup 0.3"}),
    ("frozen (conv 4, pool), dense", {}),
    ("dense 60, dense 60, drop 0.2, dense", {"ema_decay": 0.9, "clip_norm": 1.0, "restore_best_weights": True}),
    ("tied 2 (sepconv 1 same), scale, gap, dense", {"optimizer": "sgd"}),
)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(trials: int) -> int:
    """Train so many small networks after a tenth as many; return by how many bytes this process has grown."""

    def train(count: int) -> None:
        for number, (text, settings) in enumerate(islice(cycle(TRIALS), count)):
            net = parse_network(text, (8, 8, 1), 10)
            recipe = Recipe(epochs=2, batch_size=48, **settings)  # type: ignore[arg-type]
            train_network(net, recipe, digits(), seed=number, threads=1 + number % 2)

    train(max(20, trials // 10))
    before = resident()
    train(trials)
    return resident() - before


@needs_proc
def test_a_hundred_trials_leave_nothing_behind() -> None:
    assert growth(100) < 3 * 2**20  # an engine takes 200 kB and more


@needs_proc
@pytest.mark.long
def test_a_thousand_trials_leave_nothing_behind() -> None:
    grown = growth(1000)
    print(f"{grown / 2**10:.0f} kB more after 1,000 trials")
    assert grown < 3 * 2**20


SWEEP = """
import resource, sys
from pathlib import Path
import numpy as np
from issun.datasets.dataset import Dataset
from small_study import run_small, small_plan
from issun.training import train_network
images = np.random.default_rng(0).integers(0, 256, (24000, 64, 64, 1), np.uint8)
labels = (np.arange(24000) % 10).astype(np.int32)
test = slice(0, 100)
data = Dataset("noise", images, labels, images[test], labels[test], tuple("0123456789"), "drawn")
seen, together = set(), []
def train(net, recipe, dataset, *arguments, **options):
    seen.add(dataset.images.__array_interface__["data"][0])
    return train_network(net, recipe, dataset, *arguments, **options)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
plan = small_plan("avgpool 16x16, dense", epochs=1, seeds=range(8), dataset=data)
run_small(Path(sys.argv[1]), plan, train=train, dataset=data, threads=int(sys.argv[2]))
print(images.nbytes, peak() - before, len(seen), seen == {images.__array_interface__["data"][0]})
"""


def test_a_sweep_holds_the_images_once(tmp_path: Path) -> None:
    """Networks are trained side by side by four threads that read the same 98 MB: the sweep's peak is not half as much above them."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", SWEEP, str(tmp_path / "a.sqlite"), "4"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    images, grown, places, same = done.stdout.split()
    assert (places, same) == ("1", "True")
    assert int(images) > 90_000_000
    assert int(grown) < int(images) / 2
    print(f"{int(grown) / 2**20:.1f} MB")
