"""`media-analysis hold`, `release` and `extend`: what keeps files and jobs, from the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, TypeVar
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, out, run
from media_analysis.cli.services import open_services
from media_analysis.errors import InvalidRequest
from media_analysis.units import parse_lifetime

if TYPE_CHECKING:
    from media_analysis.files.expiry import Expiry
    from media_analysis.retention.protection import Hold
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

ACTOR: Final = "command line"
"""No owner can be called that, so what it holds counts as an administrator's."""

Value = TypeVar("Value")
Id = Annotated[UUID, typer.Argument(metavar="ID", help="A file, or with --job a job", show_default=False)]
OfJob = Annotated[bool, typer.Option("--job", help="The id is that of a job, with all its files")]
Until = Annotated[str | None, typer.Option(help="An instant such as 2030-01-31T12:00Z", show_default=False)]
For = Annotated[str | None, typer.Option("--for", help="A span from now, such as 30d or 12h", show_default=False)]


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

    term, why = _term(until, span), checked_reason(reason)

    async def work(runtime: Runtime) -> tuple[Hold, int | None]:
        ends_at = term.at if term.lifetime is None else await runtime.db.now() + term.lifetime
        asked = HoldRequest(actor=ACTOR, reason=why, until=ends_at)
        if job:
            return await runtime.holds.hold_job(target, asked, owner=None)
        return await runtime.holds.hold_file(target, asked, owner=None), None

    held, files = run(_with_runtime(load(config, data_dir).settings, work))
    _say(f"held {target}{_told(files)} {_end(held.ends_at, 'until it is released')}")


def release(
    target: Id,
    *,
    job: OfJob = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Release a file, or a job with all its files; it goes at the next sweep if its time has come."""

    async def work(runtime: Runtime) -> None:
        let_go = runtime.holds.release_job if job else runtime.holds.release_file
        await let_go(target, owner=None, actor=ACTOR)

    run(_with_runtime(load(config, data_dir).settings, work))
    _say(f"released {target}")


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

    async def work(runtime: Runtime) -> tuple[datetime | None, int | None]:
        if job:
            return await runtime.holds.extend_job(target, expiry, owner=None, actor=ACTOR)
        file = await runtime.files.change(target, owner=None, actor=ACTOR, expiry=expiry)
        return file.expires_at, None

    expires_at, files = run(_with_runtime(load(config, data_dir).settings, work))
    _say(f"kept {target}{_told(files)} {_end(expires_at, 'until it is deleted')}")


async def _with_runtime(settings: Settings, work: Callable[[Runtime], Awaitable[Value]]) -> Value:
    async with open_services(settings) as runtime:
        return await work(runtime)


def _term(until: str | None, span: str | None) -> Expiry:
    from media_analysis.files.expiry import Expiry

    if until is not None and span is not None:
        raise InvalidRequest("--for", "excludes --until")
    return Expiry(at=None if until is None else _instant(until), lifetime=None if span is None else _span(span))


def _span(word: str) -> timedelta:
    try:
        span = parse_lifetime(word)
    except ValueError as error:
        raise InvalidRequest("--for", str(error)) from error
    if span is None:
        raise InvalidRequest("--for", "not a span of time")
    return span


# The rules for instants and reasons live with the API's documents, which no other command pays for.


def _instant(word: str) -> datetime:
    from pydantic import TypeAdapter, ValidationError

    from media_analysis.api.schemas.fields import Instant

    try:
        instant: datetime = TypeAdapter(Instant).validate_python(word)
    except ValidationError as error:
        raise InvalidRequest("--until", "must be an instant such as 2030-01-31T12:00Z") from error
    return instant


def checked_reason(text: str) -> str:
    """Return a reason that fits into one line of the audit trail.

    Raises:
        InvalidRequest: it does not.

    """
    from pydantic import TypeAdapter, ValidationError

    from media_analysis.api.schemas.fields import Line

    try:
        reason: str = TypeAdapter(Line).validate_python(text)
    except ValidationError as error:
        raise InvalidRequest("--reason", "1 to 500 printable characters") from error
    return reason


def _told(files: int | None) -> str:
    return "" if files is None else f" and its {files} files"


def _end(instant: datetime | None, without: str) -> str:
    return without if instant is None else f"until {instant:%Y-%m-%d %H:%M:%S} UTC"


def _say(sentence: str) -> None:
    out.print(sentence, soft_wrap=True, highlight=False)
