"""Ids on the command line: whole, or their beginning or end where only one is meant."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol
from uuid import UUID

import typer

from media_analysis.cli.grammar import IdPart, parse_id
from media_analysis.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime

MOST_NAMED: Final = 5
"""So many candidates are named where more than one is meant."""


def id_argument(what: str) -> Any:
    """Return an argument that takes an id of something."""
    text = f"{what}: its id, or the beginning or end of it"
    return typer.Argument(metavar="ID", help=text, parser=parse_id, show_default=False)


def id_option(name: str, what: str) -> Any:
    """Return an option that takes an id of something."""
    return typer.Option(name, metavar="ID", help=what, parser=parse_id, show_default=False)


JobId = Annotated[IdPart, id_argument("The job")]


class UnknownId(NotFound):
    """Nothing begins or ends so."""

    code = "id_unknown"

    def __init__(self, what: str, part: IdPart) -> None:
        super().__init__(f"no {what} has an id that begins or ends with {part.text}")


class _Find(Protocol):
    def __call__(self, digits: str, *, limit: int) -> Awaitable[Sequence[UUID]]: ...


async def job_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one job that is meant."""
    return await _one("job", part, runtime.jobs.catalog.find)


async def job_ids(runtime: Runtime, parts: Sequence[IdPart]) -> Sequence[UUID]:
    """Return the ids of the jobs that are meant, each once."""
    return list(dict.fromkeys([await job_id(runtime, part) for part in parts]))


async def file_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one file that is meant, be it gone."""
    return await _one("file", part, runtime.files.catalog.find)


async def plan_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one plan that is meant."""
    return await _one("plan", part, runtime.retention.plans.find)


async def pause_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one pause that is meant."""
    return await _one("pause", part, runtime.deletion.pauses.find)


async def sweep_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one sweep that is meant."""
    return await _one("sweep", part, runtime.retention.trash.find_sweeps)


async def session_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one session that is meant."""
    return await _one("session", part, runtime.sessions.find)


async def purge_id(runtime: Runtime, part: IdPart) -> UUID:
    """Return the id of the one outbox entry that is meant."""
    from media_analysis.deletion.dead_letters import DeadLetterService

    return await _one("purge", part, DeadLetterService(runtime.db).find)


async def _one(what: str, part: IdPart, find: _Find) -> UUID:
    if part.whole is not None:
        return part.whole
    found = await find(part.digits, limit=MOST_NAMED + 1)
    if not found:
        raise UnknownId(what, part)
    if len(found) > 1:
        named = ", ".join(map(str, found[:MOST_NAMED]))
        more = ", and more" if len(found) > MOST_NAMED else ""
        raise InvalidRequest("ID", f"{part.text} is the beginning or end of more than one {what}: {named}{more}")
    return found[0]
