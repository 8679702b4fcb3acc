"""`media-analysis archive download`: an archive, or one file in it, written whole or continued where it broke off."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, report, run
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import JobId, file_id, id_option, job_id
from media_analysis.cli.progress import Bytes, bar_of_bytes
from media_analysis.cli.services import open_services
from media_analysis.errors import ArchiveDamaged, InvalidRequest
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

STDOUT: Final = Path("-")


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadSource:
    """What is to be written, from its first byte to its last."""

    filename: str
    size_bytes: int
    sha256: bytes | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadRequest:
    """What somebody wants, and where."""

    job: IdPart
    segment: int | None
    member: IdPart | None
    output: Path | None
    force: bool


def download(
    job: JobId,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output", show_default=False),
    ] = None,
    segment: Annotated[
        int | None, typer.Option(min=0, help="A later segment, by its number", show_default=False)
    ] = None,
    member: Annotated[IdPart | None, id_option("--member", "Only this file of it")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Write an archive, or one file of it, to disk under its own name; what was broken off goes on where it was.

    Until its last byte is synced it is called FILE.part.
    """
    if segment is not None and member is not None:
        raise InvalidRequest("--segment", "a file is found wherever it is; leave it out with --member")
    order = DownloadRequest(job=job, segment=segment, member=member, output=output, force=force)
    run(_download(load(config, data_dir).settings, order))


async def _download(settings: Settings, order: DownloadRequest) -> None:
    async with open_services(settings) as runtime:
        order_id = await job_id(runtime, order.job)
        source = await _open(runtime, order_id, order)
        if order.output == STDOUT:
            await write_stream(source.chunks, sys.stdout.buffer)
            return
        target = DownloadTarget(_path(order.output, source.filename), force=order.force)

        async def look() -> Bytes:
            return Bytes(target.done_bytes, source.size_bytes)

        async with bar_of_bytes(source.filename, look):
            written = await target.write(source.chunks, sha256=source.sha256)
        report(_sentence(target.path, written))
        if order.segment is None and order.member is None:
            await _tell_of_others(runtime, order_id)


async def _open(runtime: Runtime, job: UUID, order: DownloadRequest) -> DownloadSource:
    catalog = runtime.archives.catalog
    if order.member is None:
        segment, reader = await catalog.open_segment(job, owner=None, segment=order.segment)
        return DownloadSource(
            filename=PurePosixPath(segment.filename).name,
            size_bytes=reader.size_bytes,
            sha256=segment.sha256,
            chunks=reader.read(0, reader.size_bytes),
        )
    opened = await catalog.open_file(job, await file_id(runtime, order.member), owner=None)
    return DownloadSource(
        filename=PurePosixPath(opened.file.name).name,  # the member's, which is safe whatever the file was called
        size_bytes=opened.size_bytes,
        sha256=opened.file.sha256,
        chunks=opened.read(0, opened.size_bytes),
    )


def _path(output: Path | None, filename: str) -> Path:
    if output is None:
        return Path(filename)
    return output / filename if output.is_dir() else output


def _sentence(path: Path, written: Written) -> str:
    kept = f", {round_size(written.kept_bytes)} of them from before" if written.kept_bytes else ""
    return f"wrote {path}, {round_size(written.size_bytes)}{kept}"


async def _tell_of_others(runtime: Runtime, job: UUID) -> None:
    archive = await runtime.archives.catalog.read(job, owner=None, after=None, limit=1)
    others = [segment.ordinal for segment in archive.run.segments[1:]]
    if others:
        told = ", ".join(f"--segment {number}" for number in others)
        report(f"the archive has {len(others)} more: {told}")


@dataclass(frozen=True, slots=True)
class Written:
    """How much was written, and how much of it was there from before."""

    size_bytes: int
    kept_bytes: int


class DownloadTarget:
    """A file to be, called `.part` till it is whole and synced."""

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path = path
        self.done_bytes = 0
        self._force = force
        self._part = path.with_name(path.name + ".part")

    async def write(self, chunks: AsyncIterator[bytes], *, sha256: bytes | None) -> Written:
        """Write all chunks; those an earlier attempt left are compared with them and kept as far as they agree.

        Raises:
            InvalidRequest: a file is there, another attempt is under way, or the place cannot be written to.
            ArchiveDamaged: the bytes have another SHA-256; nothing is left of them.

        """
        import asyncio

        self._require_free()
        with _told_in_words(self.path), self._opened() as part:
            written = await self._fill(part, chunks, sha256)
            self._require_free()
            await asyncio.to_thread(self._settle, part)
        return written

    def _require_free(self) -> None:
        if self.path.exists() and not (self._force and self.path.is_file()):
            raise InvalidRequest("--output", f"{self.path} is there already; --force replaces a file")

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "r+b", buffering=0) as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InvalidRequest("--output", f"another download writes {self._part}") from error
            yield part

    async def _fill(self, part: BinaryIO, chunks: AsyncIterator[bytes], sha256: bytes | None) -> Written:
        import asyncio

        running, kept_bytes, agrees = hashlib.sha256(), 0, True
        async for chunk in chunks:
            running.update(chunk)
            if agrees:
                agrees = await asyncio.to_thread(_is_next, part, chunk)
                kept_bytes += len(chunk) if agrees else 0
            if not agrees:
                await asyncio.to_thread(_overwrite, part, chunk, self.done_bytes)
            self.done_bytes += len(chunk)
        if sha256 not in {None, running.digest()}:
            self._part.unlink()
            raise ArchiveDamaged("the archive's bytes are not those that were stored")
        part.truncate(self.done_bytes)
        return Written(self.done_bytes, kept_bytes)

    def _settle(self, part: BinaryIO) -> None:
        os.fsync(part.fileno())
        self._part.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


async def write_stream(chunks: AsyncIterator[bytes], stream: BinaryIO) -> None:
    """Write all chunks to a pipe; a reader that goes ends the command."""
    import asyncio

    try:
        async for chunk in chunks:
            await asyncio.to_thread(stream.write, chunk)
        await asyncio.to_thread(stream.flush)
    except BrokenPipeError:
        with suppress(OSError):  # or the interpreter would flush it once more, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise typer.Exit(1) from None
    finally:
        if isinstance(chunks, AsyncGenerator):  # or the loop would end before it has closed its file
            await chunks.aclose()


def _is_next(part: BinaryIO, chunk: bytes) -> bool:
    return part.read(len(chunk)) == chunk


def _overwrite(part: BinaryIO, chunk: bytes, offset: int) -> None:
    left, position = memoryview(chunk), offset
    while left:
        count = os.pwrite(part.fileno(), left, position)
        left, position = left[count:], position + count


@contextmanager
def _told_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequest("--output", f"{path} cannot be written: {error.strerror}") from error
