"""`Augmentation`: how training images are changed, anew in every epoch. A frozen record with a text of its own.

    shift 2, flip, rotate 10, zoom 0.1, shear 5, elastic 4, crop 4, brightness 0.2, contrast 0.2, saturation 0.2, gray 0.1,
    cutout 8, mixup 0.2, edge mirror, fill 255

What happens to an image, in this order:

1. Its colours change. Of a value v of a pixel with the gray g, in an image of the mean gray m, becomes

       contrast · brightness · (saturation · v + (1 - saturation) · g) + (1 - contrast) · brightness · m

   rounded once to a whole number and kept within 0 to 255, with three factors between 1 minus and 1 plus their setting: that is
   saturation, contrast and brightness, in this order, as PyTorch's ColorJitter and Pillow's ImageEnhance define them. An image that is
   made gray (`gray`, with this probability) has a saturation of 0. The gray is 0.299 red + 0.587 green + 0.114 blue, a whole number, as m
   is; m is that of the image as it was read. Of images that do not have three channels m is the mean of all values.
2. It lies on an endless plane: of the value `fill` (``edge fill``), of its own outermost pixels repeated (``edge repeat``), or of its
   mirror images, each without the pixels of the edge that it shares with the last (``edge mirror``).
3. A part of the image is enlarged to the whole (`crop` below 1: PyTorch's RandomResizedCrop). Its share of the area is drawn from `crop` to
   1, how much wider than high it is in relation to the image from 3/4 to 4/3, evenly in the logarithm, as far as the part fits into the
   image, and then its place, which may lie between pixels. The middles of the outermost pixels of the part become those of the image.
   About the middle of the image the plane is then mirrored (`flip`, one draw in two), sheared sideways, enlarged or reduced, and turned;
   then it is moved by whole pixels (`shift`). All that is one affine map. The place at which each pixel of the result is found is then
   displaced a little (`elastic`, after Simard, Steinkraus & Platt 2003), and the image is sampled once, bilinearly. Displacements are
   drawn for the points of a grid of 4x4 cells over the image, up to `elastic` pixels along rows and along columns, and follow a cubic
   B-spline between the points. The paper smooths a displacement of each pixel with a Gaussian; the spline has the width of its σ of 4 on
   images of 28 pixels and needs a few draws in place of a convolution. `elastic 5` displaces by 1.4 pixels (the square root of the mean
   square), as the paper's α of 34 does.
4. The result is padded by its own mirror image and cut back to its size at a random place (`crop` from 1 up). A padding with `fill` in
   place of the mirror image would be `shift`, and `shift` with ``edge mirror`` is a `crop`.
5. A square is filled (`cutout`, DeVries & Taylor 2017); its middle is any pixel, so that it may reach over the edge.
6. Two images and their labels are mixed (`mixup`, Zhang et al. 2018).

Each draw is uniform between the two ends, but that of `mixup`, which is Beta(α, α). `issun.engine.augmenting` draws,
`issun.engine.reference.augment` says what is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

from issun.arch.layers import Shape
from issun.arch.tokens import LONGEST_NUMBER, TOKEN, Token, nearest
from issun.errors import NotationError, RecipeError

#: The least and the most that each setting may be where it is on, and what it is measured in.
_RANGES: dict[str, tuple[float, float, str]] = {
    "shift": (1, 1024, "pixels"),
    "rotate": (0, 180, "degrees"),
    "zoom": (0, 0.75, "as a fraction of the size"),
    "shear": (0, 60, "degrees"),
    "elastic": (0, 16, "pixels"),
    "crop": (1, 1024, "pixels"),
    "brightness": (0, 1, "how far the factor is from 1"),
    "contrast": (0, 1, "how far the factor is from 1"),
    "saturation": (0, 1, "how far the factor is from 1"),
    "gray": (0, 1, "a probability"),
    "cutout": (1, 1024, "pixels, the side of the square"),
    "mixup": (0.01, 100, "the α of Beta(α, α)"),
    "fill": (0, 255, "the value of pixels without a source"),
}
_WHOLE = ("shift", "crop", "cutout", "fill")
#: The least share of an image's area that `crop` may leave; below 1 it is such a share.
_LEAST_SHARE = 0.05
_SHARE = f"a share of the area from {_LEAST_SHARE} to below 1"
_COLOURS = ("brightness", "contrast", "saturation", "gray")
_WORDS = ("shift", "flip", "rotate", "zoom", "shear", "elastic", "crop", *_COLOURS, "cutout", "mixup", "edge", "fill")
#: What finds something beyond the edge.
_LEAVING = ("shift", "rotate", "zoom", "shear", "elastic")
#: What does not change an image by itself.
_MODIFIERS = ("edge", "fill")

#: What lies beyond the edge of an image.
EDGES = ("fill", "repeat", "mirror")

#: What other libraries call it.
_KNOWN_AS = {
    "scale": "zoom",
    "mirror": "flip",
    "hflip": "flip",
    "translate": "shift",
    "rotation": "rotate",
    "distort": "elastic",
    "distortion": "elastic",
    "deform": "elastic",
    "elastictransform": "elastic",
    "warp": "elastic",
    "pad": "crop",
    "resized_crop": "crop",
    "randomresizedcrop": "crop",
    "erase": "cutout",
    "erasing": "cutout",
    "cutmix": "cutout",
    "fill_mode": "edge",
    "padding_mode": "edge",
    "border": "edge",
    "grey": "gray",
    "grayscale": "gray",
    "greyscale": "gray",
    "colour": "saturation",
    "color": "saturation",
    "jitter": "brightness",
    "colorjitter": "brightness",
}
#: What other libraries call an edge.
_EDGES_KNOWN_AS = {
    "constant": "fill",
    "black": "fill",
    "zeros": "fill",
    "nearest": "repeat",
    "replicate": "repeat",
    "clamp": "repeat",
    "reflect": "mirror",
    "symmetric": "mirror",
}
_EXAMPLE = "shift 2, flip, rotate 10"

#: Images whose sides are larger are not turned, sheared or zoomed: places are counted in 65,536ths of a pixel, in 32 bits.
LARGEST_SIDE = 1024


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images; a setting of 0 or False is off. The module's docstring gives their order and formulas.

    Parameters
    ----------
    shift : int
        Largest shift in pixels, along rows and along columns; smaller than the image.
    flip : bool
        Flip horizontally with probability 0.5.
    rotate : float
        Largest rotation in degrees, in both directions; at most 180.
    zoom : float
        Enlarged or reduced: the factor lies between ``1 - zoom`` and ``1 + zoom``; at most 0.75.
    shear : float
        Largest horizontal shear in degrees, in both directions; at most 60.
    crop : float
        From 1 up, in pixels: pad every side by this many pixels of its mirror image (without repeating the edge) and crop to the original
        size; smaller than the image. Below 1, a share of the area: enlarge a random part of the image that has at least this share of its
        area; from 0.05.
    cutout : int
        Side of the square that is filled, in pixels; smaller than the image.
    mixup : float
        The α of Beta(α, α), from 0.01 to 100: image and label become λ times their own and 1 - λ times those of the next image of the
        batch (after the last comes the first). λ is the larger of the draw and 1 minus the draw, so that an image's own label always
        weighs the most; which of two images comes first is the shuffle's choice, so the mixtures are those of the paper.
    fill : int
        Value of pixels without a source, from 0 to 255, the same for each channel: 0 for a black background, 255 for a white one.
    edge : {"fill", "repeat", "mirror"}
        What shift, rotate, zoom, shear and elastic find beyond the edge: the value `fill`; the outermost pixels, repeated; or the mirror
        image, without the pixels of the edge twice. ``"mirror"`` is "reflect" of PyTorch and "mirror" of SciPy, ``"repeat"`` is "nearest"
        of Keras and SciPy.
    brightness, contrast, saturation : float
        The factor lies between 1 minus and 1 plus this; at most 1. `saturation` requires images with red, green and blue.
    gray : float
        Probability of an image without colours, above 0 to 1. Requires images with red, green and blue.
    elastic : float
        Largest displacement of a pixel along rows and along columns, in pixels, which changes smoothly over the image; at most 16.

    Raises
    ------
    RecipeError
        Where a setting is invalid; the message names the setting, the rule and the value.

    Examples
    --------
    >>> str(Augmentation.parse("flip,  shift 2"))
    'shift 2, flip'
    """

    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    crop: float = 0
    cutout: int = 0
    mixup: float = 0.0
    fill: int = 0
    edge: str = "fill"
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    gray: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise RecipeError(f"`flip` (={self.flip!r}) must be True or False")
        for name, (low, high, what) in _RANGES.items():
            value = getattr(self, name)
            share = name == "crop" and isinstance(value, float) and _LEAST_SHARE <= value < 1
            whole = name in _WHOLE and not share
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not (number and (value == 0 or low <= value <= high or share) and (not whole or value == int(value))):
                kind = ("0 or " if low else "") + ("a whole number" if whole else "a number")
                other = f", or {_SHARE}" if name == "crop" else ""
                raise RecipeError(f"`{name}` (={value!r}) must be {kind} from {low:g} to {high:g} ({what}){other}")
            object.__setattr__(self, name, int(value) if whole else float(value))
        if self.edge not in EDGES:
            raise RecipeError(f"`edge` (={self.edge!r}) must be {_either(EDGES)}")
        if not any(getattr(self, name) for name in _WORDS if name not in _MODIFIERS):
            raise RecipeError(f"this augmentation changes nothing: leave it out, or name an augmentation, for example `{_EXAMPLE}`")
        leaves = any(getattr(self, name) for name in _LEAVING)  # the image
        if self.edge != "fill" and not leaves:
            raise RecipeError(f"`edge` (={self.edge}) has no effect: it requires {_either(_LEAVING)}")
        if self.fill and not (leaves and self.edge == "fill") and not self.cutout:
            needed = _either((*_LEAVING, "cutout")) if self.edge == "fill" else f"cutout, since the edge is `{self.edge}`"
            raise RecipeError(f"`fill` (={self.fill}) has no effect: it requires {needed}")

    @property
    def bilinear(self) -> bool:
        """Whether pixels are interpolated: with rotate, zoom, shear, elastic, or a share of the area as `crop`."""
        return bool(self.rotate or self.zoom or self.shear or self.elastic or 0 < self.crop < 1)

    @property
    def recolours(self) -> bool:
        """Whether values of pixels change: with brightness, contrast, saturation or gray."""
        return any(getattr(self, name) for name in _COLOURS)

    def check(self, shape: Shape) -> None:
        """Raise `RecipeError` where the augmentation cannot be applied to images of this shape (height, width, channels)."""
        side = min(shape[:2])
        size = f"{shape[0]}x{shape[1]}"
        for name in ("shift", "crop", "cutout"):
            value = getattr(self, name)
            if value >= side:
                problem = f"`{name}` (={value}) must be smaller than the images ({size})"
                raise RecipeError(f"{problem}: use at most {side - 1}" if side > 1 else f"{problem}: leave it out")
        if self.bilinear and max(shape[:2]) > LARGEST_SIDE:
            raise RecipeError(
                f"images of {size} are too large to rotate, zoom, shear, bend or enlarge: at most {LARGEST_SIDE} pixels a side"
            )
        for name in ("saturation", "gray"):
            if getattr(self, name) and shape[2] != 3:
                has = "1 channel" if shape[2] == 1 else f"{shape[2]} channels"
                problem = f"`{name}` (={getattr(self, name):g}) requires images with red, green and blue, and these have {has}"
                raise RecipeError(f"{problem}: leave it out")

    def __str__(self) -> str:
        return ", ".join(_item(name, getattr(self, name)) for name in _WORDS if getattr(self, name) not in (0, "fill"))

    @classmethod
    def parse(cls, text: str) -> Augmentation:
        """Return the augmentation that a text names, in any order: ``"shift 2, flip, rotate 10, cutout 8"``.

        Raises
        ------
        NotationError
            Where the text cannot be read; the message points at the place.
        RecipeError
            Where nothing is named, or `fill` has nothing to fill.
        """
        return cls(**_Reader(text).settings())

    @classmethod
    def of(cls, value: object) -> Augmentation:
        """Return an augmentation as it is, or the one that a text names."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise RecipeError(f"`augment` (={value!r}) must be an Augmentation or its text, for example {_EXAMPLE!r}")


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _item(name: str, value: float | str) -> str:
    """Return one setting as text, the shortest that reads back as the same number."""
    if name == "flip":
        return name
    number = value if isinstance(value, str) else repr(value)
    return f"{name} {number.removesuffix('.0')}"


class _Reader:
    """Reads the settings from one text, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.next = self._read()

    def settings(self) -> dict[str, Any]:
        """Return the settings by name."""
        found: dict[str, Any] = {}
        while self.next.kind != "end" or found:
            token = self._take()
            name = token.text
            if token.kind == "end":
                self._fail(f"a word is expected after `,`, for example `{_EXAMPLE}`", token)
            if name not in _WORDS:
                known = f"; did you mean `{_KNOWN_AS[name.lower()]}`?" if name.lower() in _KNOWN_AS else nearest(name, _WORDS)
                self._fail(f"`{name[:40]}` is not an augmentation{known or '; choose from ' + ', '.join(_WORDS)}", token)
            if name in found:
                self._fail(f"`{name}` is given twice; give it once", token)
            found[name] = True if name == "flip" else self._edge() if name == "edge" else self._number(name)
            if self.next.kind == "end":
                break
            if self.next.text != ",":
                stands = f"`{self.next.text[:40]}` was found"
                self._fail(f"`,` or the end is expected after `{name}`, but {stands}", self.next)
            self._take()
        return found

    def _edge(self) -> str:
        token = self._take()
        if token.text not in EDGES:
            known = _EDGES_KNOWN_AS.get(token.text.lower())
            guess = f"; did you mean `{known}`?" if known else nearest(token.text, EDGES)
            found = "the text ends" if token.kind == "end" else f"`{token.text[:40]}` was found"
            self._fail(f"`edge` needs {_either(EDGES)}, but {found}{guess}", token)
        return token.text

    def _number(self, name: str) -> float:
        token = self.next
        low, high, what = _RANGES[name]
        if token.kind != "number":
            found = "the text ends" if token.kind == "end" else f"`{token.text[:40]}` was found"
            self._fail(f"`{name}` needs a number ({what}), but {found}", token)
        self._take()
        if len(token.text) > LONGEST_NUMBER:
            self._fail(f"a number has at most {LONGEST_NUMBER} characters", token)
        value = float(token.text)
        if name == "crop" and not token.text.isdigit():
            if not _LEAST_SHARE <= value < 1:
                self._fail(f"`crop` (={token.text}) must be a whole number (pixels), or {_SHARE}", token)
            return value
        if name in _WHOLE and not token.text.isdigit():
            self._fail(f"`{name}` (={token.text}) must be a whole number ({what})", token)
        if not low <= value <= high or (value == 0 and name != "fill"):
            least = "above 0" if low == 0 and name != "fill" else f"from {low:g}"
            upto = "and at most" if least == "above 0" else "to"
            self._fail(f"`{name}` (={token.text}) must be {least} {upto} {high:g} ({what})", token)
        return value

    def _take(self) -> Token:
        token, self.next = self.next, self._read() if self.next.kind != "end" else self.next
        return token

    def _read(self) -> Token:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        start = self.position
        if start == len(self.text):
            return Token("end", "", len(self.text.rstrip()))
        match = TOKEN.match(self.text, start)
        if match is None or match.lastgroup is None:
            wrong = self.text[start]
            rule = {
                "-": "ranges are symmetric and written without a sign: `rotate 10`",
                "+": "ranges are symmetric and written without a sign: `rotate 10`",
                "%": "fractions are written as numbers: `zoom 0.1`",
                "°": "degrees are written as numbers: `rotate 10`",
                "=": "numbers follow their word after a space: `shift 2`",
                ";": "entries are separated by `,`",
            }.get(wrong, f"an augmentation is written with words, numbers and `,`: `{_EXAMPLE}`")
            shown = wrong if wrong.isprintable() else ascii(wrong)[1:-1]
            raise NotationError(self.text, start, f"`{shown}` is not allowed here; {rule}")
        self.position = match.end()
        return Token(match.lastgroup, match.group(), start)

    def _fail(self, problem: str, token: Token) -> NoReturn:
        raise NotationError(self.text, token.position, problem, max(1, len(token.text)))
