"""The grammar of the notation: reads the layers of a text, and points at what is wrong in it.

    network = items
    items   = item {"," item}
    item    = size "*" "(" items ")"  |  ("frozen" | "res" ["scaled"] | "gate" | "tied" size) "(" items ")"  |  layer
            | "concat" "(" [items] "|" [items] {"|" [items]} ")"
    layer   = word [size] {option}  |  norm  |  "scale" ["each"]
    norm    = "norm" ("image" | "layer" | "group" size) ["one" | "none"]     as an option of a layer also "norm" alone
    size    = whole number  |  knob  |  factor followed at once by a knob (2n, 0.6d)

What is read becomes the records of `issun.arch.layers`, with a `Size` wherever a knob stands instead of a whole number, so a family
prints itself with the layers' own words. `issun.arch.notation` binds the knobs.

Each layer's word has its options: which are allowed, what each sets, and which contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast

from issun.arch.knobs import GROUP_WORDS, INITIALIZER_WORDS, LARGEST_SIZE, LAYER_WORDS, OPTION_WORDS, OTHER_WORDS, PAIR_WORDS, Size
from issun.arch.layers import (
    ACTIVATION_KINDS,
    OVER_WORDS,
    Activate,
    Branch,
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Frozen,
    Gate,
    GlobalAveragePool,
    Layer,
    Normalise,
    Pool,
    Residual,
    Scale,
    SeparableConv,
    Tied,
)
from issun.arch.tokens import WINDOW_RULE, Reader, Token, nearest

#: The setting that each option decides. Two options of one setting contradict each other.
SETTINGS = {
    "stride": "stride",
    "dilation": "dilation",
    "groups": "groups",
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
    "conv": (*CONVOLUTION, "groups"),
    "dwconv": CONVOLUTION,
    "sepconv": CONVOLUTION,
    "pool": ("window", "stride", "padding"),
    "avgpool": ("window", "stride", "padding"),
    "dense": ("activation", "norm", *WEIGHTS),
}

#: What a layer ends before.
ENDS = (",", ")", "|")

#: Settings that do not go together although they are different ones.
CONTRADICTIONS = {"norm": "bias", "bias": "norm"}


class OptionReader(Reader):
    """Reads the options of one layer after the other."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.channels: int | Size | None = None  # that the layer leaves, where its text says how many

    def options(self, name: str, settings: dict[str, Any], classifier: bool = False) -> dict[str, Any]:
        """Read options in any order and return the settings that they decide, added to those that are decided already."""
        allowed = WEIGHTS if classifier else ALLOWED[name]
        said = dict.fromkeys(settings, self.tokens[self.index - 1])
        while self.next.kind != "end" and self.next.text not in ENDS:
            token = self.take()
            setting = "window" if token.kind == "window" else SETTINGS.get(token.text)
            if setting is None:
                self.unknown_option(name, allowed, token)
            if setting not in allowed:
                hidden = "; the classifier returns logits: for a hidden layer, write its size, as in `dense 64`" if classifier else ""
                self.fail(f"`{token.text}` is not an option of `{name}`{hidden}", token)
            if setting in said:
                same = said[setting].text == token.text
                self.fail(
                    f"`{token.text}` is given twice"
                    if same
                    else f"`{token.text}` cannot be combined with `{said[setting].text}` before it",
                    token,
                )
            against = CONTRADICTIONS.get(setting)
            if against in said:
                self.fail(f"`{token.text}` cannot be combined with `{said[against].text}` before it: `norm` replaces the bias", token)
            said[setting] = token
            settings[setting] = self.option_value(setting, token)
            self.check_stride(settings, token)
            if setting == "norm":
                self.check_norm(name, settings, token)
            if setting == "groups":
                self.check_groups(name, settings["groups"], token)
        return settings

    def check_groups(self, name: str, groups: int | Size, token: Token) -> None:
        """Refuse groups that do not divide the filters, with knobs binding decides; and what may be meant for a norm."""
        if self.tokens[self.tokens.index(token) - 1].text == "norm":
            self.fail(
                f"`norm groups` may mean two things: write `norm group {groups}` for a normalisation of each image, or "
                f"`groups {groups} norm` for groups of the convolution",
                token,
            )
        if isinstance(self.channels, int) and isinstance(groups, int) and self.channels % groups:
            self.fail(f"{groups} groups do not divide the {self.channels} filters of `{name} {self.channels}`", self.tokens[self.index - 1])

    def check_stride(self, settings: dict[str, Any], token: Token) -> None:
        """Refuse a stride together with a dilation; with a knob in either, binding decides."""
        stride, dilation = settings.get("stride", (1, 1)), settings.get("dilation", (1, 1))
        if all(isinstance(step, int) for step in (*stride, *dilation)) and stride != (1, 1) and dilation != (1, 1):
            self.fail("`stride` and `dilation` cannot be combined: leave one out, or use a second layer", token)

    def norm(self) -> Normalise:
        """Read what follows `norm` where it normalises each image by itself."""
        over = self.take().text
        groups: Any = self.size("a number of groups", "norm group 4") if over == "group" else 1
        pairs = self.take().text if self.next.text in PAIR_WORDS else "channel"
        return Normalise(cast(Any, over), groups, cast(Any, pairs))

    def check_norm(self, name: str, settings: dict[str, Any], token: Token) -> None:
        """Refuse a norm that the layer cannot have whatever its input; with a knob in either number, binding decides."""
        norm, channels = settings["norm"], self.channels
        if not isinstance(norm, Normalise):
            return
        words = self.tokens[self.tokens.index(token) + 1 : self.index]
        if name == "dense" and norm.over != "layer":
            self.fail(f"`norm {norm.over}` needs the channels of an image, but `dense` returns a vector: use `norm layer`", words[0])
        if norm.over == "group" and isinstance(channels, int) and isinstance(norm.groups, int) and channels % norm.groups:
            self.fail(f"{norm.groups} groups do not divide the {channels} channels of `{name} {channels}`", words[1])

    def option_value(self, setting: str, token: Token) -> Any:
        """Return what an option sets, reading the number that belongs to it."""
        if setting == "window":
            return self.window(token)
        if setting in ("stride", "dilation"):
            if self.next.kind == "window":
                return self.window(self.take())
            step = self.size(f"a {setting}", f"{setting} 2")
            return step, step
        if setting == "groups":
            return self.size("a number of groups", "groups 2")
        if setting == "norm":
            return self.norm() if self.next.text in OVER_WORDS else True
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
        if self.tokens[self.index - 2].text == "norm":
            known += OVER_WORDS
        if token.text in LAYER_WORDS:
            self.fail(f"`,` is expected between `{name}` and `{token.text}`", token)
        if token.text in (*OVER_WORDS, *PAIR_WORDS):
            before = "`norm`" if token.text in OVER_WORDS else "`norm image`, `norm layer` or `norm group 4`"
            groups = nearest(token.text, [word for word in known if word == "groups"])
            self.fail(f"`{token.text}` belongs right after {before}{groups}", token)
        if token.text == "each":
            self.fail("`each` belongs right after `scale`", token)
        if token.text in ("(", "*"):
            self.fail(f"`,` is expected after `{name}`, but `{token.text}` was found", token)
        if token.text.isdigit() and "window" in allowed:
            self.fail(
                f"a number is not allowed here; a window is written `{token.text}x{token.text}`, a stride `stride {token.text}`", token
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


T = TypeVar("T")

#: Groups that are layers in parentheses and nothing else.
PLAIN_GROUPS: dict[str, Callable[[Any], Layer]] = {"frozen": Frozen, "gate": Gate}

LARGEST_DEPTH = 50
LARGEST_REPEAT = 10_000


@dataclass(frozen=True)
class Repeat:
    """``count * (…)`` before it is written out: the same layers, one after the other, each time with weights of their own."""

    count: int | Size
    items: tuple[Item, ...]

    def __str__(self) -> str:
        return f"{self.count} * ({', '.join(str(item) for item in self.items)})"


Item = Layer | Repeat


class Parser(OptionReader):
    """Reads the layers of one text from left to right."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.classifier: Token | None = None  # the last one that was read

    def network(self) -> tuple[Item, ...]:
        """Read the whole text."""
        items = self.items()
        if self.next.text == ")":
            self.fail("this `)` has no matching `(`", self.next)
        if self.next.kind != "end":
            self.comma_expected()
        return items

    def items(self) -> tuple[Item, ...]:
        """Read layers up to the end or a closing parenthesis."""
        items = [self.item()]
        while self.next.text == ",":
            self.take()
            items.append(self.item())
        return tuple(items)

    def item(self) -> Item:
        """Read a layer, a frozen group or a repeated group."""
        token = self.next
        after = self.tokens[min(self.index + 1, len(self.tokens) - 1)]
        if token.kind in ("number", "scaled") or (token.kind == "name" and after.text == "*" and token.text not in LAYER_WORDS):
            return self.repeat()
        if token.kind != "name":
            self.fail(f"a layer is expected, but {self.found(token)}; the shortest network is `dense`", token)
        if token.text not in LAYER_WORDS:
            self.misspelt(token)
        self.take()
        if token.text in GROUP_WORDS:
            return self.layer_group(token)
        return self.layer(token)

    def layer_group(self, word: Token) -> Layer:
        """Read ``frozen (…)``, ``res (…)``, ``gate (…)``, ``concat (… | …)`` or ``tied 3 (…)``.

        Records of a template hold repeats and sizes too; binding replaces them.
        """
        if word.text == "concat":
            return Concat(self.group("`concat`", lambda: self.branches(word), "conv 8 same | conv 8 5x5 same"))
        if word.text != "tied":
            scaled = word.text == "res" and self.next.text == "scaled"
            if scaled:
                self.take()
            elif word.text == "res" and (hint := nearest(self.next.text, ("scaled",))):
                self.fail(f"`(` is expected after `res`, but {self.found(self.next)}{hint}", self.next)
            layers: Any = self.group("`res scaled`" if scaled else f"`{word.text}`", self.items)
            return Residual(layers, scaled) if word.text == "res" else PLAIN_GROUPS[word.text](layers)
        number = self.next
        times: Any = self.size("a number of times", "tied 3 (conv 8 same)")
        if isinstance(times, int) and times > LARGEST_REPEAT:
            self.fail(f"a group is applied at most {LARGEST_REPEAT:,} times", number)
        layers = self.group(f"`tied {number.text}`", self.items)
        return Tied(times, layers)

    def repeat(self) -> Repeat:
        """Read ``3 * (…)``."""
        start = self.next
        count = self.size("a number of times", "3 * (conv 8 same)")
        if isinstance(count, int) and count > LARGEST_REPEAT:
            self.fail(f"a group is repeated at most {LARGEST_REPEAT:,} times", start)
        if self.next.text != "*":
            self.fail(f"a layer begins with a word, such as `conv {start.text}` or `dense {start.text}`", start)
        self.take()
        return Repeat(count, self.group(f"`{start.text} *`", self.items))

    def branches(self, word: Token) -> tuple[Branch, ...]:
        """Read what stands between the parentheses of ``concat``."""
        found = [self.branch()]
        while self.next.text == "|":
            self.take()
            found.append(self.branch())
        if len(found) < 2 and self.next.text == ")":
            self.fail("`concat` joins at least two branches, separated by `|`: concat (conv 8 same | conv 8 5x5 same)", word)
        return tuple(found)

    def branch(self) -> Branch:
        """Read the layers up to the next branch, or none."""
        layers: Any = () if self.next.text in ("|", ")") else self.items()
        return Branch(layers)

    def group(self, opener: str, inner: Callable[[], tuple[T, ...]], example: str = "conv 8, pool") -> tuple[T, ...]:
        """Read what stands in parentheses as `inner` does."""
        opening = self.next
        if opening.text != "(":
            self.fail(f"`(` is expected after {opener}, but {self.found(opening)}: {opener.strip('`')} ({example})", opening)
        self.take()
        self.depth += 1
        if self.depth > LARGEST_DEPTH:
            self.fail(f"groups may be nested at most {LARGEST_DEPTH} deep", opening)
        items = inner()
        if self.next.kind == "end":
            self.fail("this `(` is never closed", opening)
        if self.next.text != ")":
            self.comma_expected()
        if opener in ("`concat`", "`gate`") and self.classifier and self.classifier.position > opening.position:
            outside = f"stands outside of {opener[:-1]} (…)`: give it a number of units here"
            self.fail(f"`dense` without a number is the classifier, which {outside}", self.classifier)
        self.take()
        self.depth -= 1
        return items

    def comma_expected(self) -> NoReturn:
        """Raise the error for something that follows a group without a comma."""
        if self.next.text == "|":
            self.fail("`|` separates the branches of `concat`, and stands nowhere else: concat (conv 8 same | conv 8 5x5 same)", self.next)
        self.fail(f"`,` is expected, but {self.found(self.next)}", self.next)

    def misspelt(self, token: Token) -> NoReturn:
        """Raise the error for a word that is no layer."""
        joined = re.fullmatch(rf"({'|'.join(LAYER_WORDS)})([0-9].*)", token.text)
        if joined:
            self.fail(f"unknown layer `{token.text}`; did you mean `{joined[1]} {joined[2]}`?", token)
        if token.text in OPTION_WORDS:
            self.fail(f"`{token.text}` is an option: write it after its layer, without a comma", token)
        hint = nearest(token.text, (*LAYER_WORDS, *OTHER_WORDS))
        self.fail(f"unknown layer `{token.text[:40]}`{hint or '; the layers are ' + ', '.join(LAYER_WORDS)}", token)

    def layer(self, word: Token) -> Layer:
        """Read what follows a layer's word."""
        name = word.text
        if name in (*ACTIVATION_KINDS, "gap", "drop", "scale", "norm"):
            layer = self.small_layer(word)
            self.end_of_layer(name)
            return layer
        if name in ("conv", "sepconv"):
            size: Any = self.size("a number of filters", f"{name} 8")
            self.channels = size
            settings = self.options(name, {})
            window = settings.pop("window", (3, 3))
            return Conv(size, window, **settings) if name == "conv" else SeparableConv(size, window, **settings)
        if name == "dwconv":
            multiplies = self.size_follows() and self.next.kind != "window"
            size = self.size("a multiplier", "dwconv 2") if multiplies else 1
            self.channels = None
            settings = self.options(name, {})
            return DepthwiseConv(size, settings.pop("window", (3, 3)), **settings)
        if name == "dense":
            if not self.size_follows():
                self.classifier = word
                return Classifier(0, **self.options("dense", {}, classifier=True))  # binding knows how many classes there are
            size = self.size("a number of units", "dense 64")
            return Dense(size, **self.options(name, {}))
        settings = self.options(name, {"window": self.pool_window()} if self.size_follows() else {})
        window = settings.pop("window", (2, 2))
        return Pool(window, settings.pop("stride", window), kind="max" if name == "pool" else "average", **settings)

    def small_layer(self, word: Token) -> Layer:
        """Read what follows a word that takes a number, a few words or nothing."""
        name = word.text
        if name == "gap":
            return GlobalAveragePool()
        if name == "scale":
            each = self.next.text == "each"
            if each:
                self.take()
            return Scale(each)
        if name == "norm":
            if self.next.text not in OVER_WORDS:
                hint = nearest(self.next.text, OVER_WORDS) if self.next.kind == "name" else ""
                if hint:
                    self.fail(f"unknown normalisation `{self.next.text[:40]}`{hint}", self.next)
                self.fail(
                    "`norm` is an option: write it after its layer, without a comma; as layers of their own there are `norm image`, "
                    "`norm layer` and `norm group 4`",
                    word,
                )
            return self.norm()
        if name == "drop":
            token = self.next
            rate = self.decimal("`drop`", "a rate, such as `drop 0.2`")
            if rate >= 1:
                self.fail(f"the rate (={token.text}) of `drop` must be at least 0 and below 1", token)
            spatial = self.next.text == "spatial"
            if spatial:
                self.take()
            return Dropout(rate, spatial)
        return Activate(self.activation(name))

    def end_of_layer(self, name: str) -> None:
        """Check that nothing more is said of a layer without options."""
        if self.next.kind != "end" and self.next.text not in ENDS:
            self.fail(f"`,` is expected after `{name}`, but {self.found(self.next)}: it takes no such option", self.next)
