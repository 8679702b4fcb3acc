"""Reading tar strictly: regular files with safe names and honest headers, everything else refused."""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from media_analysis.archive.format.facts import unsafe
from media_analysis.archive.format.frames import FrameReader
from media_analysis.errors import ArchiveDamaged

CHUNK_BYTES: Final = 1024 * 1024
_BLOCK: Final = tarfile.BLOCKSIZE
_EXTENSION_BYTES: Final = 64 * 1024
_PADDING_BYTES: Final = 1024 * 1024
"""The most that may follow the end of the archive; tar itself fills up to 10 KiB, or what it was told."""
_REGULAR: Final = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_KINDS: Final = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.DIRTYPE: "a directory",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.XGLTYPE: "a global header",
}
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,5}) ([A-Za-z0-9_.-]+)=")
_SHOWN_LENGTH: Final = 200
_SPARSE: Final = "GNU.sparse."


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A regular file in a tar, and where its first header lies."""

    name: str
    size_bytes: int
    frame_offset: int
    skip_bytes: int
    _tar: "TarReader" = field(repr=False, compare=False)

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most a MiB; only until the next entry is asked for."""
        return self._tar.content(self)


@dataclass(slots=True)
class _Extension:
    """What extended headers say of the member behind them."""

    path: str | None = None
    size_bytes: int | None = None
    kinds: set[bytes] = field(default_factory=set)


