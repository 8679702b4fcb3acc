"""`media-analysis archive verify`: read archives to their last byte and hold them against what they should be."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal, cast
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, complain, load, out, run, say
from media_analysis.cli.grammar import IdPart, parse_id
from media_analysis.cli.ids import job_ids
from media_analysis.cli.progress import Bytes, bar_of_bytes
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import tabulate
from media_analysis.errors import ArchiveDamaged, InvalidRequest, MediaAnalysisError, ObjectMissing, Unavailable

if TYPE_CHECKING:
    from media_analysis.archive.progress import TaskProgress
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

PAGE: Final = 500
Standing = Literal["whole", "damaged", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveFinding:
    """What an archive was found to be."""

    archive: str
    standing: Standing
    files: int = 0
    reason: str | None = None
    member: str | None = None


def archive_verify(
    jobs: Annotated[
        list[IdPart] | None, typer.Argument(metavar="[ID]...", help="The runs", parser=parse_id, show_default=False)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every archived run")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="An archive on disk, by its own manifest", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Decompress and compare all of an archive; exit code 1 when one is not whole."""
    named = jobs or ()
    if sum((bool(named), every, file is not None)) != 1:
        raise InvalidRequest("archive verify", "give runs, --all or --file, one of them")
    settings = load(config, data_dir).settings
    findings = run(_verify(settings, named)) if file is None else [run(_verify_file(file))]
    _print(findings, as_json=as_json)
    if any(finding.standing != "whole" for finding in findings):
        raise typer.Exit(1)


async def _verify(settings: Settings, named: Sequence[IdPart]) -> list[ArchiveFinding]:
    from media_analysis.archive.progress import TaskProgress
    from media_analysis.archive.watching import TaskWatch

    async with open_services(settings) as runtime:
        ids = await job_ids(runtime, named) or [job_id async for job_id in _archived(runtime)]
        held = await TaskWatch(runtime.db).sum_held(ids)
        total, progress = sum(each.size_bytes for each in held.values()), TaskProgress()

        async def look() -> Bytes:
            return Bytes(progress.done_bytes, total)

        async with bar_of_bytes("verifying", look):
            return [await _finding(runtime, job_id, progress) for job_id in ids]


async def _archived(runtime: Runtime) -> AsyncIterator[UUID]:
    from media_analysis.archive.catalog import ArchivedFilter

    after = None
    while True:
        page = await runtime.archives.catalog.list(ArchivedFilter(), after=after, limit=PAGE)
        for archived in page.jobs:
            yield archived.job.id
        if page.next_after is None:
            return
        after = page.next_after


async def _finding(runtime: Runtime, job_id: UUID, progress: TaskProgress) -> ArchiveFinding:
    try:
        files = await runtime.archives.catalog.verify(job_id, owner=None, progress=progress)
    except ArchiveDamaged as error:
        return _damaged(str(job_id), error)
    except ObjectMissing as error:
        return ArchiveFinding(archive=str(job_id), standing="damaged", reason=str(error))
    except Unavailable:
        raise
    except MediaAnalysisError as error:
        return ArchiveFinding(archive=str(job_id), standing="unknown", reason=str(error))
    return ArchiveFinding(archive=str(job_id), standing="whole", files=files)


async def _verify_file(path: Path) -> ArchiveFinding:
    from media_analysis.archive.progress import TaskProgress

    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        raise InvalidRequest("--file", f"{path} cannot be read: {error.strerror}") from error
    progress = TaskProgress()

    async def look() -> Bytes:
        return Bytes(progress.done_bytes, progress.total_bytes)

    with raw:
        try:
            async with bar_of_bytes("verifying", look):
                files = await progress.run(lambda: _prove(cast("BinaryIO", raw), progress))
        except ArchiveDamaged as error:
            return _damaged(str(path), error)
    return ArchiveFinding(archive=str(path), standing="whole", files=files)


def _damaged(archive: str, error: ArchiveDamaged) -> ArchiveFinding:
    return ArchiveFinding(archive=archive, standing="damaged", reason=error.reason, member=error.member)


def _prove(raw: BinaryIO, progress: TaskProgress) -> int:
    from media_analysis.archive.format.reading import verify

    files = 0
    with verify(raw, spool=_spool) as archive:
        progress.total_bytes = archive.head.size_bytes
        for _, _, chunks in archive.files():
            files += 1
            for chunk in chunks:
                progress.advance(len(chunk))
    return files


def _spool() -> BinaryIO:
    from media_analysis.archive.progress import SPOOL_BYTES

    return cast("BinaryIO", tempfile.SpooledTemporaryFile(SPOOL_BYTES))


def _print(findings: Sequence[ArchiveFinding], *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps([asdict(finding) for finding in findings]))
        return
    whole = [finding for finding in findings if finding.standing == "whole"]
    if whole:
        tabulate(("archive", "files"), [(finding.archive, finding.files) for finding in whole])
    for finding in findings:
        if finding.standing != "whole":
            what = " is damaged" if finding.standing == "damaged" else ""
            member = "" if finding.member is None else f"{finding.member}: "
            complain(f"{finding.archive}{what}: {member}{finding.reason}")
    say(f"{len(whole)} of {len(findings)} archives are whole")
