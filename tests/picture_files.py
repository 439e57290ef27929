"""Picture files written byte by byte, in kinds that Pillow reads but does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np


def packed(values: np.ndarray, bits: int) -> bytes:
    """Return whole numbers of 1, 2, 4 or 12 bits, shape (height, width), as rows of bytes, the first number in the highest bits."""
    rows = []
    for row in values:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(bytes(int(text[start : start + 8], 2) for start in range(0, len(text), 8)))
    return b"".join(rows)


def tiff(
    content: bytes,
    size: tuple[int, int],
    bits: Sequence[int] = (8,),
    photometric: int = 1,
    *,
    order: str = "<",
    kind: int = 0,
    extra: Sequence[int] = (),
    fill: int = 1,
    planes: int = 1,
    orientation: int = 1,
    palette: np.ndarray | None = None,
    deflate: bool = False,
    others: Sequence[tuple[int, Sequence[int]]] = (),
) -> bytes:
    """Return a TIFF file.

    Parameters
    ----------
    content : bytes
        The pixels; of separate planes, one after the other.
    size : (int, int)
        Height and width.
    bits : sequence of int
        Of each sample.
    photometric : int
        0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 LAB.
    order : {"<", ">"}
        Of the bytes.
    kind : int
        1 without a sign, 2 with a sign, 3 floating-point; 0 leaves it out.
    extra : sequence of int
        What samples beyond the colours are: 0 anything, 1 associated and 2 unassociated alpha.
    fill : int
        2 where the first pixel is in the lowest bits.
    palette : ndarray, shape (2^bits, 3)
        From 0 to 255.
    others : sequence of (int, sequence of int)
        Further tags, as short numbers.
    """
    parts = [content[start : start + len(content) // len(bits)] for start in range(0, len(content), len(content) // len(bits))]
    parts = parts if planes == 2 else [content]
    parts = [zlib.compress(part) if deflate else part for part in parts]
    parts = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in part) if fill == 2 else part for part in parts]
    tags: dict[int, tuple[str, Sequence[int]]] = {
        256: ("H", [size[1]]),
        257: ("H", [size[0]]),
        258: ("H", bits),
        259: ("H", [8 if deflate else 1]),
        262: ("H", [photometric]),
        266: ("H", [fill]),
        273: ("I", [0] * len(parts)),
        274: ("H", [orientation]),
        277: ("H", [len(bits)]),
        278: ("H", [size[0]]),
        279: ("I", [len(part) for part in parts]),
        284: ("H", [planes]),
    }
    if palette is not None:
        tags[320] = ("H", (palette.T.astype(int) * 257).ravel().tolist())
    if extra:
        tags[338] = ("H", extra)
    if kind:
        tags[339] = ("H", [kind] * len(bits))
    tags |= {tag: ("H", values) for tag, values in others}
    place = 8 + 2 + 12 * len(tags) + 4
    longer = {tag: struct.calcsize(f"={len(values)}{form}") for tag, (form, values) in tags.items()}
    pixels = place + sum(length for length in longer.values() if length > 4)
    tags[273] = ("I", [pixels + sum(map(len, parts[:number])) for number in range(len(parts))])
    entries, behind = b"", b""
    for tag in sorted(tags):
        form, values = tags[tag]
        data = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(data) > 4:
            data, behind = struct.pack(f"{order}I", place + len(behind)), behind + data
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[form], len(values)) + data.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind + b"".join(parts)


def png(
    content: bytes, size: tuple[int, int], bits: int, colour: int, *, transparent: bytes = b"", palette: np.ndarray | None = None
) -> bytes:
    """Return a PNG file; `colour` 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha; `transparent` is its tRNS chunk."""
    height, width = size
    row = len(content) // height
    raw = b"".join(b"\0" + content[start : start + row] for start in range(0, len(content), row))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    if palette is not None:
        chunks.append((b"PLTE", palette.astype(np.uint8).tobytes()))
    if transparent:
        chunks.append((b"tRNS", transparent))
    chunks += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    joined = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + joined


def bmp(content: bytes, size: tuple[int, int], bits: int, palette: np.ndarray | None = None, masks: Sequence[int] = ()) -> bytes:
    """Return a BMP file; `content` is padded rows, the lowest first; `masks` say which bits are red, green, blue and alpha."""
    table = b"" if palette is None else np.insert(palette[:, ::-1], 3, 0, axis=1).astype(np.uint8).tobytes()
    head = 40 if len(masks) < 4 else 108
    extra = struct.pack(f"<{len(masks)}I", *masks)
    info = struct.pack("<IiiHHIIiiII", head, size[1], size[0], 1, bits, 3 if masks else 0, len(content), 2835, 2835, len(table) // 4, 0)
    info += extra.ljust(head - 40, b"\0") if head == 108 else extra
    offset = 14 + len(info) + len(table)
    return struct.pack("<2sIHHI", b"BM", offset + len(content), 0, 0, offset) + info + table + content
