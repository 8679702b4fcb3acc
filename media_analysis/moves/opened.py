"""A move with both of its places open, and what their markers say on its way."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from media_analysis.db.database import Database
from media_analysis.errors import MarkerMismatch
from media_analysis.errors.moves import MoveRefused
from media_analysis.integrity.inspection import ReadThrottle
from media_analysis.moves import statements
from media_analysis.moves.lock import RunLock
from media_analysis.moves.models import StoreMove
from media_analysis.moves.passes import MovePass, MoveReport
from media_analysis.moves.places import OpenPlace, open_place, parse_place, site_of
from media_analysis.settings import Settings
from media_analysis.storage.marker import Marker, Purpose


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
    lock: RunLock | None = None
    """None where nobody else can be at work, or nothing is done."""

    async def require_alone(self) -> None:
        """Fail where another run may be at work by now; raises as `RunLock.require`."""
        if self.lock is not None:
            await self.lock.require()

    @asynccontextmanager
    async def open_move(self, move: StoreMove) -> AsyncIterator["OpenMove"]:
        """Open both places of a move; raises as `open_place`."""
        async with AsyncExitStack() as stack:
            source, target = [
                await stack.enter_async_context(open_place(parse_place(url), self.instance_id, self.settings))
                for url in (move.source, move.target)
            ]
            yield OpenMove(self, move, source, target)

    def names_a_place_of(self, move: StoreMove) -> bool:
        """Say whether the settings have the store, or what of it is moved, where a move begins or ends."""
        return site_of(self.settings, Purpose(move.part)) in {parse_place(move.source), parse_place(move.target)}

    def require_named(self, move: StoreMove) -> None:
        """Fail where the store is at neither place of a move: what came since lies in none of them.

        Raises:
            MoveRefused: it is not.

        """
        if not self.names_a_place_of(move):
            raise MoveRefused(
                f"a move from {move.source} to {move.target} is under way, and the settings name neither: give it "
                "up by media-analysis store cancel, or correct the settings"
            )

    def parts_archives(self, move: StoreMove) -> bool:
        """Whether archives leave a place that stays the store."""
        return move.part == Purpose.ARCHIVES and parse_place(move.source) == self.settings.sites.main

    async def require_source(self, move: StoreMove) -> None:
        """Fail unless the source is there, and this database's; raises as `open_place` and `require_own`."""
        async with open_place(parse_place(move.source), self.instance_id, self.settings) as source:
            await require_own(source, self.instance_id)

    async def reopen_source(self, move: StoreMove) -> bool:
        """Let the source be served from again; return whether it was closed, raises as `open_place` and `require_own`.

        What it says of itself decides: the settings may have the store somewhere else by now.
        """
        async with open_place(parse_place(move.source), self.instance_id, self.settings) as source:
            marker = await require_own(source, self.instance_id)
            if move.target not in {marker.moved_to, marker.archives_at}:
                return False
            moved_to, archives_at = (None if at == move.target else at for at in (marker.moved_to, marker.archives_at))
            await source.mark(replace(marker, moved_to=moved_to, archives_at=archives_at))
        return True


@dataclass(frozen=True)
class OpenMove:
    """A move, and its places."""

    context: MoveContext
    move: StoreMove
    source: OpenPlace
    target: OpenPlace

    @property
    def part(self) -> Purpose:
        return Purpose(self.move.part)

    @property
    def joins_archives(self) -> bool:
        """Whether archives go back into the store."""
        return self.part is Purpose.ARCHIVES and self.target.site == self.context.settings.sites.main

    def begin_pass(self) -> MovePass:
        """Return a pass over all there is to move; what was set aside stays with what stays."""
        return MovePass(
            self.context.db,
            self.move,
            self.source,
            self.target,
            self.context.throttle,
            self.context.tell,
            self.context.require_alone,
            moves_quarantine=not self.context.parts_archives(self.move),
        )

    async def fill_target(self) -> None:
        """Let nobody serve from the target before it has all there is.

        Raises:
            MoveRefused: something lies there, and nobody knows what.
            MarkerMismatch: it is another database's, or not where this move copied to.

        """
        if await self.target.marker() is None and not await self._has_copied():
            await self.target.require_unused()
        else:
            await self.require_target()
        archives_at = self.move.source if self.joins_archives else None
        filling = Marker(self.context.instance_id, is_filling=not self.joins_archives, archives_at=archives_at)
        await self.target.mark(filling)

    async def close_source(self) -> None:
        """Let nobody serve from the source any more what is moved."""
        marker, url = await self.require_marker(), self.move.target
        parts = self.context.parts_archives(self.move)
        await self.source.mark(replace(marker, archives_at=url) if parts else replace(marker, moved_to=url))

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

    async def require_target(self) -> None:
        """Fail unless the target carries the marker it was given: an empty directory may be where its volume was.

        Raises:
            MarkerMismatch: it does not.

        """
        await require_own(self.target, self.context.instance_id)

    async def _has_copied(self) -> bool:
        async with self.context.db.read_only() as session:
            return (await statements.sum_copied(session, self.move)).files > 0


async def require_own(place: OpenPlace, instance_id: UUID) -> Marker:
    """Return what a place says of itself.

    Raises:
        MarkerMismatch: it is not this database's.

    """
    marker = await place.marker()
    if marker is None or marker.instance_id != instance_id:
        raise MarkerMismatch(f"{place.url} does not carry this database's marker; is its volume mounted?")
    return marker
