"""Reading archives: proving a whole one, taking one member out of it, and looking through those without a manifest."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Final, Self

from media_analysis.archive.format.compression import Compression, detect
from media_analysis.archive.format.facts import MANIFEST_BYTES, ManifestFile, ManifestHead
from media_analysis.archive.format.frames import FrameReader
from media_analysis.archive.format.manifest import ManifestReader
from media_analysis.archive.format.packing import Placed
from media_analysis.archive.format.tar import CHUNK_BYTES, TarEntry, TarReader
from media_analysis.errors import ArchiveDamaged

__all__ = ["TarEntry", "TarReader", "Verification", "read_member", "scan", "verify"]

_HEAD_BYTES: Final = 16


class Verification:
    """An archive being compared with its own manifest, member by member.

    Its files are proven one by one, the archive only when `files` has come to its end; closing it closes the spool.
    """

    def __init__(self, compression: Compression, tar: TarReader, spool: BinaryIO) -> None:
        self._tar = tar
        self._spool = spool
        self._manifest = ManifestReader(spool)
        self.compression = compression
        self.head: ManifestHead = self._manifest.head
        self.proven = False
        """Whether everything has been read and agrees."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the copy of the manifest."""
        self._spool.close()

    def files(self) -> Iterator[tuple[ManifestFile, Placed, Iterator[bytes]]]:
        """Yield each file, where it lies and its content, in the order of the archive; once only.

        Content is checked when it has been read to its end; what the caller leaves of it is read before the next file.

        Raises:
            ArchiveDamaged: a member is missing, too many, or has another name, size or SHA-256 than the manifest says,
                or the manifest or the archive does not end as it should.

        """
        for file in self._manifest.files():
            content = _Content(file, self._expect(file))
            yield file, content.placed, iter(content)
            content.drain()
        extra = self._tar.next()
        if extra is not None:
            raise ArchiveDamaged("the manifest does not name this member", member=extra.name)
        for _ in self._manifest.events():
            pass
        self.proven = True

    def check(self) -> None:
        """Read and compare everything.

        Raises:
            ArchiveDamaged: see `files`.

        """
        for _ in self.files():
            pass

    def manifest(self) -> ManifestReader:
        """Read the manifest from its beginning again, for its results and events; only when `files` is at its end."""
        self._spool.seek(0)
        return ManifestReader(self._spool)

    def _expect(self, file: ManifestFile) -> TarEntry:
        name = f"{self.head.folder_name}/{file.name}"
        entry = self._tar.next()
        if entry is None:
            raise ArchiveDamaged("the file is in the manifest and not in the archive", member=name)
        if entry.name != name:
            raise ArchiveDamaged(f"another member is in its place: {entry.name}", member=name)
        if entry.size_bytes != file.size_bytes:
            raise ArchiveDamaged(f"the file has {entry.size_bytes} bytes, not {file.size_bytes}", member=name)
        return entry


@dataclass(slots=True)
class _Content:
    """A member's content on its way to the caller, hashed as it passes."""

    file: ManifestFile
    entry: TarEntry
    _checked: bool = False
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def placed(self) -> Placed:
        return Placed(id=self.file.id, frame_offset=self.entry.frame_offset, skip_bytes=self.entry.skip_bytes)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.entry.chunks():
            self._digest.update(chunk)
            yield chunk
        if self._digest.digest() != self.file.sha256:
            raise ArchiveDamaged("the content has another SHA-256 than the manifest says", member=self.entry.name)
        self._checked = True

    def drain(self) -> None:
        """Read and check what the caller has left, whatever became of the iterator they got."""
        if not self._checked:
            for _ in iter(self):
                pass


def verify(raw: BinaryIO, *, spool: Callable[[], BinaryIO]) -> Verification:
    """Begin to prove a seekable archive from its beginning; `spool` gives a temporary file for the manifest.

    Raises:
        ArchiveDamaged: it is no archive with a manifest of ours as its first member.

    """
    compression = _detected(raw)
    tar = TarReader(FrameReader(raw, compression))
    first = tar.next()
    if first is None:
        raise ArchiveDamaged("the archive is empty")
    copy = spool()
    try:
        _copy_manifest(first, copy)
        verification = Verification(compression, tar, copy)
        _expect_manifest(verification, first.name)
    except BaseException:
        copy.close()
        raise
    return verification


def read_member(
    raw: BinaryIO,
    compression: Compression,
    *,
    frame_offset: int,
    skip_bytes: int,
    name: str,
    size_bytes: int,
    sha256: bytes | None = None,
) -> Iterator[bytes]:
    """Find the member with the full name `name` where it was placed, and return its content as it is asked for.

    With `sha256`, the content is compared with it at its end.

    Raises:
        ArchiveDamaged: no such member lies there, which shows at once, or its content is damaged.

    """
    raw.seek(frame_offset)
    frames = FrameReader(raw, compression, base=frame_offset)
    left = skip_bytes
    while left:
        piece = frames.read(min(left, CHUNK_BYTES))
        if not piece:
            raise ArchiveDamaged("the archive ends before it", member=name)
        left -= len(piece)
    entry = TarReader(frames, lenient=True).next()
    if entry is None or (entry.name, entry.size_bytes) != (name, size_bytes):
        raise ArchiveDamaged(f"the file does not lie at {frame_offset} + {skip_bytes} of the archive", member=name)
    if (entry.frame_offset, entry.skip_bytes) != (frame_offset, skip_bytes):
        raise ArchiveDamaged(f"the file does not lie at {frame_offset} + {skip_bytes} of the archive", member=name)
    return _hashed(entry, sha256)


def scan(raw: BinaryIO, *, max_bytes: int) -> Iterator[tuple[TarEntry, bytes]]:
    """Yield the files of any seekable archive with their SHA-256, none of them before it has been read.

    Raises:
        ArchiveDamaged: it is not one whole tar of regular files and directories with safe names, or more than
            `max_bytes` of it would have to be decompressed.

    """
    frames = FrameReader(raw, _detected(raw))
    for entry in TarReader(frames, lenient=True):
        if frames.position + entry.size_bytes > max_bytes:
            raise ArchiveDamaged(f"the file has more than {max_bytes} bytes when it is decompressed", member=entry.name)
        digest = hashlib.sha256()
        for chunk in entry.chunks():
            digest.update(chunk)
        yield entry, digest.digest()


def _detected(raw: BinaryIO) -> Compression:
    raw.seek(0)
    head = raw.read(_HEAD_BYTES)
    raw.seek(0)
    compression = detect(head)
    if compression is None:
        raise ArchiveDamaged("the archive is neither gzip, bz2, xz nor zstd" if head else "the archive is empty")
    return compression


def _expect_manifest(verification: Verification, name: str) -> None:
    head, compression = verification.head, verification.compression
    if name != head.member:
        raise ArchiveDamaged(f"the archive's first member is not {head.member}", member=name)
    if head.compression != compression:
        raise ArchiveDamaged(f"the archive is {compression}, its manifest says {head.compression}")


def _copy_manifest(entry: TarEntry, copy: BinaryIO) -> None:
    if entry.size_bytes > MANIFEST_BYTES:
        raise ArchiveDamaged(f"the manifest has more than {MANIFEST_BYTES} bytes", member=entry.name)
    copy.writelines(entry.chunks())
    copy.seek(0)


def _hashed(entry: TarEntry, sha256: bytes | None) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in entry.chunks():
        if sha256 is not None:
            digest.update(chunk)
        yield chunk
    if sha256 is not None and digest.digest() != sha256:
        raise ArchiveDamaged("the content has another SHA-256 than is on record", member=entry.name)
