"""A move with both of its places open, and what their markers say on its way."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from media_analysis.db.database import Database
from media_analysis.errors import MarkerMismatch
from media_analysis.integrity.inspection import ReadThrottle
from media_analysis.moves.models import StoreMove
from media_analysis.moves.passes import MovePass, MoveReport
from media_analysis.moves.places import OpenPlace, open_place, parse_place
from media_analysis.settings import Settings
from media_analysis.storage.marker import Marker, Purpose
from media_analysis.storage.sites import Site


def _tell_nobody(_: MoveReport) -> None:
    return


@dataclass(frozen=True)
class MoveContext:
    """What everything about moves is done with: one run at a time, for whoever has it holds the lock of moves."""

    db: Database
    settings: Settings
    instance_id: UUID
    actor: str
    throttle: ReadThrottle = field(default_factory=lambda: ReadThrottle(None))
    tell: Callable[[MoveReport], None] = _tell_nobody

    @asynccontextmanager
    async def open_move(self, move: StoreMove) -> AsyncIterator["OpenMove"]:
        """Open both places of a move; raises as `open_place`."""
        async with AsyncExitStack() as stack:
            source, target = [
                await stack.enter_async_context(open_place(parse_place(url), self.instance_id, self.settings))
                for url in (move.source, move.target)
            ]
            yield OpenMove(self, move, source, target, self.settings.sites.main)


@dataclass(frozen=True)
class OpenMove:
    """A move, and its places."""

    context: MoveContext
    move: StoreMove
    source: OpenPlace
    target: OpenPlace
    main: Site
    """Where the settings have the store."""

    @property
    def part(self) -> Purpose:
        return Purpose(self.move.part)

    @property
    def parts_archives(self) -> bool:
        """Whether archives leave a place that stays the store."""
        return self.part is Purpose.ARCHIVES and self.source.site == self.main

    @property
    def joins_archives(self) -> bool:
        """Whether archives go back into the store."""
        return self.part is Purpose.ARCHIVES and self.target.site == self.main

    def begin_pass(self) -> MovePass:
        """Return a pass over all there is to move; what was set aside stays with what stays."""
        return MovePass(
            self.context.db,
            self.move,
            self.source,
            self.target,
            self.context.throttle,
            self.context.tell,
            moves_quarantine=not self.parts_archives,
        )

    async def fill_target(self) -> None:
        """Let nobody serve from the target before it has all there is.

        Raises:
            MoveRefused: something lies there, and nobody knows what.

        """
        if await self.target.marker() is None:
            await self.target.require_unused()
        archives_at = self.move.source if self.joins_archives else None
        filling = Marker(self.context.instance_id, is_filling=not self.joins_archives, archives_at=archives_at)
        await self.target.mark(filling)

    async def close_source(self) -> None:
        """Let nobody serve from the source any more what is moved."""
        await self.source.mark(self._with_target(await self.require_marker(), self.move.target))

    async def reopen_source(self) -> None:
        """Let the source be served from again."""
        await self.source.mark(self._with_target(await self.require_marker(), None))

    def _with_target(self, marker: Marker, url: str | None) -> Marker:
        return replace(marker, archives_at=url) if self.parts_archives else replace(marker, moved_to=url)

    async def open_target(self) -> None:
        """Let the target be served from."""
        archives_at = None if self.part is Purpose.ARCHIVES else (await self.require_marker()).archives_at
        await self.target.mark(Marker(self.context.instance_id, archives_at=archives_at))

    async def require_marker(self) -> Marker:
        """Return what the source says of itself.

        Raises:
            MarkerMismatch: it is not this database's.

        """
        return await require_own(self.source, self.context.instance_id)


async def require_own(place: OpenPlace, instance_id: UUID) -> Marker:
    """Return what a place says of itself.

    Raises:
        MarkerMismatch: it is not this database's.

    """
    marker = await place.marker()
    if marker is None or marker.instance_id != instance_id:
        raise MarkerMismatch(f"{place.url} does not carry its marker")
    return marker
