"""Is a Keras Sequential read as the network that it is, without Keras, and is what has no word named?"""

from __future__ import annotations

import contextlib
import json
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import issun
from cli_runner import Issun
from issun.errors import ExportError, IssunError, NetworkError
from issun.exporters.keras.from_keras import configuration


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": kind, "config": config}


IMAGE = layer("InputLayer", batch_shape=[None, 28, 28, 1])
CONV = layer("Conv2D", filters=8, kernel_size=[3, 3], strides=[1, 1], padding="valid", activation="relu")
SUMS = layer("Conv2D", filters=8, kernel_size=[3, 3], activation="linear")
FLAT, SOFTMAX = layer("Flatten"), layer("Dense", units=10, activation="softmax")


def model(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": list(layers)}}


def read(*layers: dict[str, Any]) -> str:
    return str(issun.from_keras(model(IMAGE, *layers)))


def l2(value: float) -> dict[str, Any]:
    return {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": value}}


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ([CONV, FLAT, SOFTMAX], "conv 8, dense"),
        ([CONV, FLAT, layer("Dense", units=10), layer("Softmax")], "conv 8, dense"),
        ([CONV, FLAT, layer("Dense", units=10, activation="linear"), layer("Activation", activation="softmax")], "conv 8, dense"),
        ([SUMS, FLAT, SOFTMAX], "conv 8 linear, dense"),
        ([SUMS, layer("ReLU"), FLAT, SOFTMAX], "conv 8, dense"),
        ([SUMS, layer("BatchNormalization", axis=-1), layer("Activation", activation="relu"), FLAT, SOFTMAX], "conv 8 norm, dense"),
        ([SUMS, layer("BatchNormalization", axis=[3]), FLAT, SOFTMAX], "conv 8 linear norm, dense"),
        ([CONV, layer("ReLU"), FLAT, SOFTMAX], "conv 8, relu, dense"),
        ([layer("MaxPooling2D", pool_size=[2, 2], strides=None), FLAT, SOFTMAX], "pool, dense"),
        ([layer("AveragePooling2D", pool_size=[3, 3], strides=[2, 2], padding="same"), FLAT, SOFTMAX], "avgpool 3 stride 2 same, dense"),
        ([CONV, layer("Dropout", rate=0.25), FLAT, layer("Dropout", rate=0.5), SOFTMAX], "conv 8, drop 0.25, drop 0.5, dense"),
        ([CONV, layer("GlobalAveragePooling2D"), SOFTMAX], "conv 8, gap, dense"),
        ([CONV, layer("GlobalAveragePooling2D"), layer("Softmax")], "conv 8, gap"),
        ([FLAT, layer("Dense", units=64, activation="tanh", use_bias=False), SOFTMAX], "dense 64 tanh nobias, dense"),
        (
            [FLAT, layer("Dense", units=64, activation="gelu", kernel_regularizer=l2(0.009999999776482582)), SOFTMAX],
            "dense 64 gelu l2 0.01, dense",
        ),
        ([SUMS, layer("GroupNormalization", groups=4), layer("ReLU"), FLAT, SOFTMAX], "conv 8 linear, norm group 4, relu, dense"),
        ([CONV, layer("GroupNormalization", groups=-1, axis=3), FLAT, SOFTMAX], "conv 8, norm image, dense"),
        ([CONV, layer("GroupNormalization", groups=1, trainable=False), FLAT, SOFTMAX], "conv 8, frozen (norm layer), dense"),
        ([CONV, layer("LayerNormalization", axis=[1, 2, -1], center=False, scale=False), FLAT, SOFTMAX], "conv 8, norm layer none, dense"),
        (
            [FLAT, layer("Dense", units=64, activation="relu"), layer("LayerNormalization"), SOFTMAX],
            "dense 64, norm layer, dense",
        ),
        ([SUMS, layer("LeakyReLU", alpha=0.30000001192092896), FLAT, SOFTMAX], "conv 8 leaky 0.3, dense"),
        ([SUMS, layer("PReLU", shared_axes=[1, 2]), FLAT, SOFTMAX], "conv 8 prelu, dense"),
        ([SUMS, layer("ReLU", max_value=6.0), FLAT, SOFTMAX], "conv 8 relu6, dense"),
        ([SUMS, layer("ELU", alpha=0.5), FLAT, SOFTMAX], "conv 8 elu 0.5, dense"),
        ([SUMS, layer("Activation", activation="elu"), FLAT, SOFTMAX], "conv 8 elu, dense"),
        (
            [SUMS, layer("Activation", activation="swish"), layer("Activation", activation="sigmoid"), FLAT, SOFTMAX],
            "conv 8 silu, sigmoid, dense",
        ),
        ([{**CONV, "config": {**CONV["config"], "trainable": False}}, FLAT, SOFTMAX], "frozen (conv 8), dense"),
        ([model(CONV, layer("MaxPooling2D", pool_size=2)), FLAT, SOFTMAX], "conv 8, pool, dense"),
        (
            [
                layer("DepthwiseConv2D", kernel_size=[5, 5], depth_multiplier=2, strides=[2, 2], padding="same", activation="relu"),
                FLAT,
                SOFTMAX,
            ],
            "dwconv 2 5x5 stride 2 same, dense",
        ),
        (
            [layer("SeparableConv2D", filters=4, kernel_size=3, dilation_rate=[2, 2], activation="hard_swish"), FLAT, SOFTMAX],
            "sepconv 4 dilation 2 hardswish, dense",
        ),
        ([CONV, layer("Conv2D", filters=6, kernel_size=1, groups=2), FLAT, SOFTMAX], "conv 8, conv 6 1x1 groups 2 linear, dense"),
    ],
)
def test_layers_become_words(layers: list[dict[str, Any]], text: str) -> None:
    assert read(*layers) == text


