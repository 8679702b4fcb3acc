"""Packing a run in one pass, from the store straight into one new object, in a thread."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from media_analysis.archive.format.manifest import ManifestFile, ManifestReader
from media_analysis.archive.format.packing import MemberSource, Packer
from media_analysis.archive.format.reading import verify
from media_analysis.archive.found import Found
from media_analysis.archive.planning import SegmentPlan
from media_analysis.archive.progress import Sink, TaskProgress, spool
from media_analysis.errors import ArchiveDamaged, ObjectDamaged
from media_analysis.storage.opening import open_object
from media_analysis.storage.store import ObjectStore

READ_BYTES: Final = 2**20
OpenFile = Callable[[], BinaryIO]
"""Opens an archive, wherever it lies, for a thread."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one media type went in, and how much of the segment it takes."""

    raw_bytes: int
    packed_bytes: int


def pack(plan: SegmentPlan, store: ObjectStore, sink: Sink, progress: TaskProgress) -> dict[str, Share]:
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
        with store.open_file(key.decode().rstrip("\n"), size_bytes=file.size_bytes) as source:
            packer.add_file(file, cast("MemberSource", source))
        progress.advance(file.size_bytes)
    packer.finish()
    return {kind: Share(amount.raw_bytes, amount.packed_bytes) for kind, amount in packer.packed.items()}


def prove(opened: OpenFile, progress: TaskProgress) -> IO[bytes]:
    """Open a segment again, decompress all of it and compare it with its manifest; return a line for each file.

    Raises:
        ArchiveDamaged: something differs, is missing or is too much.

    """
    found = spool()
    try:
        with opened() as raw, verify(raw, spool=_spool) as segment:
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


def open_archive(path: Path) -> BinaryIO:
    """Open an archive that somebody else keeps, for a thread.

    Raises:
        ObjectMissing: it is not there.
        ArchiveDamaged: it is no file.

    """
    try:
        return cast("BinaryIO", FileIO(open_object(path, path.name, size_bytes=None)))
    except ObjectDamaged as error:
        raise ArchiveDamaged(error.difference) from error


def segment_of(store: ObjectStore, key: str, *, size_bytes: int | None) -> OpenFile:
    """Return what opens a segment of the store, which has the size its row says.

    It raises:
        ObjectMissing: it is not there.
        ArchiveDamaged: it is no file, or of another size.

    """

    def opened() -> BinaryIO:
        try:
            return store.open_file(key, size_bytes=size_bytes)
        except ObjectDamaged as error:
            raise ArchiveDamaged(error.difference) from error

    return opened


def digest(store: ObjectStore, key: str, *, size_bytes: int) -> bytes:
    """Return the SHA-256 of an object; blocks.

    Raises:
        ObjectMissing, ObjectDamaged: it is not there, or not what its row says.

    """
    running = hashlib.sha256()
    with store.open_file(key, size_bytes=size_bytes) as source:
        while chunk := source.read(READ_BYTES):
            running.update(chunk)
    return running.digest()


def _files(plan: SegmentPlan) -> Iterator[ManifestFile]:
    return ManifestReader(cast("BinaryIO", plan.manifest)).files()


def _spool() -> BinaryIO:
    return cast("BinaryIO", spool())
