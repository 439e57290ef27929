"""Generated C answers as the model does: float32 within 1e-4, int8 as the reference in whole numbers to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from c_cases import compiled, images_of, needs_compiler, whole_of
from export_cases import CASES, WILD_NAMES, model_of, steady
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling
from issun.errors import ExportError, ModelError
from issun.exporters import export_model, integer
from issun.exporters.c.compile import Library, write_source
from issun.exporters.c.source import float_source, int8_size, int8_source
from issun.exporters.c.steps import lacking_int8
from issun.exporters.finetuning import finetune
from issun.exporters.quantize import quantised
from issun.exporters.ranges import measured
from issun.model import Model
from strategies import nets

NET = parse_network("conv 3, pool, conv 4 same gelu, dense", (10, 9, 2), 5)
MODEL = model_of(NET)


#: Those that int8 has every layer of.
INT8_CASES = {name: net for name, net in CASES.items() if lacking_int8(net) is None}


def one_scaling(model: Model) -> Model:
    """Return a model with the scaling of the default recipe, with which int8 reads pixels as they are."""
    return Model(model.net, model.weights, Scaling((1 / 255,) * model.net.input[2], (0.0,) * model.net.input[2]), model.classes)


def check(folder: Path, models: list[Model], optimize: str) -> None:
    holding = [model for model in models if lacking_int8(model.net) is None]
    wholes = [whole_of(model) for model in holding]
    library = compiled(folder, models, wholes, optimize)
    for number, model in enumerate(models):
        images = images_of(model)
        expected, (found, classes) = model.predict_proba(images), library.answers(images, number)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=str(model.net))
        assert (found[np.arange(len(found)), classes] == found.max(axis=1)).all()
    for number, (model, whole) in enumerate(zip(holding, wholes, strict=True)):
        images = images_of(model)
        found, classes = library.answers(images, len(models) + number)
        scores, chosen = integer.scores(whole, images)
        assert np.array_equal(found, scores), model.net
        assert np.array_equal(classes, chosen), model.net


@needs_compiler
def test_every_operator(tmp_path: Path) -> None:
    models = [model_of(net) for net in CASES.values()]
    check(tmp_path / "c", [model if number % 2 else one_scaling(model) for number, model in enumerate(models)], "-O0")


@needs_compiler
@settings(max_examples=6)
@given(drawn=st.lists(st.tuples(nets(trainable=False), st.booleans()), min_size=8, max_size=8), seed=st.integers(0, 9))
def test_random_networks(tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Net, bool]], seed: int) -> None:
    made = [one_scaling(model_of(net, seed)) if one else model_of(net, seed) for net, one in drawn]
    models = [model for model in made if steady(model, images_of(model)[2:])]  # without the two of one colour
    assume(models)
    check(tmp_path_factory.mktemp("c") / "c", models, "-O1")


@needs_compiler
def test_int8_is_close_to_the_model() -> None:
    """The reference alone: within a few steps of the scores, the largest of which are worth 127."""
    for name, net in INT8_CASES.items():
        model = model_of(net)
        images = images_of(model)
        whole = quantised(model, measured(model, images))
        off = np.abs(whole.output.real(integer.scores(whole, images)[0]) - model.logits(images))
        assert np.median(off) < 4 * whole.output.scale, name
        assert off.max() < 40 * whole.output.scale, name


@needs_compiler
def test_wild_class_names_and_an_odd_file_name(tmp_path: Path) -> None:
    import ctypes
    import subprocess

    net = parse_network("dense", (2, 2, 1), len(WILD_NAMES) + 1)
    classes = (*WILD_NAMES, "??/ what??! ??)")
    model = Model(net, model_of(net).weights, Scaling((1.0,), (0.0,)), classes)
    for options in ({}, {"int8": True, "calibration": images_of(model)}):
        done = export_model(model, tmp_path / "1st try (ä)", "c", force=True, **options)
        assert [path.name for path in done.files] == ["1st try (ä).c", "1st try (ä).h"]
        library = tmp_path / f"{len(options)}.so"
        subprocess.run(["cc", "-std=c99", "-shared", "-fPIC", "-o", library, done.files[0]], check=True)
        names = (ctypes.c_char_p * len(classes)).in_dll(ctypes.CDLL(str(library)), "model_1st_try_class_names")
        assert [name.decode() for name in names] == [name.partition("\0")[0] for name in classes]


def test_the_same_model_gives_the_same_bytes() -> None:
    sources = [[float_source(MODEL, Path("m")), int8_source(whole_of(MODEL), Path("m"))] for _ in range(2)]
    assert sources[0] == sources[1]


def test_no_library_but_math_where_an_activation_needs_it() -> None:
    for text, math in (("conv 3 relu, pool, dense", False), ("hardswish, prelu, rational, dense", False), ("dense 4 tanh, dense", True)):
        model = model_of(parse_network(text, (6, 6, 1), 3))
        source = float_source(model, Path("m"))
        assert ("math.h" in source.code, "-lm" in source.header) == (math, math)
        assert {line for line in int8_source(whole_of(model), Path("m")).code.splitlines() if "#include" in line} == {'#include "m.h"'}
        includes = {line for line in (source.code + source.header).splitlines() if "#include" in line}
        assert includes == {'#include "m.h"', "#include <stdint.h>"} | ({"#include <math.h>"} if math else set())


def test_sizes_are_known_beforehand() -> None:
    assert 10 < len(INT8_CASES) < len(CASES)
    for name in CASES.keys() - INT8_CASES.keys():
        assert int8_size(CASES[name]) is None
    for net in INT8_CASES.values():
        model = one_scaling(model_of(net))
        source = int8_source(whole_of(model), Path("m"))
        assert int8_size(net) == (source.constants, source.memory)


@needs_compiler
def test_the_facts_are_told(tmp_path: Path) -> None:
    done = export_model(MODEL, tmp_path / "m", "c")
    assert done.facts["constants"] == f"{4 * NET.parameters:,} bytes"
    assert f"MEMORY_BYTES {done.facts['working memory'].split()[0].replace(',', '')}\n" in done.files[1].read_text()


@needs_compiler
def test_logits(tmp_path: Path) -> None:
    done = export_model(MODEL, tmp_path / "m", "c", logits=True)
    assert "m_predict" not in done.files[1].read_text()
    source = float_source(MODEL, Path("m"), logits=True)
    library = Library([(source, write_source(source, tmp_path)[0], NET)])
    np.testing.assert_allclose(library.answers(images_of(MODEL))[0], MODEL.logits(images_of(MODEL)), atol=1e-5)


def test_int8_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"int8 needs images to measure .* --data"):
        export_model(MODEL, tmp_path / "m", "c", int8=True)
    with pytest.raises(ModelError, match=r"images must be uint8 of shape \(N, 10, 9, 2\)"):
        export_model(MODEL, tmp_path / "m", "c", int8=True, calibration=np.zeros((3, 8, 8, 2), np.uint8))
    with pytest.raises(ExportError, match="leave out `logits`"):
        export_model(MODEL, tmp_path / "m", "c", int8=True, logits=True, calibration=images_of(MODEL))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["conv 3 norm image, dense", "conv 4 norm group 2, dense", "conv 3, norm layer one, dense"])
def test_int8_refuses_what_each_image_is_normalised_by(tmp_path: Path, text: str) -> None:
    model = model_of(parse_network(text, (6, 6, 1), 3))
    layer = next(op.text for op in model.net.ops if op.sets)
    with pytest.raises(ExportError, match=rf"`{layer}` cannot be exported as int8: each image has a mean .* float32"):
        export_model(model, tmp_path / "m", "c", int8=True, calibration=images_of(model))
    with pytest.raises(ExportError, match=rf"`{layer}` cannot be exported as int8"):
        finetune(model, *2 * (images_of(model), np.zeros(20, np.int32)))
    assert list(tmp_path.iterdir()) == []


def test_values_that_int8_cannot_hold() -> None:
    wide = parse_network("dense", (300, 300, 1), 2)
    model = Model(wide, np.ones(wide.stored, np.float32), Scaling((1.0,), (0.0,)), ("a", "b"))
    with pytest.raises(ExportError, match=r"`dense`: [\d,]+ exceeds a 32-bit sum"):
        quantised(model, measured(model, images_of(model, 2)))
    net = parse_network("dense 2, dense 2, dense", (2, 2, 1), 2)
    model = Model(net, np.full(net.stored, 1e38, np.float32), Scaling((1e300,), (0.0,)), ("a", "b"))
    with pytest.raises(ModelError, match="not finite: its weights are too large"):
        measured(model, images_of(model))


def test_without_a_compiler_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ExportError, match="no C compiler was found to check"):
        export_model(MODEL, tmp_path / "m", "c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "what?"])
def test_file_names_that_c_cannot_include(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="is not a valid name for a C file"):
        export_model(MODEL, tmp_path / name, "c")


def test_a_class_name_that_is_too_long() -> None:
    net = parse_network("dense", (2, 2, 1), 2)
    model = Model(net, model_of(net).weights, Scaling((1.0,), (0.0,)), ("a", "b" * 4095))
    with pytest.raises(ExportError, match=r"the class name 'bbb.* has 4,095 bytes, but C allows 4,094 in a string"):
        float_source(model, Path("m"))