def test_the_network_has_the_images_and_classes_of_the_model() -> None:
    net = issun.from_keras(model(layer("InputLayer", batch_input_shape=[None, 32, 30, 3]), CONV, FLAT, layer("Dense", units=7)))
    assert (net.input, net.classes) == ((32, 30, 3), 7)
    # Before there were input layers, the first layer said it.
    first = {**CONV, "config": {**CONV["config"], "batch_input_shape": [None, 9, 9, 2]}}
    assert issun.from_keras(model(first, FLAT, SOFTMAX)).input == (9, 9, 2)


def test_features_in_one_row_are_an_image_when_it_is_said_which() -> None:
    mlp = model(layer("InputLayer", batch_shape=[None, 784]), layer("Dense", units=32, activation="relu"), SOFTMAX)
    net = issun.from_keras(mlp, input=(28, 28, 1))
    assert (str(net), net.parameters) == ("dense 32, dense", 784 * 32 + 32 + 330)
    with pytest.raises(ExportError, match=r"takes 784 features: give height, width and channels of an image with --input"):
        issun.from_keras(mlp)
    with pytest.raises(ExportError, match=r"`input` \(=32x32x3\) does not fit the model, which takes 784"):
        issun.from_keras(mlp, input=(32, 32, 3))
    shaped = model(layer("InputLayer", batch_shape=[None, 784]), layer("Reshape", target_shape=[28, 28, 1]), CONV, FLAT, SOFTMAX)
    assert str(issun.from_keras(shaped)) == "conv 8, dense"


