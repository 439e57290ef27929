"""Do a PyTorch state and the source beside it answer as the model does, and can people go on with them?"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings

from export_cases import CASES, WILD_NAMES, model_of, steady
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.exporters import export_model
from issun.exporters.check import noise
from issun.model import Model
from issun.provenance import Provenance
from strategies import OPERATORS, nets

torch = pytest.importorskip("torch", reason="PyTorch is not installed here")


def loaded(state: Path, source: Path):
    network = runpy.run_path(str(source))["Network"]()
    network.load_state_dict(torch.load(state, weights_only=True))
    return network.eval()


@pytest.mark.parametrize("name", CASES)
def test_every_operator(tmp_path: Path, name: str) -> None:
    model = model_of(CASES[name])
    found = export_model(model, tmp_path / "net", "torch", noise(model, 30))
    assert [path.name for path in found.files] == ["net.pt", "net.py"]
    assert found.agreement.difference < 1e-5


@settings(max_examples=60)
@given(nets(operators=OPERATORS))
def test_random_networks(tmp_path_factory: pytest.TempPathFactory, net: Net) -> None:
    model = model_of(net)
    assume(steady(model, noise(model, 20)))
    export_model(model, tmp_path_factory.mktemp("torch") / "net", "torch", noise(model, 20))


def test_the_source_is_plain(tmp_path: Path) -> None:
    net = parse_network("conv 3 same, res (conv 3 same), relu, pool, drop 0.2, dense", (6, 5, 1), 3)
    source = export_model(model_of(net), tmp_path / "net", "torch").files[1].read_text()
    body = source[source.index("def compute") :].splitlines()[2:]
    assert [line.strip() for line in body] == [
        "x = torch.relu(self.conv_0(functional.pad(x, (1, 1, 1, 1))))",
        "kept_0 = x",
        "x = torch.relu(self.conv_1(functional.pad(x, (1, 1, 1, 1))))",
        "x = x + kept_0",
        "x = torch.relu(x)",
        "x = functional.max_pool2d(x, (2, 2), (2, 2))",
        "x = self.drop_5(x)",
        "x = self.dense_6(x.flatten(1))",
        "return x",
    ]
    assert 'torch.load("net.pt", weights_only=True)' in source


def test_wild_names_stay_what_they_are(tmp_path: Path) -> None:
    net = parse_network("dense", (2, 2, 1), len(WILD_NAMES))
    plain = model_of(net)
    about = {"data": '"""\nimport os\n"""', "seed": "\\"}
    model = Model(net, plain.weights, plain.scaling, WILD_NAMES, Provenance.read(about))
    _, source = export_model(model, tmp_path / '"""\nimport os  # ', "torch").files
    made = runpy.run_path(str(source))
    assert made["CLASSES"] == WILD_NAMES
    assert made["ABOUT"]["data"] == about["data"]
    assert "os" not in made


def test_logits(tmp_path: Path) -> None:
    model = model_of(CASES["dense"])
    network = loaded(*export_model(model, tmp_path / "net", "torch", logits=True).files)
    images = noise(model, 9)
    with torch.inference_mode():
        np.testing.assert_allclose(network(torch.from_numpy(images)), model.logits(images), rtol=1e-4, atol=1e-5)


def test_it_can_be_trained_further(tmp_path: Path) -> None:
    net = parse_network("frozen (conv 3), conv 4, drop 0.1, scale, gap, dense", (8, 8, 1), 3)
    network = loaded(*export_model(model_of(net), tmp_path / "net", "torch").files).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([weights for weights in network.parameters() if weights.requires_grad], 0.1)
    images = torch.from_numpy(noise(model_of(net), 16))
    torch.nn.functional.cross_entropy(network.logits(images), torch.arange(16) % 3).backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"conv_1.weight", "conv_1.bias", "scale_3_factor", "scale_3_shift", "dense_5.weight", "dense_5.bias"}
