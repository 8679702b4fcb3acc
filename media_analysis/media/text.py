"""Text and numbers out of files that anybody may have written: bounded, printable and finite."""

import math
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, SupportsFloat

from media_analysis.media.encodings import guessed, raw_of

MAX_CHARACTERS: Final = 1_000
MAX_KEYS: Final = 100
_MAX_KEY_CHARACTERS: Final = 100
_NOT_SHOWN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls but for tab and line feed, and marks that turn the direction of the text around them."""
_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def clean(text: object, *, limit: int = MAX_CHARACTERS) -> str | None:
    """Return text that can be shown, at most `limit` characters of it; None if nothing is left.

    What was not written in Unicode is guessed.
    """
    raw = text[: 4 * limit] if isinstance(text, bytes) else raw_of(text[: 2 * limit]) if isinstance(text, str) else None
    text = text if raw is None else guessed(raw)
    if not isinstance(text, str):
        return None
    kept = _LONE_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _NOT_SHOWN.sub("", text[: 2 * limit]))
    return kept.strip()[:limit] or None


def clean_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the first entries that can be read."""
    cleaned: dict[str, str] = {}
    for key, value in metadata.items():
        name, text = clean(key, limit=_MAX_KEY_CHARACTERS), clean(value)
        if name is not None and text is not None:
            cleaned.setdefault(name, text)
        if len(cleaned) == MAX_KEYS:
            break
    return cleaned


def raw_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the bytes, in base64, of what `clean_metadata` has guessed, by the same names."""
    raw: dict[str, str] = {}
    for key, value in metadata.items():
        name, found = clean(key, limit=_MAX_KEY_CHARACTERS), raw_of(value[:MAX_CHARACTERS])
        if name is not None and found is not None and clean(value) is not None:
            raw.setdefault(name, b64encode(found).decode())
        if len(raw) == MAX_KEYS:
            break
    return raw


def finite(number: object, *, digits: int = 6) -> float | None:
    """Return a number rounded, None for what is none or is infinite."""
    if not isinstance(number, SupportsFloat):
        return None
    try:
        value = float(number)
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return round(value, digits) if math.isfinite(value) else None
