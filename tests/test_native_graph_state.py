"""Networks that are graphs in the compiled core: the same bits whoever computes them, statistics that run, memory that is known."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from engine_cases import images_for, unit, weights_for
from graph_cases import ALL, NETS, same
from issun.arch.layers import LINEAR, Classifier, Conv, Dense, Layer, Pool, Residual, Tied
from issun.arch.net import Net
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.engine.reference.engine import ReferenceEngine
from issun.recipe import Recipe


def trained(threads: int, epochs: int, state: State | None = None, batch: int = 50, net: Net = ALL) -> State:
    """Return the state after training on a fixed order; `state` goes on from there. The last batch of an epoch is not full."""
    recipe = Recipe(batch_size=batch, epochs=3)
    images, labels = images_for(net, 120, 1)
    engine = NativeEngine(net, recipe, unit(net), threads)
    state = State.start(net, recipe, 11) if state is None else state
    while state.epoch < epochs:
        engine.train_epoch(state, images, labels, np.random.default_rng(state.epoch).permutation(120), 11)
    return state


@pytest.mark.parametrize("batch", [7, 50])
def test_the_same_bits_for_any_number_of_threads(batch: int) -> None:
    one = trained(1, 1, batch=batch)
    for threads in (2, 3, 8):
        other = trained(threads, 1, batch=batch)
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.moments, other.moments)


def test_a_stored_state_goes_on_with_the_same_bits_after_each_epoch() -> None:
    whole, part = trained(1, 3), None
    for epoch in (1, 2, 3):
        part = trained(2, epoch, state=None if part is None else part.copy())
    assert part is not None
    assert np.array_equal(whole.weights, part.weights)
    assert np.array_equal(whole.moments, part.moments)


def test_the_same_engine_gives_the_same_bits_again() -> None:
    """Nothing of an earlier call may stay in the arenas: small batches after large ones, inference between."""
    recipe = Recipe(batch_size=64)
    images, labels = images_for(ALL, 70, 1)
    weights = weights_for(ALL, recipe, 0)
    used = NativeEngine(ALL, recipe, unit(ALL), threads=2)
    for count in (64, 3, 17):
        used.gradients(weights + 1, images, labels, np.arange(64), 9, 9)
        used.logits(weights, images, np.arange(70))
        loss, gradient = used.gradients(weights, images, labels, np.arange(count), 3, 1)
        fresh_loss, fresh = NativeEngine(ALL, recipe, unit(ALL)).gradients(weights, images, labels, np.arange(count), 3, 1)
        assert loss == fresh_loss
        assert np.array_equal(gradient, fresh)


def test_two_epochs_with_running_statistics() -> None:
    """Loosely (1e-3), since rounding grows from step to step; linear layers and averages, so that no kink makes it jump."""
    smooth = (
        Conv(4, activation=LINEAR, norm=True),
        Residual((same(4, LINEAR, norm=True),)),
        Tied(2, (same(4, LINEAR),)),
        Pool(kind="average"),
        Dense(40, LINEAR, norm=True),
        Classifier(4),
    )
    net = Net((8, 8, 1), 4, smooth)
    recipe = Recipe(batch_size=16, epochs=2, epsilon=1e-4)
    images, labels = images_for(net, 75, 0)
    right, found = State.start(net, recipe, 7), State.start(net, recipe, 7)
    reference, native = ReferenceEngine(net, recipe, unit(net)), NativeEngine(net, recipe, unit(net), threads=2)
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(75)
        expected = reference.train_epoch(right, images, labels, order, 7)
        assert native.train_epoch(found, images, labels, order, 7).loss == pytest.approx(expected.loss, rel=1e-3)
    moved = 0
    for tensor in net.tensors:
        a, b = found.weights[tensor.slice], right.weights[tensor.slice]
        assert np.linalg.norm(a - b) <= 2e-3 * np.linalg.norm(b) + 1e-4, tensor.name
        moved += tensor.role in ("mean", "variance") and not np.array_equal(b, np.full(tensor.size, tensor.role == "variance"))
    assert moved == 6


def test_statistics_move_in_training_alone_and_never_where_frozen() -> None:
    net = NETS["frozen norms"]
    recipe = Recipe(batch_size=40)
    images, labels = images_for(net, 40, 0)
    engine = NativeEngine(net, recipe, unit(net))
    start = weights_for(net, recipe, 0)
    kept = start.copy()
    engine.gradients(start, images, labels, np.arange(40), 0, 0)
    engine.logits(start, images, np.arange(40))
    assert np.array_equal(start, kept)
    state = State.start(net, recipe, 0)
    state.weights[:] = start
    engine.train_epoch(state, images, labels, np.arange(40), 0)
    statistics = {t.name: np.array_equal(state.weights[t.slice], kept[t.slice]) for t in net.tensors if t.role in ("mean", "variance")}
    assert statistics == {f"{row}.{role}": row != 1 for row in range(3) for role in ("mean", "variance")}


def test_inference_of_an_image_does_not_depend_on_its_batch() -> None:
    recipe = Recipe(batch_size=16)
    images, _ = images_for(ALL, 40, 0)
    weights = weights_for(ALL, recipe, 0)
    engine = NativeEngine(ALL, recipe, unit(ALL), threads=2)
    together = engine.logits(weights, images, np.arange(40))
    alone = np.concatenate([engine.logits(weights, images, np.array([i])) for i in range(40)])
    assert np.array_equal(together, alone)


def test_tied_weights_are_laid_out_once() -> None:
    """Passes need no gradients and packed copies of their own: each more pass costs the same, and less than a layer."""

    def memory(*layers: Layer) -> int:
        net = Net((4, 4, 3), 2, (Conv(40, (1, 1)), *layers, Classifier(2)))
        return NativeEngine(net, Recipe(batch_size=8), unit(net)).memory

    tied = [memory(Tied(times, (same(40),))) for times in (2, 3, 4, 5)]
    assert len(set(np.diff(tied))) == 1
    kernel = 4 * 40 * 40 * 9
    # Apart, there are 8 chunks and at least 4 lanes of gradients more, and two packed copies.
    assert memory(same(40), same(40)) - memory(Tied(2, (same(40),))) > 12 * kernel


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks the C library's allocator")
def test_memory_is_what_is_allocated() -> None:
    """Beside its arenas an engine has the plan and headers of the allocator: a few kB, however large the arenas are."""
    program = (
        "import ctypes; from test_native_graph_state import ALL, NativeEngine, Recipe, unit\n"
        "fields = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split()\n"
        "Info = type('Info', (ctypes.Structure,), {'_fields_': [(f, ctypes.c_size_t) for f in fields]})\n"
        "mallinfo = ctypes.CDLL(None).mallinfo2; mallinfo.restype = Info\n"
        "used = lambda: (lambda info: info.uordblks + info.hblkhd)(mallinfo())\n"
        "kept, answers = [NativeEngine(ALL, Recipe(batch_size=8), unit(ALL))], []\n"
        "for batch in (16, 64, 256):\n"
        "    before = used()\n"
        "    kept.append(NativeEngine(ALL, Recipe(batch_size=batch), unit(ALL), threads=3))\n"
        "    answers.append((used() - before, kept[-1].memory))\n"
        "print(answers)"
    )
    here = Path(__file__).resolve().parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    if "mallinfo2" in run.stderr:
        pytest.skip("this glibc has no mallinfo2")
    assert run.returncode == 0, run.stderr
    for allocated, said in json.loads(run.stdout.replace("(", "[").replace(")", "]")):
        assert 0 <= allocated - said < 40_000


def test_training_takes_no_copy_of_the_images() -> None:
    """Photographs of 96x96 in colour stay a byte a value: beside them a sweep has engines, whose memory is known, and little more."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells the most memory that was used since")
    program = (
        "import re, sys, tempfile; from pathlib import Path; import numpy as np, issun\n"
        "from issun.engine.native import NativeEngine; from issun.engine.protocol import Scaling, scaling_for\n"
        "def told(name): return 1024 * int(re.search(name + r':\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "random = np.random.default_rng(0)\n"
        "def data(count):\n"
        "    made = [random.integers(0, 256, (number, 96, 96, 3), dtype=np.uint8) for number in (count, 100)]\n"
        "    return issun.Dataset('photos', made[0], np.arange(count) % 2, made[1], np.arange(100) % 2, ('a', 'b'))\n"
        "network = 'conv 8 same norm, pool, conv 16 stride 2 groups 2 norm layer, gap, dense'\n"
        "def swept(photos, name):\n"
        "    issun.sweep(photos, network, seeds=2, epochs=1, augment='flip, shift 4', study=Path(sys.argv[1]) / name, threads=2)\n"
        "swept(data(200), 'first.sqlite')  # what is made once: modules, threads, the file\n"
        "photos = data(4000)\n"
        "Path('/proc/self/clear_refs').write_text('5')\n"
        "before = told('VmRSS')\n"
        "swept(photos, 'second.sqlite')\n"
        "recipe = issun.Recipe(epochs=1, augment='flip, shift 4')\n"
        "net = issun.parse_network(network, (96, 96, 3), 2)\n"
        "engine = NativeEngine(net, recipe, scaling_for(recipe, photos.images, np.arange(4000)), 1).memory\n"
        "print([told('VmHWM') - before, engine, photos.images.nbytes])"
    )
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    more, engine, images = json.loads(run.stdout)
    assert more < 2 * engine + images / 8, (more, engine, images)
