"""Networks that are graphs in the compiled core: residuals, tied weights, batch normalisation. Is it what the reference computes?

The tolerances are those of `test_native_against_reference`, but for one: a norm does not care how large the kernel before it is, so that
the gradient of such a kernel may be nothing but the difference of large numbers. Gradients below 1e-2 of the whole one's norm (not 1e-3)
are measured against that share of the whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import images_for, unit, weights_for
from graph_cases import NETS
from issun.arch.net import Net
from issun.arch.ops import Kind
from issun.build import available_sets
from issun.engine.native import NativeEngine
from issun.engine.reference.engine import ReferenceEngine
from issun.recipe import Recipe
from operator_cases import OPERATORS
from strategies import nets
from test_native_against_reference import disagreements

FLOOR = 1e-2

#: Networks whose branches are joined, or gate each other.
MEETING = {name: net for name, net in OPERATORS.items() if any(op.kind in (Kind.CONCAT, Kind.GATE) for op in net.ops)}


@hypothesis_settings(max_examples=150)
@given(
    net=nets(operators=("norm", "res", "tied", "concat", "gate")),
    count=st.sampled_from([1, 3, 8, 17, 40]),
    seed=st.integers(0, 2**64 - 1),
    threads=st.sampled_from([1, 1, 3]),
)
def test_random_graphs(net: Net, count: int, seed: int, threads: int) -> None:
    assert disagreements(net, count, seed, threads, floor=FLOOR) == {}


@pytest.mark.parametrize("count", [3, 16, 40])
@pytest.mark.parametrize("name", [*NETS, *MEETING])
def test_each_kind_of_graph(name: str, count: int) -> None:
    assert disagreements({**NETS, **MEETING}[name], count, seed=1, threads=2, floor=FLOOR) == {}


@pytest.mark.parametrize("name", [*available_sets()])
def test_every_instruction_set(name: str) -> None:
    program = (
        "import json; from test_native_graph import FLOOR, NETS, NativeEngine, Recipe, disagreements, unit\n"
        "net = NETS['norms']\n"
        "print(json.dumps({'set': NativeEngine(net, Recipe(), unit(net)).instruction_set,\n"
        "                  'wrong': {f'{n}, {c}': disagreements(net, c, 1, floor=FLOOR) for n, net in NETS.items() for c in (3, 17)}}))"
    )
    here = Path(__file__).resolve().parent
    environment = os.environ | {"ISSUN_ISA": name, "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["set"] == name
    assert answer["wrong"] == {f"{graph}, {count}": {} for graph in NETS for count in (3, 17)}


@hypothesis_settings(max_examples=40)
@given(
    net=nets(trainable=False, operators=("norm", "res", "tied", "concat", "gate")),
    count=st.sampled_from([1, 3, 17]),
    seed=st.integers(0, 1000),
)
def test_logits(net: Net, count: int, seed: int) -> None:
    recipe = Recipe(batch_size=16)
    images, _ = images_for(net, count + 3, seed)
    weights = weights_for(net, recipe, seed)
    indices = np.random.default_rng(seed).permutation(count + 3)[:count]
    right = ReferenceEngine(net, recipe, unit(net)).logits(weights, images, indices)
    found = NativeEngine(net, recipe, unit(net), threads=2).logits(weights, images, indices)
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-4 * float(np.abs(right).max()) + 1e-7)
