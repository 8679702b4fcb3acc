"""What products are called, after the source they come from."""

import unicodedata
from typing import Final

_LONGEST_BYTES: Final = 120
_KEPT: Final = frozenset("-_.")


def stem_of(filename: str) -> str:
    """Return a filename without its extension, as letters, digits, `-`, `_` and `.` that no disk or shell minds."""
    name = unicodedata.normalize("NFC", filename)
    stem, dot, extension = name.rpartition(".")
    whole = stem if dot and stem.strip(".") and extension.isalnum() else name
    safe = "".join(character if character.isalnum() or character in _KEPT else "_" for character in whole)
    short = safe.encode()[:_LONGEST_BYTES].decode(errors="ignore")
    return short.strip("._-") or "media"
