"""`media-analysis archive download`: an archive, or one file in it, as a file of the caller's own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from media_analysis.cli.archive_target import DownloadTarget, Written, write_stream
from media_analysis.cli.console import ConfigFile, DataDir, load, report, run
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import JobId, file_id, id_option, job_id
from media_analysis.cli.progress import Bytes, bar_of_bytes
from media_analysis.cli.services import open_services
from media_analysis.errors import InvalidRequest
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