def test_a_model_that_says_nothing_of_its_images() -> None:
    for config in (model(CONV, FLAT, SOFTMAX), model(layer("InputLayer", batch_shape=[None, None, None, 3]), CONV, FLAT, SOFTMAX)):
        with pytest.raises(ExportError, match="has no fixed input shape"):
            issun.from_keras(config)
        assert issun.from_keras(config, input=(12, 12, 3)).input == (12, 12, 3)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [layer("Lambda", name="mine", function="__import__('os').abort()"), FLAT, SOFTMAX],
            "layer 2, Lambda 'mine': this layer is not supported",
        ),
        ([CONV, layer("LayerNormalization"), FLAT, SOFTMAX], "layer 3, LayerNormalization: it must normalise all values of an image"),
        ([CONV, layer("LayerNormalization", axis=[1, 2, 3]), FLAT, SOFTMAX], "a factor for each value of an image is not supported"),
        ([CONV, FLAT, layer("LayerNormalization"), SOFTMAX], "a factor for each value of an image is not supported"),
        ([CONV, layer("GroupNormalization", center=False), FLAT, SOFTMAX], "`center` and `scale` must be both on or both off"),
        ([CONV, layer("GroupNormalization", groups=0), FLAT, SOFTMAX], "its `groups` must be a whole number from 1"),
        ([CONV, layer("GroupNormalization", axis=1), FLAT, SOFTMAX], "it must normalise an image, over its channel axis"),
        ([CONV, layer("LayerNormalization", rms_scaling=True), FLAT, SOFTMAX], "`rms_scaling` is not supported"),
        ([CONV, layer("RMSNormalization"), FLAT, SOFTMAX], "layer 3, RMSNormalization: this layer is not supported"),
        ([CONV, layer("BatchNormalization"), FLAT, SOFTMAX], "it must stand between a layer and its activation"),
        ([SUMS, layer("Dropout", rate=0.2), layer("BatchNormalization"), FLAT, SOFTMAX], "it must stand between"),
        ([FLAT, layer("BatchNormalization"), SOFTMAX], "it must stand between"),
        ([CONV, SOFTMAX], "it is applied to each pixel"),
        ([CONV, FLAT, layer("Dense", units=10, activation="selu")], "its activation `selu` is not supported"),
        ([CONV, FLAT, layer("PReLU", shared_axes=None), SOFTMAX], "put it before Flatten"),
        ([FLAT, layer("Dense", units=10, activation="softmax"), layer("Dense", units=3)], "it follows softmax"),
        ([layer("Conv2D", filters=8, kernel_size=3, groups=0), FLAT, SOFTMAX], "its `groups` must be a whole number from 1"),
        ([layer("Conv2D", filters=8, kernel_size=3, padding="causal"), FLAT, SOFTMAX], "its padding must be valid or same, not 'causal'"),
        ([layer("Conv2D", filters=8, kernel_size=3, data_format="channels_first"), FLAT, SOFTMAX], "channels first"),
        (
            [layer("Conv2D", filters=8, kernel_size=3, kernel_constraint={"class_name": "NonNeg"}), FLAT, SOFTMAX],
            "`kernel_constraint` is not supported",
        ),
        ([layer("Conv2D", filters=True, kernel_size=3), FLAT, SOFTMAX], "its `filters` must be a whole number from 1, not True"),
        ([SUMS, layer("ELU", alpha=1.5), FLAT, SOFTMAX], "its `alpha` (=1.5) must be from 0 to 1"),
        ([layer("Conv2D", filters=10**30, kernel_size=3), FLAT, SOFTMAX], "its `filters` must be a whole number"),
        ([layer("Conv2D", filters=8, kernel_size=[3, "x"]), FLAT, SOFTMAX], "its `kernel_size` must be one or two whole numbers"),
        ([layer("Dropout", rate="much"), FLAT, SOFTMAX], "its `rate` must be a number, not 'much'"),
        ([layer("ReLU", max_value=5.0), FLAT, SOFTMAX], "its `max_value` or `threshold` is not supported; use relu or relu6"),
    ],
)
def test_what_has_no_word_is_named(layers: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ExportError, match=r"Supported: InputLayer, .*Conv2D") as error:
        read(*layers)
    assert message in str(error.value)


def test_everything_that_has_no_word_is_named_at_once() -> None:
    with pytest.raises(ExportError) as error:
        read(layer("RandomFlip"), CONV, layer("GlobalMaxPooling2D"), SOFTMAX)
    assert "layer 2, RandomFlip" in str(error.value)
    assert "layer 4, GlobalMaxPooling2D" in str(error.value)


def test_networks_that_cannot_be() -> None:
    with pytest.raises(NetworkError, match="has no classifier"):
        read(CONV)
    with pytest.raises(NetworkError, match="window is larger than"):
        read(layer("Conv2D", filters=8, kernel_size=40), FLAT, SOFTMAX)
    with pytest.raises(NetworkError, match="3 groups do not divide the 8 channels of its input"):
        read(CONV, layer("Conv2D", filters=6, kernel_size=1, groups=3), FLAT, SOFTMAX)
    with pytest.raises(ExportError, match="the model ends with `dense 10`, but issun's classifier returns logits"):
        read(FLAT, layer("Dense", units=10, activation="relu"))


@pytest.mark.parametrize(
    ("layers", "remark"),
    [
        ([layer("Rescaling", scale=1 / 255), FLAT, SOFTMAX], "Rescaling is left out: the recipe sets the image scaling"),
        (
            [FLAT, layer("Dense", units=10, kernel_initializer={"class_name": "LecunNormal", "config": {}})],
            "the initializer LecunNormal is not supported",
        ),
    ],
)
def test_what_is_left_out_is_said(layers: list[dict[str, Any]], remark: str) -> None:
    with pytest.warns(UserWarning, match=remark):
        assert read(*layers) == "dense"


def test_texts_and_files(tmp_path: Path) -> None:
    text = json.dumps(model(IMAGE, CONV, FLAT, SOFTMAX))
    (tmp_path / "m.json").write_text(text)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("../../escape.txt", "not unpacked")
        archive.writestr("config.json", text)
    for source in (text, str(tmp_path / "m.json"), tmp_path / "m.keras"):
        assert str(issun.from_keras(source)) == "conv 8, dense"
    assert not (tmp_path.parent / "escape.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.keras"]


