"""Copying files out of a segment, in a thread: what the archive holds must be what our rows say, file by file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any, BinaryIO, Final, NamedTuple, cast
from uuid import UUID

from media_analysis.archive.format.compression import detect
from media_analysis.archive.format.reading import read_member, verify
from media_analysis.archive.packing import OpenFile
from media_analysis.archive.progress import TaskProgress, spool
from media_analysis.errors import ArchiveDamaged
from media_analysis.storage.category import Category

HEAD_BYTES: Final = 16


COPIES: Final = """
    SELECT copy.file_id, copy.job_id, copy.owner, copy.name, copy.category, copy.filename, copy.media_type,
        copy.size_bytes, copy.sha256, copy.parent_id, copy.frame_offset, copy.skip_bytes, job.folder_name,
        EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id) AS lives
    FROM archived_files AS copy JOIN analysis_jobs AS job ON job.id = copy.job_id
"""
"""The head of a query whose rows are `Copy`."""


class Copy(NamedTuple):
    """What our rows know of a file in a segment, and whether the file itself lives."""

    file_id: UUID
    job_id: UUID
    owner: str
    name: str
    category: Category
    filename: str
    media_type: str
    size_bytes: int
    sha256: bytes
    parent_id: UUID | None
    frame_offset: int
    skip_bytes: int
    folder_name: str
    lives: bool


Take = Callable[[bytes], object]
CopyWindow = Callable[[Sequence[Copy], Mapping[UUID, Take], TaskProgress], None]


class Opened:
    """A segment opened for reading; every method blocks and is called in a thread, one at a time."""

    def __init__(self, opened: OpenFile) -> None:
        self._raw = opened()
        self._opened = ExitStack()
        self._opened.push(self._raw)

    def close(self) -> None:
        self._opened.close()

    def copy_next(self, window: Sequence[Copy], sinks: Mapping[UUID, Take], progress: TaskProgress) -> None:
        """Copy the next files, which must be those of the window, in its order; what has no sink is only checked.

        Raises:
            ArchiveDamaged: the segment holds something else.

        """
        for copy in window:
            found = next(self._files, None)
            if found is None:
                raise ArchiveDamaged("the archive does not hold the file", member=copy.name)
            file, place, chunks = found
            same = (file.id, file.name, file.size_bytes, file.sha256, place.frame_offset, place.skip_bytes)
            if same != (copy.file_id, copy.name, copy.size_bytes, copy.sha256, copy.frame_offset, copy.skip_bytes):
                raise ArchiveDamaged("the archive holds something else than its row says", member=copy.name)
            _pour(chunks, sinks.get(copy.file_id), progress)

    def copy_one(self, window: Sequence[Copy], sinks: Mapping[UUID, Take], progress: TaskProgress) -> None:
        """Copy single files from where they are, without reading the others.

        Raises:
            ArchiveDamaged: something else is there.

        """
        for copy in window:
            _pour(self.read(copy), sinks.get(copy.file_id), progress)

    def read(self, copy: Copy) -> Iterator[bytes]:
        """Return the bytes of one file as they are asked for, checked against its row at their end.

        Raises:
            ArchiveDamaged: something else is there.

        """
        return read_member(
            self._raw,
            self._compression,
            frame_offset=copy.frame_offset,
            skip_bytes=copy.skip_bytes,
            name=f"{copy.folder_name}/{copy.name}",
            size_bytes=copy.size_bytes,
            sha256=copy.sha256,
        )

    def require_end(self) -> None:
        """Return if there is nothing more in the segment.

        Raises:
            ArchiveDamaged: there is.

        """
        if next(self._files, None) is not None:
            raise ArchiveDamaged("the archive holds more than our rows say")

    @cached_property
    def _files(self) -> Iterator[Any]:
        self._raw.seek(0)
        segment = verify(self._raw, spool=lambda: cast("BinaryIO", spool()))
        return self._opened.enter_context(segment).files()

    @cached_property
    def _compression(self) -> Any:
        self._raw.seek(0)
        found = detect(self._raw.read(HEAD_BYTES))
        if found is None:
            raise ArchiveDamaged("the archive is compressed in no way we know")
        return found


def _pour(chunks: Iterator[bytes], sink: Take | None, progress: TaskProgress) -> None:
    for chunk in chunks:
        progress.advance(len(chunk))
        if sink is not None:
            sink(chunk)
