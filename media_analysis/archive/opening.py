"""A file inside an archive, opened where it lies."""

from collections.abc import AsyncIterator
from contextlib import closing

from media_analysis.archive.progress import TaskProgress
from media_analysis.archive.unpacking import Copy, Opened
from media_analysis.files.archived import ArchivedFile


class OpenCopy:
    """A file inside an archive, read from its frame on; `read` lets go of it at the end."""

    def __init__(self, file: ArchivedFile, copy: Copy, opened: Opened) -> None:
        self.file = file
        self.size_bytes = file.size_bytes
        self._copy = copy
        self._opened = opened

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to, not including, `end`; what comes before is decompressed and dropped.

        The last of them come only when the hash of all has proven right.

        Raises:
            ArchiveDamaged: the archive holds something else.

        """
        progress, position = TaskProgress(), 0
        with closing(self._opened):
            chunks = await progress.run(lambda: self._opened.read(self._copy))
            while position < end and (chunk := await progress.run(lambda: next(chunks, None))) is not None:
                wanted = chunk[max(0, start - position) : max(0, end - position)]
                position += len(chunk)
                if position == self.size_bytes:
                    await progress.run(lambda: next(chunks, None))
                if wanted:
                    yield wanted

    regions = read

    async def close(self) -> None:
        self._opened.close()
