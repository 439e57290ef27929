"""The tokens of the notation: words, numbers, sizes and windows, each with its position."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn, cast

from issun.arch.knobs import LARGEST_SIZE, LAYER_WORDS, NAME, OPTION_WORDS, OTHER_WORDS, Size, name_problem
from issun.arch.layers import SLOPES, Activation, ActivationKind
from issun.errors import NotationError

LARGEST_TEXT = 20_000

#: How many characters one number may have.
LONGEST_NUMBER = 30

WINDOW_RULE = "a window is two whole numbers separated by `x`, such as `5x5`, without knobs"

TOKEN = re.compile(
    r"(?P<window>[0-9]+x[0-9]+(?![A-Za-z0-9_.]))"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE]-[0-9]+)?(?![A-Za-z0-9_.]))"
    r"|(?P<scaled>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)[A-Za-z_][A-Za-z0-9_]*)"
    rf"|(?P<name>{NAME.pattern})"
    r"|(?P<mark>[,()*|])"
)


@dataclass(frozen=True)
class Token:
    """One piece of the text; `kind` is a group of `TOKEN`, or ``end``. `text` is the notation's own word where another one is written."""

    kind: str
    text: str
    position: int
    written: str = ""

    @property
    def length(self) -> int:
        """How many characters of the text it takes, at least 1."""
        return max(1, len(self.written or self.text))


def nearest(word: str, words: Iterable[str], likeness: float = 0.6) -> str:
    """Return ``; did you mean `…`?`` with the word that is most like `word`, or nothing where none is."""
    found = difflib.get_close_matches(word[:40].lower(), list(words), 1, likeness)
    return f"; did you mean `{found[0]}`?" if found else ""


def tokens(text: str) -> list[Token]:
    """Return the pieces of a text; raise `NotationError` where a character belongs to none."""
    if len(text) > LARGEST_TEXT:
        raise NotationError(text, LARGEST_TEXT, f"the text is {len(text):,} characters long; the limit is {LARGEST_TEXT:,}")
    found: list[Token] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            wrong = text[position]
            rule = {
                "-": "sizes have no sign: they are whole numbers from 1 up",
                "=": 'give the values of a knob as a separate argument: "conv n, dense" n=1,2,4',
                "[": "groups are written with `(` and `)`",
                ";": "layers are separated by `,`",
            }.get(wrong, "a network is written with words, numbers, `,`, `*`, `(`, `)` and `|`")
            raise NotationError(text, position, f"`{wrong if wrong.isprintable() else ascii(wrong)[1:-1]}` is not allowed here; {rule}")
        written = match.group()
        found.append(Token(match.lastgroup, OTHER_WORDS.get(written, written), position, written))
        position = match.end()
    return [*found, Token("end", "", len(text.rstrip()))]


class Reader:
    """Goes through the pieces of one text from left to right; `knobs` are the names met so far, in order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.index = 0
        self.knobs: list[str] = []

    @property
    def next(self) -> Token:
        """The piece that is read next."""
        return self.tokens[self.index]

    def take(self) -> Token:
        """Return the next piece and go past it."""
        token = self.next
        self.index += 1
        return token

    def fail(self, problem: str, token: Token) -> NoReturn:
        """Raise `NotationError` at a piece of the text."""
        raise NotationError(self.text, token.position, problem, token.length)

    def found(self, token: Token) -> str:
        """Return what stands in the text, as an error names it."""
        return "the text ends" if token.kind == "end" else f"`{token.text[:40]}` was found"

    def size(self, what: str, example: str) -> int | Size:
        """Read a whole number or a knob, with or without a factor."""
        token = self.next
        if token.kind == "number":
            self.take()
            return self.whole(token.text, token)
        if token.kind not in ("scaled", "name") or token.text in (*LAYER_WORDS, *OPTION_WORDS):
            self.fail(
                f"{what} is expected, but {self.found(token)}; write for example `{example}` or, with a knob, `{self.with_knob(example)}`",
                token,
            )
        self.take()
        match = re.fullmatch(rf"([0-9.]*)({NAME.pattern})", token.text)
        assert match is not None
        factor, name = match.groups()
        if factor and name.startswith("x"):
            self.fail(WINDOW_RULE, token)
        problem = name_problem(name)
        if problem:
            self.fail(problem, token)
        scale = Fraction(self.short(factor, token)) if factor else Fraction(1)
        if not 0 < scale <= LARGEST_SIZE:
            self.fail(f"the factor (={factor}) of the knob `{name}` must be above 0 and at most {LARGEST_SIZE:,}", token)
        if name not in self.knobs:
            self.knobs.append(name)
        return Size(scale, name)

    @staticmethod
    def with_knob(example: str) -> str:
        """Return the example with `n` in place of its number."""
        return re.sub("[0-9]+", "n", example, count=1)

    def whole(self, text: str, token: Token) -> int:
        """Return a whole number that is written out."""
        if not text.isdigit():
            self.fail(f"`{text}` must be a whole number", token)
        number = int(self.short(text, token))
        if not 1 <= number <= LARGEST_SIZE:
            self.fail(f"the size {number} must be a whole number from 1 to {LARGEST_SIZE:,}", token)
        return number

    def decimal(self, word: str, what: str) -> float:
        """Read a number that may have a fraction, but no knob."""
        token = self.next
        if token.kind != "number":
            knobs = "; a knob can only replace a whole number" if token.kind in ("name", "scaled") else ""
            self.fail(f"{word} needs {what}, but {self.found(token)}{knobs}", token)
        self.take()
        return float(self.short(token.text, token))

    def short(self, text: str, token: Token) -> str:
        """Return the text of a number; one of endless length is refused."""
        if len(text) > LONGEST_NUMBER:
            self.fail(f"a number has at most {LONGEST_NUMBER} characters", token)
        return text

    def window(self, token: Token) -> tuple[int, int]:
        """Return the two sides that ``5x5`` writes."""
        rows, columns = token.text.split("x")
        return self.whole(rows, token), self.whole(columns, token)

    def pool_window(self) -> tuple[int | Size, int | Size]:
        """Read the window of a pooling layer: ``3``, ``3x2`` or a knob."""
        if self.next.kind == "window":
            return self.window(self.take())
        side = self.size("a window", "pool 3")
        return side, side

    def activation(self, kind: str) -> Activation:
        """Return the activation that a word names, reading the slope that may follow ``leaky`` or ``elu``."""
        if kind not in SLOPES or self.next.kind != "number":
            return Activation(cast(ActivationKind, kind))
        token = self.next
        slope = self.decimal(f"`{kind}`", "a slope")
        if slope > 1:
            self.fail(f"the slope (={token.text}) of `{kind}` must be from 0 to 1", token)
        return Activation(kind, slope)