def archive_with(path: Path, content: bytes, name: str = "config.json") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def test_files_that_are_no_models(tmp_path: Path) -> None:
    whole = archive_with(tmp_path / "whole.keras", json.dumps(model(IMAGE, CONV, FLAT, SOFTMAX)).encode())
    for number, (content, message) in enumerate(
        [
            (b"", "is not the JSON of a Keras model"),
            (b"PK\x03\x04 and nothing", "is not a .keras file, or is damaged"),
            (whole.read_bytes()[:-30], "is not a .keras file, or is damaged"),
            (b"\x89HDF\r\n\x1a\n....", "is an HDF5 file: load it with Keras and save it as .keras"),
            (b"\xff\xfe{", "is not the JSON"),
            (b"[" * 200_000, "is not the JSON"),
            (b'{"class_name": "Sequential"}', "this is not the configuration of a Keras model"),
            (b'{"class_name": "Functional", "config": {}}', "only Sequential models are supported, but this is a 'Functional' model"),
            (b'{"class_name": "Sequential", "config": 3}', "it must have a list of layers"),
            (b'{"class_name": "Sequential", "config": [[]]}', "layer 1 of the model is not a Keras layer"),
            (
                b'{"class_name": "Sequential", "config": {"layers": [{"class_name": "Sequential"}]}}',
                "no layer of Keras|it must have a list",
            ),
            (b'{"a": 1' + b"0" * 10_000 + b"}", "is not the JSON"),
        ]
    ):
        path = tmp_path / f"{number}.keras"
        path.write_bytes(content)
        with pytest.raises(ExportError, match=message):
            issun.from_keras(path)
    with pytest.raises(ExportError, match="cannot be read: No such file"):
        issun.from_keras(tmp_path / "none.keras")
    with pytest.raises(ExportError, match=r"is not a .keras file, or is damaged: .*config\.json"):
        issun.from_keras(archive_with(tmp_path / "other.keras", b"{}", "weights.json"))
    with pytest.raises(ExportError, match="`model` must be a Keras model, its JSON or its file, not int"):
        issun.from_keras(3)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from places(entry, (*path, key))


WHOLE = model(
    IMAGE,
    SUMS,
    layer("BatchNormalization", axis=[-1]),
    layer("PReLU", shared_axes=[1, 2]),
    layer("MaxPooling2D", pool_size=[2, 2], strides=None),
    FLAT,
    layer("Dense", units=8, kernel_regularizer=l2(0.01)),
    layer("LeakyReLU", alpha=0.1),
    SOFTMAX,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["Sequential", "Dense", "softmax"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["class_name", "config", "layers", "value"]), inner),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.sampled_from([path for path in places(WHOLE) if path]), JSON)
def test_damaged_configurations_are_errors_of_issun_or_networks(path: tuple[Any, ...], value: Any) -> None:
    damaged = json.loads(json.dumps(WHOLE))
    at = damaged
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with contextlib.suppress(IssunError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert issun.from_keras(damaged).parameters >= 0


def test_bombs(tmp_path: Path) -> None:
    bomb = archive_with(tmp_path / "bomb.keras", b" " * 200_000_000)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(ExportError, match="has a configuration of more than 16,777,216 bytes"):
        issun.from_keras(bomb)
    nested = model(IMAGE, CONV, FLAT, SOFTMAX)
    for _ in range(200):
        nested = model(nested)
    with pytest.raises(ExportError, match="without deep nesting"):
        issun.from_keras(nested)
    with pytest.raises(IssunError, match=r"more than 10,000 layers"):
        read(*[layer("Dropout", rate=0.1)] * 20_000, FLAT, SOFTMAX)


def test_size_reads_keras_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun_ = Issun(tmp_path, monkeypatch, capsys)
    (tmp_path / "m.json").write_text(json.dumps(model(IMAGE, CONV, FLAT, SOFTMAX)))
    assert issun_.succeeds("size", "m.json").startswith("conv 8, dense\n")
    answer = issun_.answers("size", "m.json")
    assert answer["families"][0]["networks"][0]["parameters"] == 80 + 8 * 26 * 26 * 10 + 10
    (tmp_path / "row.json").write_text(json.dumps(model(layer("InputLayer", batch_shape=[None, 784]), SOFTMAX)))
    assert "--input 28x28x1" in issun_.fails("size", "row.json")
    assert "7,850" in issun_.succeeds("size", "row.json", "--input", "28x28")


def test_a_byte_order_mark_before_json_is_no_mistake(tmp_path: Path) -> None:
    text = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": []}})
    (tmp_path / "a.json").write_text(text, "utf-8-sig")
    assert configuration("\ufeff" + text) == configuration(tmp_path / "a.json") == configuration(text)
