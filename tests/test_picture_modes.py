"""Files of every kind that Pillow opens, compared with arrays that are known beforehand: right to the value, or refused by name."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from issun.datasets.named import load
from issun.datasets.pictures import read_image
from issun.errors import DataError
from picture_files import bmp, packed, png, tiff

HEIGHT, WIDTH = SIZE = (6, 10)
RANDOM = np.random.default_rng(17)
GREY = RANDOM.integers(0, 256, SIZE, dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
ALPHA = np.where(RANDOM.random(SIZE) < 0.5, 0, 255).astype(np.uint8)
DEEP = RANDOM.integers(0, 65536, SIZE).astype(np.uint16)
DEEP_COLOUR = RANDOM.integers(0, 65536, (*SIZE, 3)).astype(np.uint16)
PALETTE = RANDOM.integers(0, 256, (256, 3), dtype=np.uint8)
GREYS = np.repeat(RANDOM.permutation(256).astype(np.uint8)[:, None], 3, axis=1)
DEEP[0, 0], DEEP_COLOUR[0, 0] = 65535, 65535


class Case(NamedTuple):
    """A file, and what it shows: pixels of shape (height, width) or (height, width, 3), or what its refusal says."""

    content: bytes
    shows: np.ndarray | str
    off: int = 0
    range: float | None = None


def bits_of(bits: int) -> np.ndarray:
    return np.random.default_rng(bits).integers(0, 2**bits, SIZE)


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return pixels with white where alpha is 0 (it is 0 or 255)."""
    return np.where(alpha.reshape(*SIZE, *[1] * (pixels.ndim - 2)) > 0, pixels, 255).astype(np.uint8)


