"""Names of members: what a client called a file, made safe for every file system and unique in the archive."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

NAME_BYTES: Final = 200
"""The most a name takes as UTF-8; file systems stop at 255, and a client may add an ending of its own."""
_NUMBER_BYTES: Final = 11
"""Room for a dash and a number, kept whatever the number, so that a stem is always cut at the same place."""
_EXTENSION_BYTES: Final = 32
_NAMELESS: Final = "file"
_FORBIDDEN: Final = re.compile(r'[/\\<>:"|?*]')
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_EDGES: Final = ". "


class Names:
    """Hands out names below an archive's folder, each of them once; `taken` are names already given out."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {_folded(name) for name in taken}
        self._next: dict[tuple[str, str], int] = {}

    def choose(self, category_folder: str, filename: str) -> str:
        """Return `{category_folder}/{name}`, as like `filename` as is safe; unique whatever the case of its letters."""
        stem, extension = _split(_safe(filename))
        room = NAME_BYTES - len(extension.encode())
        plain = f"{category_folder}/{_unreserved(_cut(stem, room) + extension)}"
        if self._take(plain):
            return plain
        return self._numbered(f"{category_folder}/{_unreserved(_cut(stem, room - _NUMBER_BYTES))}", extension)

    def _numbered(self, stem: str, extension: str) -> str:
        series = (_folded(stem), _folded(extension))
        number = self._next.get(series, 2)
        while not self._take(f"{stem}-{number}{extension}"):
            number += 1
        self._next[series] = number + 1
        return f"{stem}-{number}{extension}"

    def _take(self, name: str) -> bool:
        folded = _folded(name)
        if folded in self._taken:
            return False
        self._taken.add(folded)
        return True


def _safe(filename: str) -> str:
    composed = unicodedata.normalize("NFC", filename)
    shown = "".join("_" if unicodedata.category(each) in _UNPRINTABLE else each for each in composed)
    return unicodedata.normalize("NFC", _FORBIDDEN.sub("_", shown)).strip(_EDGES) or _NAMELESS


def _split(name: str) -> tuple[str, str]:
    """Part a name before its extension; one that is very long is no extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem or not extension or len(extension.encode()) > _EXTENSION_BYTES:
        return name, ""
    return stem, dot + extension


def _cut(stem: str, size_bytes: int) -> str:
    whole = stem.encode()
    return stem if len(whole) <= size_bytes else whole[:size_bytes].decode(errors="ignore").rstrip(_EDGES)


def _unreserved(name: str) -> str:
    """Return the name of a file where Windows has a device of that name; one that short has room for it."""
    return f"_{name}" if _RESERVED.match(name) else name


def _folded(name: str) -> str:
    """Return what names have in common that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
