"""Errors of the notation: each shows the place, says what was expected, and names the nearest known word."""

from __future__ import annotations

import pytest

from issun.arch.notation import parse
from issun.errors import NotationError


@pytest.mark.parametrize(
    ("text", "wrong", "says"),
    [
        ("cnov 8, dense", "cnov", "did you mean `conv`"),
        ("conv8, dense", "conv8", "did you mean `conv 8`"),
        ("Dense", "Dense", "did you mean `dense`"),
        ("conv 8, batchnrom, dense", "batchnrom", "did you mean `batchnorm`"),
        ("residuel (conv 8), dense", "residuel", "did you mean `residual`"),
        ("zebra 3, dense", "zebra", "the layers are conv, pool"),
        ("conv 8 smae, dense", "smae", "did you mean `same`"),
        ("conv 8 quickly, dense", "quickly", "the options are a window such as `5x5`, stride"),
        ("conv, dense", ",", "a number of filters is expected"),
        ("conv same, dense", "same", "`conv 8` or, with a knob, `conv n`"),
        ("conv 3x3 8, dense", "3x3", "a number of filters is expected"),
        ("conv 8 5, dense", "5", "a window is written `5x5`"),
        ("conv 8 3xn, dense", "3xn", "without knobs"),
        ("conv 8 nx3, dense", "nx3", "unknown option"),
        ("conv 0, dense", "0", "from 1 to 1,000,000"),
        ("conv 8 0x3, dense", "0x3", "from 1 to 1,000,000"),
        ("conv 1000001, dense", "1000001", "from 1 to 1,000,000"),
        ("conv 1.5, dense", "1.5", "must be a whole number"),
        ("conv -3, dense", "-", "no sign"),
        ("conv 0n, dense", "0n", "factor (=0) of the knob `n` must be above 0"),
        ("conv 2x, dense", "2x", "without knobs"),
        ("conv x, dense", "x", "choose another name for the knob"),
        ("conv 2pool, dense", "2pool", "is a word of the notation"),
        ("conv 8 same same, dense", "same", "given twice"),
        ("conv 8 same valid, dense", "valid", "cannot be combined with `same`"),
        ("conv 8 relu linear, dense", "linear", "cannot be combined with `relu`"),
        ("conv 8 he glorot, dense", "glorot", "cannot be combined with `he`"),
        ("pool 3 2x2, dense", "2x2", "cannot be combined with `3`"),
        ("conv 8 stride, dense", ",", "a stride is expected"),
        ("conv 8 l1, dense", ",", "a penalty"),
        ("conv 8 l1 9999999, dense", "9999999", "at most 1,000,000"),
        ("conv 8 leaky 3, dense", "3", "from 0 to 1"),
        ("conv 8, elu 1.5, dense", "1.5", "the slope (=1.5) of `elu` must be from 0 to 1"),
        ("pool relu, dense", "relu", "not an option of `pool`"),
        ("dense 8 same, dense", "same", "not an option of `dense`"),
        ("dense relu", "relu", "for a hidden layer, write its size"),
        ("dense dense", "dense", "`,` is expected between"),
        ("conv 8 pool, dense", "pool", "`,` is expected between"),
        ("gap 3, dense", "3", "no such option"),
        ("drop 1, dense", "1", "below 1"),
        ("drop n, dense", "n", "only replace a whole number"),
        ("same, dense", "same", "is an option"),
        ("conv 8,, dense", ",", "a layer is expected"),
        ("conv 8, dense)", ")", "has no matching `(`"),
        ("frozen (conv 8, dense", "(", "never closed"),
        ("frozen conv 8, dense", "conv", "`(` is expected after `frozen`"),
        ("frozen (), dense", ")", "a layer is expected"),
        ("3 * conv 8, dense", "conv", "`(` is expected after `3 *`"),
        ("3 conv 8, dense", "3", "begins with a word"),
        ("3 * (conv 8) pool, dense", "pool", "`,` is expected"),
        ("10001 * (conv 8), dense", "10001", "at most 10,000 times"),
        ("convs 8, dense", "convs", "did you mean `conv`"),
        ("dwcnov, dense", "dwcnov", "did you mean `dwconv`"),
        ("sepconv8, dense", "sepconv8", "did you mean `sepconv 8`"),
        ("tide 3 (relu), dense", "tide", "did you mean `tied`"),
        ("conv 8 nrom, dense", "nrom", "did you mean `norm`"),
        ("conv 8 dilatoin 2, dense", "dilatoin", "did you mean `dilation`"),
        ("hardswich, dense", "hardswich", "did you mean `hardswish`"),
        ("conv 8 norm nobias, dense", "nobias", "`nobias` cannot be combined with `norm`"),
        ("dense 8 nobias norm, dense", "norm", "`norm` cannot be combined with `nobias` before it: `norm` replaces the bias"),
        ("conv 8 stride 2 dilation 2, dense", "dilation", "`stride` and `dilation` cannot be combined"),
        ("dwconv dilation 2x1 stride 2, dense", "stride", "`stride` and `dilation` cannot be combined"),
        ("conv 8 dilation, dense", ",", "a dilation is expected"),
        ("conv 8 dilation 0, dense", "0", "from 1 to 1,000,000"),
        ("conv 8 groups, dense", ",", "a number of groups is expected"),
        ("conv 8 groups 3, dense", "3", "3 groups do not divide the 8 filters of `conv 8`"),
        ("conv 8 norm groups 2, dense", "groups", "`norm groups` may mean two things: write `norm group 2`"),
        ("conv 8 group 2, dense", "group", "`group` belongs right after `norm`; did you mean `groups`?"),
        ("conv 8 gruops 2, dense", "gruops", "did you mean `groups`"),
        ("dwconv groups 2, dense", "groups", "`groups` is not an option of `dwconv`"),
        ("sepconv 8 groups 2, dense", "groups", "`groups` is not an option of `sepconv`"),
        ("pool dilation 2, dense", "dilation", "not an option of `pool`"),
        ("conv 6 norm group 4, dense", "4", "4 groups do not divide the 6 channels of `conv 6`"),
        ("dense 6 norm image, dense", "image", "`norm image` needs the channels of an image, but `dense` returns a vector"),
        ("dense 6 norm group 2, dense", "group", "`norm group` needs the channels of an image, but `dense` returns a vector"),
        ("conv 6 norm group, dense", ",", "a number of groups is expected, but `,` was found; write for example `norm group 4`"),
        ("conv 6 norm group one, dense", "one", "a number of groups is expected, but `one` was found"),
        ("conv 6 norm layer norm, dense", "norm", "`norm` is given twice"),
        ("conv 6 norm layer nobias, dense", "nobias", "`nobias` cannot be combined with `norm`"),
        ("conv 6 layer, dense", "layer", "`layer` belongs right after `norm`"),
        ("conv 6 norm none, dense", "none", "`none` belongs right after `norm image`, `norm layer` or `norm group 4`"),
        ("conv 6 norm layer one none, dense", "none", "`none` belongs right after"),
        ("norm, dense", "norm", "`norm` is an option: write it after its layer, without a comma; as layers of their own there are"),
        ("norm grup 4, dense", "grup", "unknown normalisation `grup`; did you mean `group`?"),
        ("conv 8 norm grup 4, dense", "grup", "unknown option `grup` of `conv`; did you mean `group`?"),
        ("dense 8 relu norm layr, dense", "layr", "did you mean `layer`?"),
        ("conv 8 grup 4, dense", "grup", "unknown option `grup` of `conv`; did you mean `groups`?"),
        ("norm layer relu, dense", "relu", "`,` is expected after `norm`, but `relu` was found"),
        ("dense norm layer", "norm", "for a hidden layer, write its size"),
        ("dense norm", "norm", "for a hidden layer, write its size"),
        ("sepconv, dense", ",", "a number of filters is expected"),
        ("dwconv 2 2, dense", "2,", "a window is written `2x2`"),
        ("tied 3 (conv 8 same each), dense", "each", "`each` belongs right after `scale`"),
        ("tied 3 (scale, each), dense", "each", "`each` is an option"),
        ("tied 3 (scale each each), dense", "each)", "`,` is expected after `scale`"),
        ("tied 3 (scale all), dense", "all", "no such option"),
        ("gate (), dense", ")", "a layer is expected"),
        ("gate conv 8, dense", "conv", "`(` is expected after `gate`"),
        ("gate (gap, dense), dense", "dense", "`dense` without a number is the classifier, which stands outside of `gate (…)`"),
        ("concat (gap | res (dense)), dense", "dense", "which stands outside of `concat (…)`: give it a number of units here"),
        ("gaet (gap), dense", "gaet", "did you mean `gate`"),
        ("concat (conv 8), dense", "concat", "`concat` joins at least two branches, separated by `|`"),
        ("concat (), dense", "concat", "`concat` joins at least two branches"),
        ("concat conv 8, dense", "conv 8", "`(` is expected after `concat`, but `conv` was found: concat (conv 8 same | conv 8 5x5 same)"),
        ("concat (conv 8 | pool, dense", "(", "never closed"),
        ("concat (conv 8, | pool), dense", "|", "a layer is expected, but `|` was found"),
        ("conv 8 | pool, dense", "|", "`|` separates the branches of `concat`, and stands nowhere else"),
        ("res (conv 8 same | pool), dense", "|", "`|` separates the branches of `concat`"),
        ("conv 8, dense |", "|", "`|` separates the branches of `concat`"),
        ("concat 2 (conv 8 | pool), dense", "2", "`(` is expected after `concat`"),
        ("concta (conv 8 | pool), dense", "concta", "did you mean `concat`"),
        ("tied (conv 8 same), dense", "(", "a number of times is expected"),
        ("tied 10001 (relu), dense", "10001", "at most 10,000 times"),
        ("tied 3 conv 8 same, dense", "conv", "`(` is expected after `tied 3`"),
        ("res conv 8 same, dense", "conv", "`(` is expected after `res`"),
        ("res scald (conv 8 same), dense", "scald", "`(` is expected after `res`, but `scald` was found; did you mean `scaled`?"),
        ("res scaled conv 8 same, dense", "conv", "`(` is expected after `res scaled`"),
        ("res scaled scaled (conv 8 same), dense", "scaled (", "`(` is expected after `res scaled`"),
        ("tied 2 scaled (conv 8 same), dense", "scaled", "`(` is expected after `tied 2`"),
        ("scaled, dense", "scaled", "`scaled` is an option"),
        ("conv scaled, dense", "scaled", "a number of filters is expected"),
        ("scale 3, dense", "3", "no such option"),
        ("gelu 0.2, dense", "0.2", "no such option"),
        ("drop 0.2 spatial spatial, dense", "spatial, dense", "no such option"),
        ("conv 8 spatial, dense", "spatial", "unknown option `spatial`"),
        ("conv n=4, dense", "=", "a separate argument"),
        ("conv 8; dense", ";", "separated by `,`"),
        ("conv 8 \x00, dense", "\x00", r"`\x00` is not allowed here"),
        ("conv " + "1" * 5000 + ", dense", "1" * 5000, "at most 30 characters"),
    ],
)
def test_the_error_points_at_the_place_and_says_what_to_do(text: str, wrong: str, says: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text)
    error = caught.value
    # Where a word stands twice, the second is wrong.
    assert text[error.position :].startswith(wrong)
    assert says in error.problem
    # Under the caret stands what is wrong, also where only a part of a long text is shown.
    _, line, carets = str(error).split("\n")
    start, length = carets.index("^"), carets.count("^")
    shown = "".join(character if character.isprintable() else " " for character in wrong)
    assert shown.startswith(line[start : start + length].rstrip("…"))
    assert len(line) < 130


@pytest.mark.parametrize("text", ["", "   ", "conv 8,", "3 * (", "conv 8 l1", "frozen"])
def test_a_text_that_ends_too_early_is_marked_at_its_end(text: str) -> None:
    with pytest.raises(NotationError, match="the text ends") as caught:
        parse(text)
    assert caught.value.position == len(text.rstrip())


def test_an_option_given_twice_is_marked_where_it_stands_the_second_time() -> None:
    with pytest.raises(NotationError) as caught:
        parse("conv 8 same relu same")
    assert caught.value.position == 17


def test_depth_and_length_have_bounds() -> None:
    with pytest.raises(NotationError, match="at most 50 deep"):
        parse("frozen (" * 2000 + "dense")
    with pytest.raises(NotationError, match="the limit is 20,000"):
        parse("pool, " * 10_000 + "dense")
    deep = "frozen (" * 50 + "conv 2" + ")" * 50 + ", dense"
    assert str(parse(deep)) == deep
