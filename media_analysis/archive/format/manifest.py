"""A manifest as JSON of one line per element, so that it is written and read in bounded memory."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from media_analysis.archive.format.facts import FORMAT, ManifestFile, ManifestHead, manifest_name
from media_analysis.errors import ArchiveDamaged

__all__ = ["ManifestFile", "ManifestHead", "ManifestReader", "ManifestWriter", "manifest_name"]

Typed = TypeVar("Typed")

HEAD_BYTES: Final = 2 * 1024 * 1024
FILE_BYTES: Final = 64 * 1024
DOCUMENT_BYTES: Final = 8 * 1024 * 1024
"""The longest line of a result: at most 4 MiB when it is handed in, and its numbers may be written out longer."""
_SECTIONS: Final = ("files", "results", "events")
_HEAD: Final = TypeAdapter(ManifestHead)
_FILE: Final = TypeAdapter(ManifestFile)
_ANY: Final = TypeAdapter[Mapping[str, Any]](Mapping[str, Any])
_OPENING: Final = f'{{"format": "{FORMAT}", "head": '.encode()
_FIRST_SECTION: Final = b', "files": ['
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class ManifestWriter:
    """Writes a manifest: its head, then files, results and events in that order, then its end."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._section = 0
        self._elements = 0

    def begin(self, head: ManifestHead) -> None:
        line = _OPENING + _json(_HEAD, head) + _FIRST_SECTION
        _expect_short(line, HEAD_BYTES)
        self._out.write(line + b"\n")

    def add_file(self, file: ManifestFile) -> None:
        self._add("files", _json(_FILE, file, exclude_defaults=True))

    def add_result(self, result: Mapping[str, Any]) -> None:
        self._add("results", _json(_ANY, result))

    def add_event(self, event: Mapping[str, Any]) -> None:
        self._add("events", _json(_ANY, event))

    def end(self) -> None:
        self._open(_SECTIONS[-1])
        self._out.write(b"\n]}\n" if self._elements else b"]}\n")

    def _add(self, section: str, element: bytes) -> None:
        _expect_short(element, FILE_BYTES if section == _SECTIONS[0] else DOCUMENT_BYTES)
        self._open(section)
        self._out.write((b",\n" if self._elements else b"") + element)
        self._elements += 1

    def _open(self, section: str) -> None:
        """Close the sections before, empty ones too."""
        wanted = _SECTIONS.index(section)
        if wanted < self._section:
            raise ValueError(f"{section} come before {_SECTIONS[self._section]}")
        while self._section < wanted:
            self._section += 1
            start = b"\n" if self._elements else b""
            self._out.write(start + f'], "{_SECTIONS[self._section]}": [\n'.encode())
            self._elements = 0


class ManifestReader:
    """Reads a manifest line by line: its head at once, then files, results and events in that order.

    Asking for a later section passes over what is left of those before it, which is checked all the same.

    Raises:
        ArchiveDamaged: it is not laid out as we write it, or a value in it cannot be.

    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._number = 0
        self._section = 0
        self._files = self._read_files()
        self._others = {name: self._read_section(name) for name in _SECTIONS[1:]}
        self.head = self._read_head()

    def files(self) -> Iterator[ManifestFile]:
        """Yield the files in the order of their members; how many and how large must agree with the head."""
        return self._files

    def results(self) -> Iterator[Mapping[str, Any]]:
        """Yield the results as they were written."""
        return self._others["results"]

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the events as they were written; then the manifest must be over."""
        return self._others["events"]

    def _read_head(self) -> ManifestHead:
        line = self._line(HEAD_BYTES)
        if not (line.startswith(_OPENING) and line.endswith(_FIRST_SECTION)):
            raise ArchiveDamaged("the archive's manifest is not one of ours")
        element = line[len(_OPENING) : -len(_FIRST_SECTION)]
        if "version" not in self._parsed(element):
            raise self._damaged("it does not say its version")
        return self._typed(_HEAD, element)

    def _read_files(self) -> Iterator[ManifestFile]:
        names: set[str] = set()
        ids: set[bytes] = set()
        size_bytes = 0
        for line in self._elements("files"):
            file = self._typed(_FILE, line)
            if file.name in names or file.id.bytes in ids:
                raise self._damaged(f"{file.name} is in it twice")
            names.add(file.name)
            ids.add(file.id.bytes)
            size_bytes += file.size_bytes
            yield file
        if (len(names), size_bytes) != (self.head.files, self.head.size_bytes):
            raise ArchiveDamaged("the files in its manifest are not as many or as large as its head says")

    def _read_section(self, name: str) -> Iterator[Mapping[str, Any]]:
        before = _SECTIONS[_SECTIONS.index(name) - 1]
        for _ in self._files if before == _SECTIONS[0] else self._others[before]:
            pass
        for line in self._elements(name):
            yield self._parsed(line)
        if name == _SECTIONS[-1] and self._source.read(1):
            raise self._damaged("something follows the manifest's end")

    def _elements(self, section: str) -> Iterator[bytes]:
        """Yield the elements' lines up to the line that closes the section."""
        index = _SECTIONS.index(section)
        closing = b"]}" if section == _SECTIONS[-1] else f'], "{_SECTIONS[index + 1]}": ['.encode()
        most_bytes = FILE_BYTES if index == 0 else DOCUMENT_BYTES
        first, more = True, False
        while (line := self._line(most_bytes)) != closing or more:
            if not (first or more):
                raise self._damaged("a comma is missing")
            first, more = False, line.endswith(b",")
            yield line[:-1] if more else line

    def _line(self, most_bytes: int) -> bytes:
        """Return the next line; a comma and its end come on top of what it may have."""
        line = self._source.readline(most_bytes + 2)
        self._number += 1
        if not line.endswith(b"\n"):
            raise self._damaged("it is too long" if len(line) > most_bytes else "it is cut off")
        return line[:-1]

    def _typed(self, adapter: TypeAdapter[Typed], line: bytes) -> Typed:
        self._parsed(line)
        try:
            return adapter.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise self._damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def _parsed(self, line: bytes) -> Mapping[str, Any]:
        try:
            value = json.loads(line.decode(), object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
            if _SURROGATE.search(line):
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        if not isinstance(value, dict):
            raise self._damaged("it is not an object")
        return value

    def _damaged(self, reason: str) -> ArchiveDamaged:
        return ArchiveDamaged(f"line {self._number} of the manifest: {reason}")


def _json(adapter: TypeAdapter[Typed], value: Typed, *, exclude_defaults: bool = False) -> bytes:
    """Serialize a value as one line; JSON has no raw line ends within strings."""
    try:
        return adapter.dump_json(value, exclude_defaults=exclude_defaults)
    except PydanticSerializationError as error:
        raise ArchiveDamaged(f"something cannot be written into the manifest: {error}") from error


def _expect_short(line: bytes, most_bytes: int) -> None:
    if len(line) > most_bytes:
        raise ArchiveDamaged(f"a line of the manifest would have more than {most_bytes} bytes")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is in it twice")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
