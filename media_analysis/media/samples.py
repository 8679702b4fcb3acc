"""Grey of more than eight bits, of any integer or floating point kind, as eight bits."""

import sys
from typing import Final

from PIL import Image, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

DEEP_MODES: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})
_UNSIGNED, _SIGNED = 1, 2
_HIGHEST_BYTE: Final = 3 if sys.byteorder == "little" else 0
_STRIP_ROWS: Final = 64
"""Converted at once, for they are copied twice meanwhile."""


def eight_bits(image: Image.Image) -> Image.Image:
    """Return grey of mode L; integers keep their upper eight bits, floating point is from 0 (black) to 1 (white).

    A TIFF tells how many bits count, whether 0 is white, and whether numbers are signed, of which the lowest is black.
    """
    tags = getattr(image, "tag_v2", {})
    grey = _as_told(image, _first(tags.get(BITSPERSAMPLE)), _first(tags.get(SAMPLEFORMAT)) or _UNSIGNED)
    return ImageOps.invert(grey) if tags.get(PHOTOMETRIC_INTERPRETATION) == 0 else grey


def _as_told(image: Image.Image, bits: int | None, sample_format: int) -> Image.Image:
    if image.mode == "F":
        return image.point(lambda value: value * 255 + 0.5).convert("L")
    if image.mode == "I" and bits == 32 and sample_format in {_UNSIGNED, _SIGNED}:  # noqa: PLR2004 - of an I
        highest = _highest_bytes(image)
        return highest if sample_format == _UNSIGNED else highest.point([value ^ 0x80 for value in range(256)])
    if image.mode == "I" and sample_format == _SIGNED:
        image = image.point(lambda value: value + 32_768)
    shift = 4 if bits == 12 else 8  # noqa: PLR2004 - the only depth between that Pillow reads
    return image.convert("I").point([min(255, value >> shift) for value in range(65_536)], "L")


def _highest_bytes(image: Image.Image) -> Image.Image:
    """Take them as they are stored, for Pillow takes unsigned numbers of 32 bits for signed ones."""
    found = Image.new("L", image.size)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(image.height, top + _STRIP_ROWS)))
        found.paste(Image.frombytes("L", strip.size, strip.tobytes()[_HIGHEST_BYTE::4]), (0, top))
    return found


def _first(value: object) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None
