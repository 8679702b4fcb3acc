"""Switches from the place a store was moved from to the one it was moved to."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.db.instance import mark_archives_apart
from media_analysis.db.locks import SessionLock
from media_analysis.deletion.unclaimed import TREE, lock_tree
from media_analysis.errors import MarkerMismatch, MediaAnalysisError, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.failpoints import failpoint
from media_analysis.files.damage import mark_damaged
from media_analysis.moves import register, statements
from media_analysis.moves.models import StoreMove
from media_analysis.moves.opened import MoveContext, OpenMove
from media_analysis.moves.passes import MovePass
from media_analysis.moves.places import open_place, parse_place
from media_analysis.moves.service import FEW, MoveService, act_of, none_under_way
from media_analysis.storage.marker import Purpose

JOBS_SECONDS: Final = 10.0
MARGIN_SECONDS: Final = 0.5
"""How much longer is waited for those who read a marker a moment before it was written."""
log = structlog.get_logger()


@dataclass(frozen=True)
class SwitchService:
    """Ends the move under way: first all that takes long, then nobody writes to the source, then the rest."""

    context: MoveContext

    @property
    def db(self) -> Database:
        return self.context.db

    async def switch(self, *, leave_damaged: bool = False, end_uploads: bool = False) -> StoreMove:
        """Copy the rest while nobody writes, and make the target the store.

        From its marker on, whoever serves the source writes and deletes nothing any more. If it is killed, it goes on
        when it is called again, or ends by `MoveService.cancel`; if it fails or is cancelled, they do as before.

        Raises:
            MoveRefused: none is under way, jobs run, uploads are not whole, or some objects could not be copied.
            MarkerMismatch: a place does not carry this database's marker.

        """
        move = await self._find()
        self.context.require_named(move)
        async with self.context.open_move(move) as opened:
            if move.switched_at is None:
                await opened.require_target()
                await self._require_ready(move, end_uploads=end_uploads)
                done = opened.begin_pass()
                while await done.run() >= FEW:
                    pass
                await self._require_whole(move, leave_damaged=leave_damaged)
                await self._end(opened, done, leave_damaged=leave_damaged)
            failpoint("move.settled")
            await opened.open_target()
            failpoint("move.opened")
        return move

    async def _end(self, opened: OpenMove, done: MovePass, *, leave_damaged: bool) -> None:
        """Close the source, and copy the rest; where that cannot be, or is interrupted, open it again.

        It stays closed where nobody knows what the database made of it or whether another run is at work, and where
        this process is killed.
        """
        await self.context.require_alone()
        try:
            await self._copy_rest(opened, done)
        except (Exception, asyncio.CancelledError) as error:
            await self._reopen(opened.move, error)
            raise
        try:
            while not await self._settle(opened, leave_damaged=leave_damaged):
                await done.run()
        except (MoveRefused, MarkerMismatch, StoreUnavailable) as error:
            await self._reopen(opened.move, error)
            raise

    async def _copy_rest(self, opened: OpenMove, done: MovePass) -> None:
        await opened.close_source()
        failpoint("move.closed")
        if opened.source.marked_within_seconds:
            await asyncio.sleep(opened.source.marked_within_seconds + MARGIN_SECONDS)
        await self._await_tree()
        await self._await_jobs(opened.move)
        while await self._leave_unfinished(opened.move) >= statements.AT_ONCE:
            pass
        failpoint("move.left")
        await done.run()
        await opened.require_target()

    async def _reopen(self, move: StoreMove, first: BaseException) -> None:
        """Open the source again; where that cannot be, what is wrong is told beside what came first."""
        try:
            if self.context.lock is not None:
                await self.context.lock.regain()
            async with self.db.read_only() as session:
                is_under_way = await register.is_under_way(session, move.id)
            if is_under_way:  # else another run ended it, for this one's session had ended, and its lock with it
                await self.context.reopen_source(move)
        except MediaAnalysisError as error:
            told = (
                f"{move.source} stays closed, for it could not be opened again: {error}; media-analysis store switch "
                "goes on, media-analysis store cancel opens it"
            )
            first.add_note(told)
            if not isinstance(first, Exception):  # nobody hears of one that is interrupted
                log.warning("move.left_closed", source=move.source, reason=str(error))

    async def _await_tree(self) -> None:
        """Wait for whoever imports or sets aside what no row names; who begins now finds the source closed.

        Large objects of a bucket take minutes, and what settles the switch cannot wait that long.
        """
        ends_at, lock = time.monotonic() + JOBS_SECONDS, SessionLock(self.db, TREE)
        try:
            while not await lock.take(waits=False):
                if time.monotonic() > ends_at:
                    raise MoveRefused("objects are being imported or set aside; the store is where it was")
                await asyncio.sleep(MARGIN_SECONDS)
        finally:
            await lock.close()

    async def _await_jobs(self, move: StoreMove) -> None:
        """Wait for jobs that began meanwhile: what they staged before would be missing from what they made."""
        ends_at = time.monotonic() + JOBS_SECONDS
        while time.monotonic() < ends_at:
            async with self.db.read_only() as session:
                jobs, _ = await statements.count_unfinished(session, move)
            if not jobs:
                return
            await asyncio.sleep(MARGIN_SECONDS)
        raise MoveRefused(f"{jobs} jobs began meanwhile, and run; the store is where it was")

    async def _find(self) -> StoreMove:
        """Return the move under way, or the one that was switched last, whose target may have yet to hear of it.

        Nothing was moved away from that target since: what says so was late, of a move before.
        """
        moves = await MoveService(self.context).list()
        for move in moves:
            if move.is_under_way:
                return move
        if moves and moves[0].switched_at is not None:
            last = moves[0]
            async with open_place(parse_place(last.target), self.context.instance_id, self.context.settings) as target:
                marker = await target.marker()
            if marker is not None and (marker.is_filling or marker.moved_to or marker.archives_at == last.source):
                return last
        raise none_under_way(moves)

    async def _require_ready(self, move: StoreMove, *, end_uploads: bool) -> None:
        async with self.db.read_only() as session:
            jobs, uploads = await statements.count_unfinished(session, move)
        if jobs:
            raise MoveRefused(f"{jobs} jobs run: let them end, or end their workers, which give them back")
        if uploads and not end_uploads:
            raise MoveRefused(
                f"{uploads} uploads in pieces are not whole: let them end, or give them up by --end-uploads"
            )

    async def _require_whole(self, move: StoreMove, *, leave_damaged: bool) -> None:
        async with self.db.read_only() as session:
            failed = await statements.list_failed(session, move)
        if failed and not leave_damaged:
            raise _not_whole(failed)

    @retried
    async def _leave_unfinished(self, move: StoreMove) -> int:
        """End uploads that are not whole: who began one before the source was closed may go on writing to it."""
        async with self.db.transaction() as session:
            return await statements.leave_unfinished(session, move)

    @retried
    async def _settle(self, opened: OpenMove, *, leave_damaged: bool) -> bool:
        """Make the target the store if it has all there is; say whether it has."""
        await self.context.require_alone()
        move = opened.move
        async with self.db.transaction() as session:
            await lock_tree(session)  # of imports that took over what lay in the source before it was closed
            to_copy = await statements.sum_to_copy(session, move)
            if to_copy.files or await statements.list_gone(session, move, after=""):
                return False
            failed = await statements.list_failed(session, move)
            if failed and not leave_damaged:
                raise _not_whole(failed)
            if opened.part is Purpose.ARCHIVES:
                await mark_archives_apart(session, apart=not opened.joins_archives)
            await self._note_switch(session, move, len(failed))
            sentences = {file_id: reason for file_id, reason in failed.values() if file_id is not None}
            await mark_damaged(session, sentences, actor=self.context.actor)
            late_writes = opened.target.store.late_writes("") or timedelta()
            await statements.delete_again(session, move, late_writes=late_writes)
        return True

    async def _note_switch(self, session: AsyncSession, move: StoreMove, failed: int) -> None:
        copied = await statements.sum_copied(session, move)
        await register.end_move(session, move.id, "switched_at")
        counts = {"objects": copied.files, "size_bytes": copied.size_bytes, "left_damaged": failed}
        await add_events(session, [act_of(move, Action.MOVE_SWITCHED, self.context.actor, **counts)])


def _not_whole(failed: Mapping[str, tuple[UUID | None, str]]) -> MoveRefused:
    key, (_, reason) = next(iter(failed.items()))
    return MoveRefused(
        f"{len(failed)} objects cannot be copied, the first is {key} ({reason}); --leave-damaged leaves them where "
        "they are, and says so of their files"
    )
