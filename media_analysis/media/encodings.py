"""Text of which nothing says how it is written: its bytes as they were, and what they most likely mean."""

import re
from typing import Final

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