def luma(pixels: np.ndarray) -> np.ndarray:
    return ((pixels.astype(int) @ [19595, 38470, 7471] + 0x8000) >> 16).astype(np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def of_cmyk(values: np.ndarray) -> np.ndarray:
    """Return CMYK as RGB: each colour takes away its share of what black leaves."""
    left = 255 - values[..., 3:].astype(int)
    return np.clip(left - np.rint(values[..., :3] * left / 255).astype(int), 0, 255).astype(np.uint8)


def tiffs() -> dict[str, Case]:
    cases = {}
    for bits in (1, 2, 4):
        values = bits_of(bits)
        shown = (values * 255 // (2**bits - 1)).astype(np.uint8)
        for deflate in (False, True):
            for fill in (1, 2):
                content = packed(values, bits)
                how = f"{bits} bits{', packed' * deflate}, fill order {fill}"
                for order in "<>":
                    cases[f"grey of {how} {order}"] = Case(tiff(content, SIZE, (bits,), order=order, fill=fill, deflate=deflate), shown)
                cases[f"white is 0, {how}"] = Case(tiff(content, SIZE, (bits,), 0, fill=fill, deflate=deflate), 255 - shown)
                colours = PALETTE[: 2**bits]
                shows = "in reversed order" if fill == 2 and not deflate else colours[values]
                cases[f"palette of {how}"] = Case(tiff(content, SIZE, (bits,), 3, fill=fill, palette=colours, deflate=deflate), shows)
    cmyk = RANDOM.integers(0, 256, (*SIZE, 4), dtype=np.uint8)
    small = RANDOM.integers(0, 256, SIZE).astype(np.uint16)
    small[0, 0] = 255
    twelve = RANDOM.integers(0, 4096, SIZE).astype(np.uint16)
    twelve[0, 0] = 4095
    small_colour, twelve_colour = (RANDOM.integers(0, top, (*SIZE, 3)).astype(np.uint16) for top in (256, 4096))
    small_colour[0, 0], twelve_colour[0, 0] = 255, 4095
    for deflate in (False, True):
        for order in "<>":
            how = f" {'packed ' * deflate}{order}"

            def add(name: str, values: np.ndarray, shows: np.ndarray | str, *arguments: object, how: str = how, **options: object) -> None:
                content = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(options["order"]))).tobytes()
                off, top = options.pop("off", 0), options.pop("range", None)
                cases[name + how] = Case(tiff(content, SIZE, *arguments, **options), shows, off, top)

            usual = {"order": order, "deflate": deflate}
            add("grey of 8 bits", GREY, GREY, (8,), **usual)
            add("white is 0, 8 bits", GREY, 255 - GREY, (8,), 0, **usual)
            add("signed, 8 bits", (GREY // 2).astype(np.int8), "signed 8-bit integers (mode L)", (8,), kind=2, **usual)
            add("palette of 8 bits", GREY, PALETTE[GREY], (8,), 3, palette=PALETTE, **usual)
            add("palette of greys", GREY, GREYS[GREY][..., 0], (8,), 3, palette=GREYS, **usual)
            with_alpha = np.dstack([GREY, ALPHA])
            add("palette with alpha", with_alpha, on_white(PALETTE[GREY], ALPHA), (8, 8), 3, palette=PALETTE, extra=[2], **usual)
            add("grey with alpha", with_alpha, on_white(GREY, ALPHA), (8, 8), extra=[2], **usual)
            premultiplied = np.dstack([np.minimum(GREY, ALPHA), ALPHA])
            add("grey multiplied by alpha", premultiplied, on_white(GREY, ALPHA), (8, 8), extra=[1], **usual)
            add("grey with something", with_alpha, GREY, (8, 8), extra=[0], **usual)
            add("RGB of 8 bits", COLOUR, COLOUR, (8, 8, 8), 2, **usual)
            add("RGB in planes", np.moveaxis(COLOUR, 2, 0), COLOUR, (8, 8, 8), 2, planes=2, **usual)
            rgba = np.dstack([COLOUR, ALPHA])
            add("RGB with alpha", rgba, on_white(COLOUR, ALPHA), (8, 8, 8, 8), 2, extra=[2], **usual)
            multiplied = np.dstack([np.minimum(COLOUR, ALPHA[..., None]), ALPHA])
            add("RGB multiplied by alpha", multiplied, on_white(COLOUR, ALPHA), (8, 8, 8, 8), 2, extra=[1], **usual)
            add("RGB with something", rgba, COLOUR, (8, 8, 8, 8), 2, extra=[0], **usual)
            add("CMYK of 8 bits", cmyk, of_cmyk(cmyk), (8,) * 4, 5, off=1, **usual)
            add("CMYK of 16 bits", cmyk.astype(np.uint16) * 257, of_cmyk(cmyk), (16,) * 4, 5, off=1, **usual)
            add("LAB", COLOUR, "LAB colours (mode LAB)", (8, 8, 8), 8, **usual)
            add("16 bits", DEEP, DEEP // 257, (16,), **usual)
            add("16 bits up to 255", small, small, (16,), **usual)
            add("16 bits, 12 used", twelve, twelve * 255.0 // 4095, (16,), range=4095, **usual)
            add("signed, 16 bits", (DEEP // 2).astype(np.int16), "--range 32767", (16,), kind=2, **usual)
            add(
                "signed, 16 bits, with range", (DEEP // 2).astype(np.int16), DEEP // 2 * 255.0 // 32767, (16,), kind=2, range=32767, **usual
            )
            add("signed, 16 bits, negative", -small.astype(np.int16), "negative values, down to -255", (16,), kind=2, **usual)
            add("signed, 32 bits", small.astype(np.int32), small, (32,), kind=2, **usual)
            add("signed, 32 bits, large", twelve.astype(np.int32), "up to 4,095 and no white level", (32,), kind=2, **usual)
            add("signed, 32 bits, with range", twelve.astype(np.int32), twelve * 255.0 // 4095, (32,), kind=2, range=4095, **usual)
            add("floats", small.astype(np.float32), "floating-point numbers (mode F)", (32,), kind=3, **usual)
            halves = np.linspace(0, 0.5, GREY.size, dtype=np.float32).reshape(SIZE)
            add("floats with range", halves, np.rint(halves * 510.0), (32,), kind=3, range=0.5, **usual)
            add("floats, white is 0", halves, 255 - np.rint(halves * 510.0), (32,), 0, kind=3, range=0.5, **usual)
            add("floats that are none", halves * np.nan, "not finite", (32,), kind=3, range=1, **usual)
            add("RGB of 16 bits", DEEP_COLOUR, DEEP_COLOUR >> 8, (16,) * 3, 2, **usual)
            add("RGB of 16 bits up to 255", small_colour, small_colour, (16,) * 3, 2, **usual)
            add("RGB of 16 bits, 12 used", twelve_colour, twelve_colour * 255.0 // 4095, (16,) * 3, 2, range=4095, **usual)
            add("RGB of 16 bits, planes", np.moveaxis(DEEP_COLOUR, 2, 0), "in separate planes", (16,) * 3, 2, planes=2, **usual)
            deep_alpha = np.dstack([DEEP_COLOUR, ALPHA.astype(np.uint16) * 257])
            add("RGB of 16 bits with alpha", deep_alpha, on_white(DEEP_COLOUR >> 8, ALPHA), (16,) * 4, 2, extra=[2], **usual)
            small_alpha = np.dstack([small_colour, ALPHA.astype(np.uint16)])
            add("RGB of 16 bits up to 255 with alpha", small_alpha, on_white(small_colour, ALPHA), (16,) * 4, 2, extra=[2], **usual)
            add("RGB of 16 bits multiplied by alpha", deep_alpha, "multiplied by alpha (mode RGBa)", (16,) * 4, 2, extra=[1], **usual)
            add("RGB of 16 bits with something", deep_alpha, DEEP_COLOUR >> 8, (16,) * 4, 2, extra=[0], **usual)
            add("RGB of floats", COLOUR.astype(np.float32), "of an unsupported kind", (32,) * 3, 2, kind=3, **usual)
            add("floats of 64 bits", small.astype(np.float64), "of an unsupported kind", (64,), kind=3, **usual)
            if order == ">":  # of these Pillow opens those of the other order
                add("16 bits, white is 0", DEEP, "of an unsupported kind", (16,), 0, **usual)
                add("unsigned, 32 bits", small.astype(np.uint32), "of an unsupported kind", (32,), kind=1, **usual)
            else:
                add("16 bits, white is 0", DEEP, 255 - DEEP // 257, (16,), 0, **usual)
                add("16 bits up to 255, white is 0", small, 255 - small, (16,), 0, **usual)
                add("unsigned, 32 bits", small.astype(np.uint32), small, (32,), kind=1, **usual)
                large = small.astype(np.uint32) * 16843009
                add("unsigned, 32 bits, with range", large, small, (32,), kind=1, range=2**32 - 1, **usual)
                cases["12 bits" + how] = Case(tiff(packed(twelve, 12), SIZE, (12,), deflate=deflate), twelve.astype(int) * 255 // 4095)
    ycc = np.dstack([np.asarray(band) for band in Image.fromarray(COLOUR).convert("YCbCr").split()])
    one = (530, [1, 1])
    cases["YCbCr"] = Case(tiff(ycc.tobytes(), SIZE, (8, 8, 8), 6, others=[one]), COLOUR, 3)
    less = tiff(ycc.tobytes()[: GREY.size * 3 // 2], SIZE, (8, 8, 8), 6, others=[(530, [2, 2])])
    cases["YCbCr, fewer colours"] = Case(less, "subsampled")
    for orientation in range(1, 9):
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            for mode, pixels in (("L", GREY), ("RGB", COLOUR), ("I;16", DEEP), ("P", GREY)):
                picture = Image.fromarray(pixels)
                if mode == "P":
                    picture.putpalette(PALETTE.tobytes())
                content = saved(picture, "TIFF", compression=compression, tiffinfo={274: orientation})
                shown = PALETTE[GREY] if mode == "P" else pixels // 257 if mode == "I;16" else pixels
                cases[f"{mode}, orientation {orientation}, {compression}"] = Case(content, upright(shown, orientation))
        for deflate in (False, True):
            content = tiff(DEEP_COLOUR.astype("<u2").tobytes(), SIZE, (16,) * 3, 2, orientation=orientation, deflate=deflate)
            name = f"RGB of 16 bits{', packed' * deflate}, orientation {orientation}"
            cases[name] = Case(content, upright(DEEP_COLOUR >> 8, orientation))
    for compression in ("group3", "group4"):
        bilevel = bits_of(1).astype(bool)
        cases[compression] = Case(saved(Image.fromarray(bilevel), "TIFF", compression=compression), bilevel * 255)
    return cases


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    turned: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: np.swapaxes(a, 0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.swapaxes(a[::-1, ::-1], 0, 1),
        8: lambda a: np.rot90(a),
    }
    return turned[orientation](pixels)


def pngs() -> dict[str, Case]:
    cases = {}
    for bits in (1, 2, 4, 8):
        values = bits_of(bits)
        content, shown = packed(values, bits), (values * 255 // (2**bits - 1)).astype(np.uint8)
        cases[f"grey of {bits} bits"] = Case(png(content, SIZE, bits, 0), shown)
        key = int(values[2, 3])
        keyed = png(content, SIZE, bits, 0, transparent=struct.pack(">H", key))
        cases[f"grey of {bits} bits, one transparent"] = Case(keyed, on_white(shown, values != key))
        for name, colours in (("palette", PALETTE[: 2**bits]), ("palette of greys", GREYS[: 2**bits])):
            shown = colours[values] if name == "palette" else colours[values][..., 0]
            cases[f"{name} of {bits} bits"] = Case(png(content, SIZE, bits, 3, palette=colours), shown)
            clear = np.arange(2**bits) % 2 * 255
            see_through = png(content, SIZE, bits, 3, palette=colours, transparent=bytes(clear.tolist()))
            cases[f"{name} of {bits} bits, some transparent"] = Case(see_through, on_white(shown, clear[values]))
    deep, colour = DEEP.astype(">u2"), DEEP_COLOUR.astype(">u2")
    deep_alpha = ALPHA.astype(">u2") * 257
    small, small_colour = (values.astype(">u2") for values in (GREY, COLOUR))
    small[0, 0], small_colour[0, 0] = 255, 255
    cases |= {
        "grey with alpha": Case(png(np.dstack([GREY, ALPHA]).tobytes(), SIZE, 8, 4), on_white(GREY, ALPHA)),
        "RGB": Case(png(COLOUR.tobytes(), SIZE, 8, 2), COLOUR),
        "RGB, one transparent": Case(
            png(COLOUR.tobytes(), SIZE, 8, 2, transparent=COLOUR[2, 3].astype(">u2").tobytes()),
            on_white(COLOUR, (COLOUR[2, 3] != COLOUR).any(axis=2)),
        ),
        "RGB with alpha": Case(png(np.dstack([COLOUR, ALPHA]).tobytes(), SIZE, 8, 6), on_white(COLOUR, ALPHA)),
        "16 bits": Case(png(deep.tobytes(), SIZE, 16, 0), DEEP // 257),
        "16 bits up to 255": Case(png(small.tobytes(), SIZE, 16, 0), small),
        "16 bits, one transparent": Case(
            png(deep.tobytes(), SIZE, 16, 0, transparent=struct.pack(">H", DEEP[2, 3])), on_white(DEEP // 257, deep != deep[2, 3])
        ),
        "16 bits with alpha": Case(png(np.dstack([deep, deep_alpha]).astype(">u2").tobytes(), SIZE, 16, 4), on_white(DEEP >> 8, ALPHA)),
        "16 bits up to 255 with alpha": Case(
            png(np.dstack([small, deep_alpha]).astype(">u2").tobytes(), SIZE, 16, 4), on_white(small, ALPHA)
        ),
        "RGB of 16 bits": Case(png(colour.tobytes(), SIZE, 16, 2), DEEP_COLOUR >> 8),
        "RGB of 16 bits up to 255": Case(png(small_colour.tobytes(), SIZE, 16, 2), small_colour),
        "RGB of 16 bits, 9 used": Case(png((small_colour * 2).astype(">u2").tobytes(), SIZE, 16, 2), small_colour, range=510),
        "RGB of 16 bits, one transparent": Case(
            png(colour.tobytes(), SIZE, 16, 2, transparent=colour[2, 3].tobytes()),
            on_white(DEEP_COLOUR >> 8, (DEEP_COLOUR[2, 3] != DEEP_COLOUR).any(axis=2)),
        ),
        "RGB of 16 bits with alpha": Case(
            png(np.dstack([colour, deep_alpha]).astype(">u2").tobytes(), SIZE, 16, 6), on_white(DEEP_COLOUR >> 8, ALPHA)
        ),
        "RGB of 16 bits up to 255 with alpha": Case(
            png(np.dstack([small_colour, deep_alpha]).astype(">u2").tobytes(), SIZE, 16, 6), on_white(small_colour, ALPHA)
        ),
    }
    return cases


def turned_by_exif() -> dict[str, Case]:
    cases = {}
    ramp = np.add.outer(8 * np.arange(16), 3 * np.arange(24)).astype(np.uint8)  # smooth, so that JPEG loses little
    ramps = np.dstack([ramp, 255 - ramp, ramp // 2])
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind, off in (("PNG", 0), ("JPEG", 6), ("WEBP", 0)):
            options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
            for name, pixels in (("grey", ramp), ("RGB", ramps)):
                if kind == "WEBP" and name == "grey":
                    continue
                content = saved(Image.fromarray(pixels), kind, exif=exif, **options)
                cases[f"{kind} {name}, orientation {orientation}"] = Case(content, upright(pixels, orientation), off)
        content = saved(Image.fromarray(DEEP), "PNG", exif=exif)
        cases[f"PNG of 16 bits, orientation {orientation}"] = Case(content, upright(DEEP // 257, orientation))
    return cases


def others() -> dict[str, Case]:
    values = {bits: bits_of(bits) for bits in (1, 4, 8)}
    cases = {}

    def padded(rows: np.ndarray | list[bytes]) -> bytes:
        """Return rows of a BMP, the last first, each filled up to four bytes."""
        lines = [row if isinstance(row, bytes) else row.tobytes() for row in rows]
        return b"".join(line + bytes(-len(line) % 4) for line in lines[::-1])

    for bits in (1, 4, 8):
        rows = padded([packed(row[None], bits) for row in values[bits]])
        for name, colours in (("palette", PALETTE[: 2**bits]), ("palette of greys", GREYS[: 2**bits])):
            shown = colours[values[bits]] if name == "palette" else colours[values[bits]][..., 0]
            cases[f"BMP, {name} of {bits} bits"] = Case(bmp(rows, SIZE, bits, colours), shown)
    cases["BMP, white and black"] = Case(
        bmp(padded([packed(row[None], 1) for row in values[1]]), SIZE, 1, np.array([[255] * 3, [0] * 3])), 255 - 255 * values[1]
    )
    cases["BMP, RGB"] = Case(bmp(padded(COLOUR[..., ::-1]), SIZE, 24), COLOUR)
    cases["BMP, 32 bits"] = Case(bmp(padded(np.dstack([COLOUR[..., ::-1], ALPHA])), SIZE, 32), COLOUR)
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    cases["BMP, with alpha"] = Case(bmp(padded(np.dstack([COLOUR[..., ::-1], ALPHA])), SIZE, 32, masks=masks), on_white(COLOUR, ALPHA))
    five = COLOUR.astype(int) >> 3
    fifteen = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    cases["BMP, 15 bits"] = Case(bmp(padded(fifteen), SIZE, 16), five * 255 // 31, 1)
    for maximum in (1, 100, 255, 1000, 4095, 65535):
        top = np.random.default_rng(maximum).integers(0, maximum + 1, (*SIZE, 3))
        top[0, 0] = maximum
        kind = ">u2" if maximum > 255 else "u1"
        head = f"{WIDTH} {HEIGHT}\n{maximum}\n".encode()
        wide = maximum > 255
        shown = np.rint(top * 255 / maximum).astype(np.uint8)
        deep = (np.rint(top * 65535 / maximum) // 257).astype(np.uint8) if wide else shown
        text = " ".join(map(str, top.ravel())).encode()
        grey_text = " ".join(map(str, top[..., 0].ravel())).encode()
        cases[f"PGM up to {maximum}"] = Case(b"P5 " + head + top[..., 0].astype(kind).tobytes(), deep[..., 0])
        cases[f"PPM up to {maximum}"] = Case(b"P6 " + head + top.astype(kind).tobytes(), shown)
        cases[f"plain PGM up to {maximum}"] = Case(b"P2 " + head + grey_text, deep[..., 0])
        cases[f"plain PPM up to {maximum}"] = Case(b"P3 " + head + text, shown)
    head = f"{WIDTH} {HEIGHT}\n65535\n".encode()
    small, small_colour = GREY.astype(">u2"), COLOUR.astype(">u2")
    cases["PGM of 16 bits up to 255"] = Case(b"P5 " + head + small.tobytes(), small)
    cases["PPM of 16 bits up to 255"] = Case(b"P6 " + head + small_colour.tobytes(), small_colour)
    cases["plain PPM of 16 bits up to 255"] = Case(b"P3 " + head + " ".join(map(str, COLOUR.ravel())).encode(), small_colour)
    black = values[1]
    head = f"{WIDTH} {HEIGHT}\n".encode()
    cases["PBM"] = Case(b"P4 " + head + packed(black, 1), 255 - 255 * black)
    cases["plain PBM"] = Case(b"P1 " + head + " ".join(map(str, black.ravel())).encode(), 255 - 255 * black)
    floats = np.linspace(0, 1, GREY.size, dtype="<f4").reshape(SIZE)
    cases["PFM"] = Case(b"Pf\n" + head + b"-1.0\n" + floats[::-1].tobytes(), "floating-point numbers (mode F)")
    cases["PFM with range"] = Case(b"Pf\n" + head + b"-1.0\n" + floats[::-1].tobytes(), np.rint(floats.astype(float) * 255), range=1)
    pal = Image.fromarray(values[8].astype(np.uint8))
    pal.putpalette(PALETTE.tobytes())
    cases["GIF"] = Case(saved(pal, "GIF"), PALETTE[values[8]])
    key = int(values[8][2, 3])
    cases["GIF, one transparent"] = Case(saved(pal, "GIF", transparency=key), on_white(PALETTE[values[8]], values[8] != key))
    cases["GIF of greys"] = Case(saved(Image.fromarray(GREY), "GIF"), GREY)
    cases["WebP"] = Case(saved(Image.fromarray(COLOUR), "WEBP", lossless=True), COLOUR)
    rgba = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    cases["WebP with alpha"] = Case(saved(rgba, "WEBP", lossless=True, exact=True), on_white(COLOUR, ALPHA))
    flat = np.tile(np.array([[[200, 30, 90]]], np.uint8), (*SIZE, 1))
    cases["JPEG, RGB"] = Case(saved(Image.fromarray(flat), "JPEG", quality=100), flat, 2)
    cases["JPEG, grey"] = Case(saved(Image.fromarray(flat[..., 0]), "JPEG", quality=100), flat[..., 0], 1)
    inks = np.tile(np.array([[[10, 200, 60, 40]]], np.uint8), (*SIZE, 1))
    cases["JPEG, CMYK"] = Case(saved(Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes()), "JPEG", quality=100), of_cmyk(inks), 3)
    return cases


CASES = {
    f"{kind}: {name}": case
    for kind, made in (("TIFF", tiffs()), ("PNG", pngs()), ("EXIF", turned_by_exif()), ("", others()))
    for name, case in made.items()
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


def check(found: np.ndarray, case: Case) -> None:
    """Compare pixels with what the file shows, in as many channels as were asked for."""
    shown = np.asarray(case.shows).astype(np.uint8)
    if found.shape[2] == 3:
        wanted, off = (shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)), case.off
    else:
        # Palettes and YCbCr become grey by formulas of their own, which round otherwise.
        wanted, off = (shown[..., None], case.off) if shown.ndim == 2 else (luma(shown)[..., None], max(1, case.off))
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= off


@pytest.mark.parametrize("name", CASES)
def test_a_picture_is_right_or_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    path = tmp_path / "picture"
    path.write_bytes(case.content)
    refused = isinstance(case.shows, str)
    height, width = SIZE if refused else case.shows.shape[:2]
    for channels in (1, 3):  # as a model of that many channels reads it
        if refused:
            with pytest.raises(DataError) as error:
                read_image(path, (height, width, channels), case.range)
            assert str(case.shows) in str(error.value)
        else:
            found, _ = read_image(path, (height, width, channels), case.range)
            check(found, case)


@pytest.mark.parametrize("gray", [True, False, None])
@pytest.mark.parametrize("name", [name for name in CASES if "orientation" not in name or "orientation 6" in name])
def test_a_folder_is_right_or_refused(name: str, gray: bool | None, tmp_path: Path) -> None:
    case = CASES[name]
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for index in range(2):
            (tmp_path / "pictures" / label / f"{index}").write_bytes(case.content)
    if isinstance(case.shows, str):
        with pytest.raises(DataError) as error:
            load(tmp_path / "pictures", gray=gray, range=case.range)
        assert case.shows in str(error.value)
        return
    dataset = load(tmp_path / "pictures", gray=gray, range=case.range)
    assert len(dataset.images) + len(dataset.test_images) == 4
    shown = np.asarray(case.shows)
    assert dataset.input[2] == (1 if gray or (gray is None and shown.ndim == 2) else 3)
    for image in (*dataset.images, *dataset.test_images):
        check(image, case)
