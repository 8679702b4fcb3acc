"""`media-analysis hold`, `release` and `extend`: what keeps files and jobs, from the command line."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, run, say
from media_analysis.cli.grammar import IdPart, parse_instant, parse_reason, parse_span
from media_analysis.cli.ids import file_id, id_argument, job_id
from media_analysis.cli.services import ACTOR, with_services
from media_analysis.errors import InvalidRequest
from media_analysis.units import format_instant

if TYPE_CHECKING:
    from media_analysis.files.expiry import Expiry
    from media_analysis.files.protection import Hold
    from media_analysis.runtime import Runtime

"""No owner can be called that, so what it holds counts as an administrator's."""

Id = Annotated[IdPart, id_argument("A file, or with --job a job")]
OfJob = Annotated[bool, typer.Option("--job", help="The id is that of a job, with all its files")]
Until = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="A day such as 2030-01-31, or an instant in UTC", show_default=False),
]
For = Annotated[
    str | None, typer.Option("--for", metavar="SPAN", help="A span from now, such as 30d or 12h", show_default=False)
]


def hold(
    target: Id,
    *,
    reason: Annotated[str, typer.Option(help="Why it must stay")],
    until: Until = None,
    span: For = None,
    job: OfJob = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Keep a file, or a job with all its files, from being deleted: until an end, or until it is released."""
    from media_analysis.retention.holds import HoldRequest

    term, why = _term(until, span), parse_reason(reason)

    async def work(runtime: Runtime) -> tuple[UUID, Hold, int | None]:
        held_id = await _meant(runtime, target, job=job)
        ends_at = term.at if term.lifetime is None else await runtime.db.now() + term.lifetime
        asked = HoldRequest(actor=ACTOR, reason=why, until=ends_at)
        if job:
            return held_id, *(await runtime.retention.holds.hold_job(held_id, asked, owner=None))
        return held_id, await runtime.retention.holds.hold_file(held_id, asked, owner=None), None

    held_id, held, files = run(with_services(load(config, data_dir).settings, work))
    say(f"held {held_id}{_told(files)} {_end(held.ends_at, 'until it is released')}")


def release(
    target: Id,
    *,
    job: OfJob = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Release a file, or a job with all its files; it goes at the next sweep if its time has come."""

    async def work(runtime: Runtime) -> UUID:
        held_id = await _meant(runtime, target, job=job)
        let_go = runtime.retention.holds.release_job if job else runtime.retention.holds.release_file
        await let_go(held_id, owner=None, actor=ACTOR)
        return held_id

    say(f"released {run(with_services(load(config, data_dir).settings, work))}")


def extend(
    target: Id,
    *,
    until: Until = None,
    span: For = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep it until somebody deletes it")] = False,
    job: OfJob = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Set when a file, or a job with all its living files, ends."""
    from media_analysis.files.expiry import Expiry

    expiry = _term(until, span)
    if forever == (expiry != Expiry()):
        raise InvalidRequest("--forever", "give one of --until, --for and --forever")

    async def work(runtime: Runtime) -> tuple[UUID, datetime | None, int | None]:
        if expiry.at is not None and expiry.at <= await runtime.db.now():
            raise InvalidRequest("--until", f"{format_instant(expiry.at)} is over; what is kept ends in the future")
        kept_id = await _meant(runtime, target, job=job)
        if job:
            return kept_id, *(await runtime.retention.holds.extend_job(kept_id, expiry, owner=None, actor=ACTOR))
        file = await runtime.files.catalog.change(kept_id, owner=None, actor=ACTOR, expiry=expiry)
        return kept_id, file.expires_at, None

    kept_id, expires_at, files = run(with_services(load(config, data_dir).settings, work))
    say(f"kept {kept_id}{_told(files)} {_end(expires_at, 'until it is deleted')}")


async def _meant(runtime: Runtime, target: IdPart, *, job: bool) -> UUID:
    return await (job_id if job else file_id)(runtime, target)


def _term(until: str | None, span: str | None) -> Expiry:
    from media_analysis.files.expiry import Expiry

    if until is not None and span is not None:
        raise InvalidRequest("--for", "excludes --until")
    return Expiry(
        at=None if until is None else parse_instant("--until", until, ends=True),
        lifetime=None if span is None else parse_span("--for", span),
    )


def _told(files: int | None) -> str:
    return "" if files is None else f" and its {files} files"


def _end(instant: datetime | None, without: str) -> str:
    return without if instant is None else f"until {format_instant(instant)}"
