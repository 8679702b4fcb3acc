"""Packing a run in one pass, from the store straight into one new object, in a thread."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, Final, cast
from uuid import UUID

from media_analysis.archive.course import Course, Sink, spool
from media_analysis.archive.format.manifest import ManifestFile, ManifestReader
from media_analysis.archive.format.packing import Packer, Source
from media_analysis.archive.format.reading import verify
from media_analysis.archive.found import Found
from media_analysis.archive.planning import Plan
from media_analysis.errors import ObjectMissing

READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
READ_BYTES: Final = 2**20
PathOf = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one media type went in, and how much of the segment it takes."""

    raw_bytes: int
    packed_bytes: int


def pack(plan: Plan, path_of: PathOf, sink: Sink, course: Course) -> dict[str, Share]:
    """Write a segment to `sink` and return what each media type took; blocks.

    Raises:
        ObjectMissing, ArchiveDamaged: an original is gone, or has another size than its row says.
        Stopped: nobody waits for it.

    """
    packer = Packer(plan.compression, plan.folder_name, sink)
    size_bytes = plan.manifest.seek(0, os.SEEK_END)
    plan.manifest.seek(0)
    packer.add_manifest(plan.manifest_name, cast("Source", plan.manifest), size_bytes, modified_at=plan.packed_at)
    plan.manifest.seek(0)
    plan.keys.seek(0)
    for file, key in zip(_files(plan), plan.keys, strict=True):
        with open_object(path_of(key.decode().rstrip("\n")), file.id) as source:
            packer.add_file(file, source)
        course.advance(file.size_bytes)
    packer.finish()
    return {kind: Share(amount.raw_bytes, amount.packed_bytes) for kind, amount in packer.packed.items()}


def prove(path: Path, course: Course) -> IO[bytes]:
    """Open a segment again, decompress all of it and compare it with its manifest; return a line for each file.

    Raises:
        ArchiveDamaged: something differs, is missing or is too much.

    """
    found = spool()
    try:
        with open_object(path, None) as raw, verify(raw, spool=_spool) as segment:
            for file, place, chunks in segment.files():
                for chunk in chunks:
                    course.advance(len(chunk))
                found.write(
                    Found(file.id, file.name, file.size_bytes, file.sha256, place.frame_offset, place.skip_bytes).line()
                )
    except BaseException:
        found.close()
        raise
    return found


def open_object(path: Path, file_id: UUID | None) -> FileIO:
    """Open an object of the store for a thread.

    Raises:
        ObjectMissing: it is not there.

    """
    try:
        return FileIO(os.open(path, READ))
    except FileNotFoundError as error:
        raise ObjectMissing(path.name if file_id is None else str(file_id)) from error


def digest(path: Path, file_id: UUID) -> bytes:
    """Return the SHA-256 of an object; blocks.

    Raises:
        ObjectMissing: it is not there.

    """
    running = hashlib.sha256()
    with open_object(path, file_id) as source:
        while chunk := source.read(READ_BYTES):
            running.update(chunk)
    return running.digest()


def _files(plan: Plan) -> Iterator[ManifestFile]:
    return ManifestReader(cast("BinaryIO", plan.manifest)).files()


def _spool() -> BinaryIO:
    return cast("BinaryIO", spool())
