"""Ids of what a server has: whole, or the beginning or end of one, if it is among the latest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from media_analysis.cli.exits import NOT_THERE, CommandRefused
from media_analysis.cli.ids import MOST_NAMED
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from media_analysis.cli.grammar import IdPart
    from media_analysis.client import Client

LATEST: Final = 1_000


class _Named(Protocol):
    @property
    def id(self) -> UUID: ...


def remote_file_id(client: Client, part: IdPart) -> UUID:
    """Return the id of the one file that is meant."""
    return part.whole or _one("file", part, client.files(limit=LATEST))


def remote_job_id(client: Client, part: IdPart) -> UUID:
    """Return the id of the one job that is meant."""
    return part.whole or _one("job", part, client.jobs(limit=LATEST))


def _one(what: str, part: IdPart, latest: Iterable[_Named]) -> UUID:
    fits = [each.id for each in latest if each.id.hex.startswith(part.digits) or each.id.hex.endswith(part.digits)]
    if not fits:
        raise CommandRefused(
            f"no {what} of the latest {LATEST:,} has an id that begins or ends with {part.text}", NOT_THERE
        )
    if len(fits) > 1:
        named = ", ".join(map(str, fits[:MOST_NAMED])) + (", and more" if len(fits) > MOST_NAMED else "")
        raise InvalidRequest("ID", f"{part.text} is the beginning or end of more than one {what}: {named}")
    return fits[0]
