"""Words on pictures: text made printable, measured, elided and wrapped in the typeface Pillow ships."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Final, cast

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

MARK: Final = "\ufffd"
"""Stands for a character without a glyph; the typeface draws it as an empty box."""
ELLIPSIS: Final = "\u2026"
SEPARATOR: Final = "  \u00b7  "
_LONGEST: Final = 1_000
_REFERENCE_SIZE: Final = 16
_NEIGHBOURS: Final = {
    "\u00d7": "x",
    "\u00df": "ss",
    "\u00c6": "AE",
    "\u00e6": "ae",
    "\u00d8": "O",
    "\u00f8": "o",
    "\u0152": "OE",
    "\u0153": "oe",
    "\u0110": "D",
    "\u0111": "d",
    "\u0141": "L",
    "\u0142": "l",
    "\u0131": "i",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "\u2022": "\u00b7",
}
"""What a reader takes for letters and signs that neither have a glyph nor decompose."""


@cache
def typeface(size: int) -> FreeTypeFont:
    """Return the typeface Pillow ships; it holds little more than ASCII (see `printable`)."""
    return cast("FreeTypeFont", ImageFont.load_default(size))


def printable(text: str) -> str:
    """Return one line of what can be drawn: accents fall off, other scripts become marks, and what only steers goes.

    Controls, bidirectional overrides and joiners are removed, so a name reads as it is stored.
    """
    drawn = "".join(map(_drawn, unicodedata.normalize("NFC", text[:_LONGEST])))
    return " ".join(re.sub(f"{MARK}{{4,}}", MARK * 3, drawn).split())


def elided(text: str, font: FreeTypeFont, width: float) -> str:
    """Return `text`, or its beginning and end if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    kept = bisect_right(range(len(text)), width, key=lambda kept: font.getlength(_cut(text, kept))) - 1
    return _cut(text, max(kept, 0))


def wrapped(words: Iterable[str], font: FreeTypeFont, width: float) -> Sequence[str]:
    """Return lines of words set apart by a dot, none wider than `width` pixels unless one word is."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}{SEPARATOR}{word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(elided(word, font, width))
    return lines


def _cut(text: str, kept: int) -> str:
    head = -(-kept * 3 // 5)
    tail = kept - head
    return f"{text[:head].rstrip()}{ELLIPSIS}{text[len(text) - tail :].lstrip()}"


@lru_cache(maxsize=4096)
def _drawn(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace():
        return " "
    if category in {"Cc", "Cf", "Mn", "Me"}:
        return ""
    if category == "Cs":
        return MARK
    if _has_glyph(character):
        return character
    parts = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part) != "Mn"]
    near = _NEIGHBOURS.get(character, "".join(parts))
    return near if near and all(map(_has_glyph, near)) else MARK


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    font = typeface(_REFERENCE_SIZE)
    return bytes(font.getmask(character)) != bytes(font.getmask(MARK))
