"""Archives of other tools: read in full, and packed anew as ours, for only then can one file be read or restored."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from media_analysis.archive.archiving import OVERHEAD_BYTES
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.frames import FrameReader
from media_analysis.archive.format.manifest import ManifestFile, ManifestHead, ManifestWriter, manifest_name
from media_analysis.archive.format.names import Names
from media_analysis.archive.format.packing import MemberSource, Packer
from media_analysis.archive.format.reading import TarEntry, TarReader, scan
from media_analysis.archive.packing import Share, open_archive
from media_analysis.archive.progress import Sink, TaskProgress, spool
from media_analysis.errors import ArchiveDamaged
from media_analysis.imports.runs.content import detected
from media_analysis.imports.runs.facts import JobFacts
from media_analysis.imports.runs.naming import archived_category_of, media_type_of
from media_analysis.imports.tree.candidates import allowed_name

"""What a member takes beside its bytes, at most: header, padding, frame."""


@dataclass
class Listing:
    """All files of an archive, in its order, each with its SHA-256, in a spool."""

    lines: IO[bytes]
    files: int = 0
    size_bytes: int = 0
    name_bytes: int = 0

    @property
    def packed_bytes(self) -> int:
        """The most that packing it anew takes."""
        return self.size_bytes + (self.files + 4) * OVERHEAD_BYTES + 2 * self.name_bytes

    def close(self) -> None:
        self.lines.close()


def survey(path: Path, progress: TaskProgress, limit_bytes: int) -> Listing:
    """Read an archive to its end and list what is in it; blocks.

    Raises:
        ArchiveDamaged: it is damaged, hostile or too large, or holds nothing.

    """
    with ExitStack() as opened:
        listing = Listing(opened.enter_context(spool()))
        raw = opened.enter_context(open_archive(path))
        for entry, sha256 in scan(raw, max_bytes=limit_bytes):
            listing.lines.write(orjson.dumps([uuid7().hex, entry.name, entry.size_bytes, sha256.hex()]) + b"\n")
            listing.files += 1
            listing.size_bytes += entry.size_bytes
            listing.name_bytes += len(entry.name.encode())
            progress.advance(entry.size_bytes)
        if not listing.files:
            raise ArchiveDamaged("the archive holds no file")
        raw.close()
        opened.pop_all()
        return listing


@dataclass(frozen=True)
class Repacking:
    """An archive of another tool about to become one of ours."""

    path: Path
    listing: Listing
    job: JobFacts
    compression: Compression
    packed_at: datetime

    def write(self, sink: Sink, progress: TaskProgress) -> dict[str, Share]:
        """Write it to `sink` and return what each media type took; what was listed before is what is written, or fails.

        Raises:
            ArchiveDamaged: it is no longer what it was.

        """
        with spool() as manifest:
            self._describe(manifest)
            size_bytes = manifest.tell()
            manifest.seek(0)
            packer = Packer(self.compression, self.job.folder_name, sink)
            packer.add_manifest(manifest_name(0), cast("MemberSource", manifest), size_bytes)
            with open_archive(self.path) as raw:
                entries = TarReader(FrameReader(raw, detected(raw)), lenient=True)
                for file in self._files():
                    packer.add_file(file, _Reader(_next(entries)))
                    progress.advance(file.size_bytes)
            packer.finish()
        return {kind: Share(amount.raw_bytes, amount.packed_bytes) for kind, amount in packer.packed.items()}

    def _describe(self, out: IO[bytes]) -> None:
        writer = ManifestWriter(cast("BinaryIO", out))
        writer.begin(
            ManifestHead(
                folder_name=self.job.folder_name,
                segment=0,
                compression=self.compression.value,
                packed_at=self.packed_at,
                files=self.listing.files,
                size_bytes=self.listing.size_bytes,
                job=self.job.model_dump(mode="json"),
                sources=[],
            )
        )
        for file in self._files():
            writer.add_file(file)
        writer.end()

    def _files(self) -> Iterator[ManifestFile]:
        names, at = Names(), self.job.completed_at
        self.listing.lines.seek(0)
        for line in self.listing.lines:
            file_id, path, size_bytes, sha256 = orjson.loads(line)
            category, filename = archived_category_of(path), allowed_name(PurePosixPath(path).name)
            yield ManifestFile(
                id=UUID(file_id),
                name=names.choose(category.value, filename),
                filename=filename,
                category=category.value,
                media_type=media_type_of(path),
                size_bytes=size_bytes,
                sha256=bytes.fromhex(sha256),
                parent_id=None,
                role=None,
                ordinal=None,
                instant_seconds=None,
                created_at=at,
                stored_at=at,
                expires_at=None,
                expiry_explicit=False,
                min_retain_until=None,
            )


class _Reader:
    """The content of a tar's entry as a file to read from."""

    def __init__(self, entry: TarEntry) -> None:
        self._chunks = entry.chunks()
        self._left = b""

    def readinto(self, buffer: memoryview, /) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def read(self, size_bytes: int, /) -> bytes:
        self._left = self._left or next(self._chunks, b"")
        piece, self._left = self._left[:size_bytes], self._left[size_bytes:]
        return piece


def _next(entries: TarReader) -> TarEntry:
    entry = entries.next()
    if entry is None:
        raise ArchiveDamaged("the archive changed while it was read")
    return entry
