"""Moves a store, or its archives, to another place while it is served."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.errors import MarkerMismatch, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.failpoints import failpoint
from media_analysis.moves import register, statements
from media_analysis.moves.models import StoreMove
from media_analysis.moves.opened import MoveContext, require_own
from media_analysis.moves.passes import MoveReport
from media_analysis.moves.places import (
    OpenPlace,
    make_place,
    open_place,
    parse_place,
    require_apart,
    require_fit,
    site_of,
    url_of,
)
from media_analysis.storage.marker import Purpose
from media_analysis.storage.sites import Site

FEW: Final = 200
"""When a pass copied fewer, the rest is left to the switch."""


@dataclass(frozen=True)
class CancelledMove:
    """A move that was given up."""

    move: StoreMove
    closed_because: str | None = None
    """Why its source could not be opened again; None where that is open."""


@dataclass(frozen=True)
class MoveService:
    """Begins moves, copies, and gives them up."""

    context: MoveContext

    @property
    def db(self) -> Database:
        return self.context.db

    async def copy(self, url: str, *, archives: bool) -> MoveReport:
        """Begin the move to a place, or go on with it, until little is left to copy; the service goes on meanwhile.

        Raises:
            MoveRefused: the place cannot be the store's, or has no room, or another move is under way.
            MarkerMismatch: the place, or the one it moves from, is not this database's.
            StoreUnavailable: a place does not answer, or takes nothing.

        """
        async with self.context.open_move(await self._find_or_begin(url, archives=archives)) as opened:
            await opened.fill_target()
            failpoint("move.marked")
            done = opened.begin_pass()
            while await done.run() >= FEW:
                pass
            return done.report

    async def cancel(self) -> CancelledMove:
        """Give the move under way up: the source stays the store, copies lie in the target until they are deleted.

        The target may be lost by now; so may the source be, where the settings have the store somewhere else. Said
        again once that is back, it opens it.

        The database decides first, and who is killed then says it again: what opened the source before could meet a
        switch that counts.

        Raises:
            MoveRefused: none is under way, and no source of one that was given up is still closed.
            MarkerMismatch, StoreUnavailable: the source cannot be served from again.

        """
        moves = await self.list()
        if not any(move.is_under_way for move in moves):
            return CancelledMove(await self._reopen_given_up(moves))
        move, closed_because = await self.find_under_way(), None
        try:
            await self.context.require_source(move)
        except (MarkerMismatch, StoreUnavailable) as error:
            if self.context.names_a_place_of(move):
                raise  # else it was lost with its disk, and the store is somewhere else by now
            closed_because = str(error)
        await self._note_cancelled(move)
        failpoint("move.cancelled")
        if closed_because is None:
            await self.context.reopen_source(move)
        return CancelledMove(move, closed_because)

    async def _reopen_given_up(self, moves: Sequence[StoreMove]) -> StoreMove:
        """Open a source that was away when its move was given up, unless another move left it since."""
        last = {(move.source, move.part == Purpose.ARCHIVES): move for move in reversed(moves)}
        for move in last.values():
            if move.cancelled_at is not None:
                with suppress(MarkerMismatch, StoreUnavailable):
                    if await self.context.reopen_source(move):
                        return move
        raise none_under_way(moves)

    @retried
    async def _note_cancelled(self, move: StoreMove) -> None:
        async with self.db.transaction() as session:
            await register.end_move(session, move.id, "cancelled_at")
            await add_events(session, [act_of(move, Action.MOVE_CANCELLED, self.context.actor)])

    async def list(self) -> Sequence[StoreMove]:
        """Return all moves, the latest first."""
        async with self.db.read_only() as session:
            return await register.list_moves(session)

    async def find_under_way(self) -> StoreMove:
        """Return the move under way.

        Raises:
            MoveRefused: none is.

        """
        moves = await self.list()
        for move in moves:
            if move.is_under_way:
                return move
        raise none_under_way(moves)

    async def _find_or_begin(self, url: str, *, archives: bool) -> StoreMove:
        settings = self.context.settings
        target, part = parse_place(url), self._part(archives=archives)
        for move in await self.list():
            if move.is_under_way:
                if (move.target, move.part) != (url_of(target), part.value):
                    what = "archives" if move.part == Purpose.ARCHIVES else "the store"
                    raise MoveRefused(f"a move of {what} to {move.target} is under way: end it by switch or cancel")
                self.context.require_named(move)
                return move
        source = site_of(settings, part)
        if not (part is Purpose.ARCHIVES and target == settings.sites.main != source):
            require_apart(target, settings)
        return await self._begin(source, target, part)

    def _part(self, *, archives: bool) -> Purpose:
        if archives:
            return Purpose.ARCHIVES
        return Purpose.EVERYTHING if self.context.settings.sites.archives is None else Purpose.WITHOUT_ARCHIVES

    async def _begin(self, source: Site, target: Site, part: Purpose) -> StoreMove:
        context = self.context
        move = StoreMove(id=uuid7(), part=part.value, source=url_of(source), target=url_of(target))
        earlier = [one for one in await self.list() if one.emptied_at is None and one.left == move.target]
        if any(one.part != move.part for one in earlier):
            raise MoveRefused(f"{move.target} holds what another part of the store left there: delete that first")
        await make_place(target, context.settings)
        async with (
            open_place(source, context.instance_id, context.settings) as old,
            open_place(target, context.instance_id, context.settings) as new,
        ):
            is_main = part is Purpose.ARCHIVES and source == context.settings.sites.main
            serves = Purpose.EVERYTHING if is_main else part
            marker = await require_own(old, context.instance_id)
            marker.require(context.instance_id, serves, whose=f"the marker of {old.url}")
            await self._require_usable(new, has_left=bool(earlier))
            async with context.db.read_only() as session:
                to_copy = await statements.sum_to_copy(session, move)
            # What lies there already takes no more room; it is not known how much of it that is.
            await require_fit(new, context.settings, 0 if earlier else to_copy.size_bytes)
        await self._note_begun(move, [one.id for one in earlier])
        failpoint("move.begun")
        return move

    @retried
    async def _note_begun(self, move: StoreMove, earlier: Sequence[UUID]) -> None:
        async with self.db.transaction() as session:
            await register.add_move(session, move)
            await register.take_over(session, move, earlier)
            await add_events(session, [act_of(move, Action.MOVE_STARTED, self.context.actor)])

    async def _require_usable(self, target: OpenPlace, *, has_left: bool) -> None:
        marker = await target.marker()
        if marker is None:
            await target.require_unused()
        elif marker.instance_id != self.context.instance_id:
            raise MoveRefused(f"{target.url} is the store of another database")
        elif has_left or target.site == self.context.settings.sites.main:
            return
        elif marker.is_filling or marker.moved_to is not None:
            await target.require_emptied()
        else:
            raise MoveRefused(f"{target.url} is marked as a store of this database, and no move knows it")


def none_under_way(moves: Sequence[StoreMove]) -> MoveRefused:
    """Return what to say to whoever wants to end a move; it may be over, and they did not hear so."""
    if not moves or (switched_at := moves[0].switched_at) is None:
        return MoveRefused("no move is under way")
    what = "archives are" if moves[0].part == Purpose.ARCHIVES else "the store is"
    return MoveRefused(f"no move is under way: {what} at {moves[0].target} since {switched_at:%Y-%m-%d %H:%M} UTC")


def act_of(move: StoreMove, action: Action, actor: str, **counts: int) -> Act:
    """Return what is to be told of a move."""
    about = {"move_id": str(move.id), "part": move.part, "source": move.source, "target": move.target}
    return Act(actor=actor, action=action, details={**about, **counts})
