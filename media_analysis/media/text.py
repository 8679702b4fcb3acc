"""Text and numbers out of anybody's files: bounded, printable, finite, of the likeliest encoding."""

import math
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, SupportsFloat

_FEWEST: Final = 3
_MOSTLY: Final = 0.6
"""Of the bytes that write letters; languages in Latin letters have fewer with accents."""
_LETTER: Final = re.compile(rb"[A-Za-z\x80-\xff]")
_HIGH: Final = re.compile(rb"[\x80-\xff]")
_CONTROLS: Final = re.compile("[\x80-\x9f]")
"""None is in a text; in one read as Latin-1 they were something else."""
_KANA: Final = re.compile("[\u3040-\u30ff]")
_DOUBLE: Final = re.compile(rb"(?:[\xa1-\xfe]{2}|[\x00-\x7f])+")
"""Signs of two bytes each, as in East Asia."""
_KANA_PAIR: Final = re.compile(rb"[\xa4\xa5][\xa1-\xf6]")
_CHINESE: Final = re.compile(rb"(?:[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]|[\x00-\x7f])+")
"""GB/T 2312: punctuation, and what is in daily use."""
_KOREAN: Final = re.compile(rb"(?:[\xa1-\xa3\xb0-\xc8][\xa1-\xfe]|[\x00-\x7f])+")
"""KS X 1001: punctuation and syllables."""
MAX_CHARACTERS: Final = 1_000
MAX_KEYS: Final = 100
_MAX_KEY_CHARACTERS: Final = 100
_NOT_SHOWN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls but for tab and line feed, and marks that turn the direction of the text around them."""
_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def shown(text: object, *, limit: int = MAX_CHARACTERS) -> str | None:
    """Return text that can be shown, at most `limit` characters of it; None if nothing is left.

    What was not written in Unicode is guessed.
    """
    raw = text[: 4 * limit] if isinstance(text, bytes) else raw_of(text[: 2 * limit]) if isinstance(text, str) else None
    text = text if raw is None else guessed(raw)
    if not isinstance(text, str):
        return None
    kept = _LONE_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _NOT_SHOWN.sub("", text[: 2 * limit]))
    return kept.strip()[:limit] or None


def shown_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the first entries that can be read."""
    cleaned: dict[str, str] = {}
    for key, value in metadata.items():
        name, text = shown(key, limit=_MAX_KEY_CHARACTERS), shown(value)
        if name is not None and text is not None:
            cleaned.setdefault(name, text)
        if len(cleaned) == MAX_KEYS:
            break
    return cleaned


def raw_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the bytes, in base64, of what `shown_metadata` has guessed, by the same names."""
    raw: dict[str, str] = {}
    for key, value in metadata.items():
        name, found = shown(key, limit=_MAX_KEY_CHARACTERS), raw_of(value[:MAX_CHARACTERS])
        if name is not None and found is not None and shown(value) is not None:
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


def raw_of(text: str) -> bytes | None:
    """Return the bytes of text that was not written in Unicode; None of any other.

    These were no UTF-8, which lone surrogates tell (PEP 383), or were read as Latin-1 and cannot be (as ID3v2 tags).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return _bytes_in(text, "utf-8")
    raw = _bytes_in(text, "latin-1") if not text.isascii() else None
    return raw if raw is not None and (_CONTROLS.search(text) is not None or _is_foreign(raw)) else None


def _bytes_in(text: str, encoding: str) -> bytes | None:
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return None


def guessed(raw: bytes) -> str:
    """Return what bytes most likely mean, judged by which are there and which stand together."""
    for encoding in ("utf-8", _likely(raw), "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _likely(raw: bytes) -> str:
    """Return the encoding that writes so; several do, and short texts are told apart badly."""
    if len(_HIGH.findall(raw)) > _FEWEST and _DOUBLE.fullmatch(raw):
        if _KANA_PAIR.search(raw):
            return "euc_jp"
        if _CHINESE.fullmatch(raw):
            return "cp949" if _KOREAN.fullmatch(raw) else "gb18030"
    if _KANA.search(raw.decode("cp932", "ignore")):
        return "cp932"
    if not _is_foreign(raw):
        return "cp1252"
    # Cyrillic words are written small; each of these encodings has its small letters where the other has its capitals.
    upper, lower = (sum(first <= byte < first + 0x20 for byte in raw) for first in (0xE0, 0xC0))
    return "cp1251" if upper >= lower else "koi8_r"


def _is_foreign(raw: bytes) -> bool:
    high = len(_HIGH.findall(raw))
    return high >= _FEWEST and high > _MOSTLY * len(_LETTER.findall(raw))
