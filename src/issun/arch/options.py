"""The options behind a layer's word: which are allowed, what each sets, and which contradict each other."""

from __future__ import annotations

from typing import Any, NoReturn

from issun.arch.knobs import INITIALIZER_WORDS, LARGEST_SIZE, LAYER_WORDS, OPTION_WORDS
from issun.arch.layers import ACTIVATION_KINDS
from issun.arch.tokens import WINDOW_RULE, Reader, Token, nearest

#: The setting that each option decides. Two options of one setting contradict each other.
SETTINGS = {
    "stride": "stride",
    "dilation": "dilation",
    "same": "padding",
    "valid": "padding",
    **dict.fromkeys(ACTIVATION_KINDS, "activation"),
    "norm": "norm",
    "nobias": "bias",
    **dict.fromkeys(INITIALIZER_WORDS, "initializer"),
    "l1": "l1",
    "l2": "l2",
}
WEIGHTS = ("bias", "initializer", "l1", "l2")
CONVOLUTION = ("window", "stride", "dilation", "padding", "activation", "norm", *WEIGHTS)
ALLOWED = {
    "conv": CONVOLUTION,
    "dwconv": CONVOLUTION,
    "sepconv": CONVOLUTION,
    "pool": ("window", "stride", "padding"),
    "avgpool": ("window", "stride", "padding"),
    "dense": ("activation", "norm", *WEIGHTS),
}

#: Settings that do not go together although they are different ones.
CONTRADICTIONS = {"norm": "bias", "bias": "norm"}


class OptionReader(Reader):
    """Reads the options of one layer after the other."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tied = 0  # how many `tied (…)` stand around what is read

    def options(self, name: str, settings: dict[str, Any], classifier: bool = False) -> dict[str, Any]:
        """Read options in any order and return the settings that they decide, added to those that are decided already."""
        allowed = WEIGHTS if classifier else ALLOWED[name]
        said = dict.fromkeys(settings, self.tokens[self.index - 1])
        while self.next.kind != "end" and self.next.text not in (",", ")"):
            token = self.take()
            setting = "window" if token.kind == "window" else SETTINGS.get(token.text)
            if setting is None:
                self.unknown_option(name, allowed, token)
            if setting not in allowed:
                hidden = "; the classifier gives logits: for a hidden layer write its size, as in `dense 64`" if classifier else ""
                self.fail(f"`{token.text}` is no option of `{name}`{hidden}", token)
            if setting in said:
                same = said[setting].text == token.text
                self.fail(
                    f"`{token.text}` is given twice" if same else f"`{token.text}` contradicts `{said[setting].text}` before it", token
                )
            against = CONTRADICTIONS.get(setting)
            if against in said:
                self.fail(f"`{token.text}` contradicts `{said[against].text}` before it: `norm` stands in place of the bias", token)
            if setting == "norm" and self.tied:
                self.fail("`norm` cannot stand in `tied (…)`: its statistics would differ at each pass; `scale` can", token)
            said[setting] = token
            settings[setting] = self.option_value(setting, token)
            self.check_stride(settings, token)
        return settings

    def check_stride(self, settings: dict[str, Any], token: Token) -> None:
        """Refuse a stride together with a dilation; with a knob in either, binding decides."""
        stride, dilation = settings.get("stride", (1, 1)), settings.get("dilation", (1, 1))
        if all(isinstance(step, int) for step in (*stride, *dilation)) and stride != (1, 1) and dilation != (1, 1):
            self.fail("`stride` and `dilation` do not go together: leave one out, or use a second layer", token)

    def option_value(self, setting: str, token: Token) -> Any:
        """Return what an option sets, reading the number that belongs to it."""
        if setting == "window":
            return self.window(token)
        if setting in ("stride", "dilation"):
            if self.next.kind == "window":
                return self.window(self.take())
            step = self.size(f"a {setting}", f"{setting} 2")
            return step, step
        if setting == "norm":
            return True
        if setting == "activation":
            return self.activation(token.text)
        if setting == "bias":
            return False
        if setting in ("l1", "l2"):
            number = self.next
            value = self.decimal(f"`{setting}`", f"a penalty, such as `{setting} 0.01`")
            if value > LARGEST_SIZE:
                self.fail(f"the penalty (={number.text}) of `{setting}` must be at most {LARGEST_SIZE:,}", number)
            return value
        return token.text

    def unknown_option(self, name: str, allowed: tuple[str, ...], token: Token) -> NoReturn:
        """Raise the error for something that is no option."""
        known = [word for word, setting in SETTINGS.items() if setting in allowed]
        if token.text in LAYER_WORDS:
            self.fail(f"`,` is expected between `{name}` and `{token.text}`", token)
        if token.text in ("(", "*"):
            self.fail(f"`,` is expected after `{name}` where `{token.text}` stands", token)
        if token.text.isdigit() and "window" in allowed:
            self.fail(
                f"a number does not stand here; a window is written `{token.text}x{token.text}`, a stride `stride {token.text}`", token
            )
        if token.kind == "scaled" and "x" in token.text:
            self.fail(WINDOW_RULE, token)
        hint = nearest(token.text, known) if token.kind == "name" else ""
        windows = "a window such as `5x5`, " if "window" in allowed else ""
        self.fail(f"unknown option `{token.text[:40]}` of `{name}`{hint or f'; the options are {windows}' + ', '.join(known)}", token)

    def size_follows(self) -> bool:
        """Tell whether a size stands next, rather than an option."""
        token = self.next
        return token.kind in ("number", "scaled", "window") or (token.kind == "name" and token.text not in (*LAYER_WORDS, *OPTION_WORDS))
