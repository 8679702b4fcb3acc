"""Packing a run in one pass, from the store straight into one new object, in a thread."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, Final, cast
from uuid import UUID

from media_analysis.archive.format.manifest import ManifestFile, ManifestReader
from media_analysis.archive.format.packing import MemberSource, Packer
from media_analysis.archive.format.reading import verify
from media_analysis.archive.found import Found
from media_analysis.archive.planning import SegmentPlan
from media_analysis.archive.progress import Sink, TaskProgress, spool
from media_analysis.errors import ArchiveDamaged, ObjectDamaged
from media_analysis.storage.opening import open_object

READ_BYTES: Final = 2**20
PathOf = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one media type went in, and how much of the segment it takes."""

    raw_bytes: int
    packed_bytes: int


def pack(plan: SegmentPlan, path_of: PathOf, sink: Sink, progress: TaskProgress) -> dict[str, Share]:
    """Write a segment to `sink` and return what each media type took; blocks.

    Raises:
        ObjectMissing, ObjectDamaged, ArchiveDamaged: an original is gone, or is not what its row says.
        Stopped: nobody waits for it.

    """
    packer = Packer(plan.compression, plan.folder_name, sink)
    size_bytes = plan.manifest.seek(0, os.SEEK_END)
    plan.manifest.seek(0)
    packer.add_manifest(plan.manifest_name, cast("MemberSource", plan.manifest), size_bytes, modified_at=plan.packed_at)
    plan.manifest.seek(0)
    plan.keys.seek(0)
    for file, key in zip(_files(plan), plan.keys, strict=True):
        path = path_of(key.decode().rstrip("\n"))
        with FileIO(open_object(path, str(file.id), size_bytes=file.size_bytes)) as source:
            packer.add_file(file, source)
        progress.advance(file.size_bytes)
    packer.finish()
    return {kind: Share(amount.raw_bytes, amount.packed_bytes) for kind, amount in packer.packed.items()}


def prove(path: Path, progress: TaskProgress, *, size_bytes: int | None) -> IO[bytes]:
    """Open a segment again, decompress all of it and compare it with its manifest; return a line for each file.

    `size_bytes` is what its row says.

    Raises:
        ArchiveDamaged: something differs, is missing or is too much.

    """
    found = spool()
    try:
        with open_segment(path, size_bytes=size_bytes) as raw, verify(raw, spool=_spool) as segment:
            for file, place, chunks in segment.files():
                for chunk in chunks:
                    progress.advance(len(chunk))
                found.write(
                    Found(file.id, file.name, file.size_bytes, file.sha256, place.frame_offset, place.skip_bytes).line()
                )
    except BaseException:
        found.close()
        raise
    return found


def open_segment(path: Path, *, size_bytes: int | None = None) -> FileIO:
    """Open an archive for a thread; one that has a row has its `size_bytes`.

    Raises:
        ObjectMissing: it is not there.
        ArchiveDamaged: it is no file, or of another size.

    """
    try:
        return FileIO(open_object(path, path.name, size_bytes=size_bytes))
    except ObjectDamaged as error:
        raise ArchiveDamaged(error.difference) from error


def digest(path: Path, file_id: UUID, *, size_bytes: int) -> bytes:
    """Return the SHA-256 of an object; blocks.

    Raises:
        ObjectMissing, ObjectDamaged: it is not there, or not what its row says.

    """
    running = hashlib.sha256()
    with FileIO(open_object(path, str(file_id), size_bytes=size_bytes)) as source:
        while chunk := source.read(READ_BYTES):
            running.update(chunk)
    return running.digest()


def _files(plan: SegmentPlan) -> Iterator[ManifestFile]:
    return ManifestReader(cast("BinaryIO", plan.manifest)).files()


def _spool() -> BinaryIO:
    return cast("BinaryIO", spool())