class TarReader:
    """Iterates over the entries of a tar; content that is not consumed is passed over.

    `lenient`, for the archives of others, passes over directories and what extended headers say beside path and size.

    Raises:
        ArchiveDamaged: it is not a tar from its first header to the padding after its end, or something in it is not
            a regular file with a safe name of its own.

    """

    def __init__(self, frames: FrameReader, *, lenient: bool = False) -> None:
        self._frames = frames
        self._lenient = lenient
        self._names: set[str] = set()
        self._entry: TarEntry | None = None
        self._left = 0

    def __iter__(self) -> Iterator[TarEntry]:
        while (entry := self.next()) is not None:
            yield entry

    def next(self) -> TarEntry | None:
        """Return the next entry, None at the end, which nothing but padding may follow."""
        self._finish_entry()
        while True:
            place = self._frames.frame_offset, self._frames.skip_bytes
            member = self._next_member()
            if member is None:
                self._expect_padding()
                return None
            if not member.isdir():
                break
        self._expect_file(member)
        self._names.add(member.name)
        self._left = member.size
        self._entry = TarEntry(member.name, member.size, *place, self)
        return self._entry

    def content(self, entry: TarEntry) -> Iterator[bytes]:
        """Yield what is left of the content of the current entry."""
        while self._left:
            if self._entry is not entry:
                raise ValueError(f"{entry.name} is not the current entry any more")
            piece = self._some(min(self._left, CHUNK_BYTES))
            self._left -= len(piece)
            yield piece

    def _finish_entry(self) -> None:
        entry, self._entry = self._entry, None
        if entry is None:
            return
        while self._left:
            self._left -= len(self._some(min(self._left, CHUNK_BYTES)))
        self._expect_zeros(-entry.size_bytes % _BLOCK)

    def _next_member(self) -> tarfile.TarInfo | None:
        """Return the next member that is no extended header, with what those before it say of it."""
        extension = _Extension()
        while True:
            block = self._exactly(_BLOCK)
            if not any(block):
                if extension.kinds:
                    raise ArchiveDamaged("an extended header is followed by the end of the archive")
                return None
            member = _parse(block)
            if member.type not in {tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME}:
                return self._extended(member, extension)
            self._read_extension(member, extension)

    def _read_extension(self, member: tarfile.TarInfo, extension: _Extension) -> None:
        if member.type in extension.kinds:
            raise ArchiveDamaged("two extended headers follow each other")
        if not 0 <= member.size <= _EXTENSION_BYTES:
            raise ArchiveDamaged(f"an extended header has more than {_EXTENSION_BYTES} bytes")
        extension.kinds.add(member.type)
        body = self._exactly(member.size)
        self._expect_zeros(-member.size % _BLOCK)
        if member.type == tarfile.GNUTYPE_LONGNAME:
            extension.path = extension.path or _text(body.removesuffix(b"\x00"))
        else:
            self._read_records(body, extension)

    def _read_records(self, body: bytes, extension: _Extension) -> None:
        seen: set[str] = set()
        for keyword, value in _records(body):
            if keyword in seen:
                raise ArchiveDamaged(f"an extended header says {keyword} twice")
            seen.add(keyword)
            if keyword == "path":
                extension.path = _text(value)
            elif keyword == "size":
                extension.size_bytes = _number(value)
            elif not self._lenient or keyword.startswith(_SPARSE) or keyword in {"linkpath", "hdrcharset"}:
                raise ArchiveDamaged(f"an extended header says {keyword}, which is not understood")

    def _extended(self, member: tarfile.TarInfo, extension: _Extension) -> tarfile.TarInfo:
        if extension.path is not None:
            member.name = extension.path
        if self._lenient:
            member.name = member.name.removeprefix("./")
        if extension.size_bytes is not None:
            member.size = extension.size_bytes
        if member.size < 0:
            raise ArchiveDamaged("the member's size is negative", member=_shown(member.name))
        if member.isdir() and not (self._lenient and member.size == 0):
            raise ArchiveDamaged("the member is a directory", member=_shown(member.name))
        return member

    def _expect_file(self, member: tarfile.TarInfo) -> None:
        if member.type not in _REGULAR:
            raise ArchiveDamaged(
                f"the member is {_KINDS.get(member.type, 'of an unknown kind')}", member=_shown(member.name)
            )
        wrong = unsafe(member.name)
        if wrong is not None:
            raise ArchiveDamaged(wrong, member=_shown(member.name))
        if member.name in self._names:
            raise ArchiveDamaged("the member is in the archive twice", member=_shown(member.name))

    def _expect_zeros(self, size_bytes: int) -> None:
        if any(self._exactly(size_bytes)):
            raise ArchiveDamaged("the archive has something between two members")

    def _expect_padding(self) -> None:
        if any(self._exactly(_BLOCK)):
            raise ArchiveDamaged("something follows the end of the archive")
        seen = 0
        while piece := self._frames.read(CHUNK_BYTES):
            seen += len(piece)
            if piece.count(0) != len(piece) or seen > _PADDING_BYTES:
                raise ArchiveDamaged("something follows the end of the archive")

    def _exactly(self, size_bytes: int) -> bytes:
        pieces = []
        while size_bytes:
            pieces.append(self._some(size_bytes))
            size_bytes -= len(pieces[-1])
        return b"".join(pieces)

    def _some(self, size_bytes: int) -> bytes:
        piece = self._frames.read(size_bytes)
        if not piece:
            raise ArchiveDamaged("the archive ends before its end is marked")
        return piece


def _parse(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, ValueError) as error:
        raise ArchiveDamaged(f"a header cannot be read: {error}") from error


def _records(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what a pax header says: records of `length keyword=value` and a line end."""
    at = 0
    while at < len(body):
        match = _RECORD.match(body, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(body) or end <= match.end() or body[end - 1 : end] != b"\n":
            raise ArchiveDamaged("an extended header cannot be read")
        yield match[2].decode("ascii"), body[match.end() : end - 1]
        at = end


def _shown(name: str) -> str:
    """Return what an error may quote of a name nobody has found safe."""
    return "".join(each if each.isprintable() else "?" for each in name[:_SHOWN_LENGTH])


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ArchiveDamaged("a name is not UTF-8") from error


def _number(value: bytes) -> int:
    if re.fullmatch(rb"[0-9]{1,19}", value) is None:
        raise ArchiveDamaged("an extended header says a size that is no number")
    return int(value)
