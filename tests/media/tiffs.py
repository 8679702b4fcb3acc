"""TIFFs (revision 6.0) of any kind of samples, written byte by byte."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_DEFLATE: Final = 8


def packed(samples: Sequence[float], bits: int, sample_format: int = 1, order: str = "<") -> bytes:
    """Return samples as unsigned (1) or signed (2) whole numbers, or floating point (3), of 8 to 64 bits."""
    letters = {1: {8: "B", 16: "H", 32: "I"}, 2: {8: "b", 16: "h", 32: "i"}, 3: {16: "e", 32: "f", 64: "d"}}
    return struct.pack(f"{order}{len(samples)}{letters[sample_format][bits]}", *samples)


def tiff(
    path: Path,
    size: tuple[int, int],
    pixels: bytes | Sequence[bytes],
    *,
    bits: Sequence[int] = (8,),
    photometric: int = 1,
    sample_format: int = 1,
    compression: int = 1,
    order: str = "<",
    tags: Mapping[int, tuple[str, Sequence[int]]] | None = None,
) -> Path:
    """Write one picture, in one strip, or a strip for each plane where there are several.

    Further tags are the letter of `struct` of their numbers, and these; with one of tiles (322) strips are not told.
    """
    strips = [pixels] if isinstance(pixels, bytes) else list(pixels)
    stored = [zlib.compress(strip) for strip in strips] if compression == _DEFLATE else strips
    places = [8 + sum(map(len, stored[:number])) for number in range(len(stored))]
    told: dict[int, tuple[str, Sequence[int]]] = {
        256: ("I", [size[0]]),
        257: ("I", [size[1]]),
        258: ("H", bits),
        259: ("H", [compression]),
        262: ("H", [photometric]),
        273: ("I", places),
        277: ("H", [len(bits)]),
        278: ("I", [size[1]]),
        279: ("I", list(map(len, stored))),
        284: ("H", [2 if len(strips) > 1 else 1]),
        339: ("H", [sample_format] * len(bits)),
        **(tags or {}),
    }
    if 322 in told:
        told |= {324: told.pop(273), 325: told.pop(279)}
        del told[278]
    content = b"".join(stored)
    directory = 8 + len(content) + len(content) % 2
    behind = directory + 2 + 12 * len(told) + 4
    entries, far = b"", b""
    for tag, (letter, numbers) in sorted(told.items()):
        value = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(value) > 4:
            value, far = struct.pack(f"{order}I", behind + len(far)), far + value
        entries += struct.pack(f"{order}HHI", tag, {"B": 1, "H": 3, "I": 4}[letter], len(numbers)) + value.ljust(
            4, b"\0"
        )
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, directory)
    table = struct.pack(f"{order}H", len(told)) + entries + bytes(4)
    path.write_bytes(head + content.ljust(directory - 8, b"\0") + table + far)
    return path
