"""Empties the place that is no store any more, once somebody says so; no old byte goes before its copy was read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from media_analysis.audit import Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.deletion.pauses import list_pauses
from media_analysis.errors import ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.failpoints import failpoint
from media_analysis.files.opening import open_store
from media_analysis.moves import register, statements
from media_analysis.moves.copying import AT_ONCE
from media_analysis.moves.models import StoreMove
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.passes import MoveReport
from media_analysis.moves.places import OpenPlace, open_place, parse_place, site_of
from media_analysis.moves.service import MoveService, act_of
from media_analysis.moves.statements import LeftObject
from media_analysis.storage.calls import each
from media_analysis.storage.copying import delete_copies
from media_analysis.storage.hashing import hash_object
from media_analysis.storage.marker import Purpose
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.walk import QUARANTINE

PAGE: Final = 200


@dataclass
class EmptyReport:
    """What went from a place, and what stays there because its copy is not whole."""

    deleted: int = 0
    size_bytes: int = 0
    kept: int = 0
    first_kept: str | None = None

    def keep(self, keys: Collection[str]) -> None:
        """Count objects that stay."""
        self.kept += len(keys)
        self.first_kept = self.first_kept or min(keys, default=None)


@dataclass(frozen=True)
class EmptyService:
    """Deletes what a move left: in the source once it was switched, in the target of one that was cancelled."""

    context: MoveContext

    @property
    def db(self) -> Database:
        return self.context.db

    async def find(self, url: str | None = None) -> tuple[StoreMove, statements.MoveSum]:
        """Return the move that left something at an address, or else the oldest that did anywhere, and how much.

        Raises:
            MoveRefused: none did.

        """
        moves = [one for one in await MoveService(self.context).list() if not one.is_under_way]
        left = [one for one in reversed(moves) if one.emptied_at is None]
        if not left:
            raise MoveRefused("no move left anything")
        move = next((one for one in left if one.left == url), left[0])
        async with self.db.read_only() as session:
            return move, await statements.sum_left(session, move)

    async def empty(self, move: StoreMove, *, now: datetime | None = None) -> EmptyReport:
        """Delete what a move left, each object after its copy was read and hashed.

        Raises:
            MoveRefused: the settings name the place, deletion is paused, or a request of a service that died
                may still arrive there.
            MarkerMismatch, StoreUnavailable: a place is not what it should be, or does not answer.

        """
        site = parse_place(move.left)
        settings = self.context.settings
        if site in {site_of(settings, Purpose(move.part)), settings.replica_site}:
            raise MoveRefused(f"the settings name {move.left}: name the other place, and start the service with it")
        await self._require_unpaused()
        store = await open_store(self.db, settings, self.context.instance_id, creates=False)
        try:
            async with open_place(site, self.context.instance_id, self.context.settings) as left:
                await self._require_quiet(move, left, now or await self.db.now())
                return await self._empty(move, left, store)
        finally:
            store.close()

    async def _require_unpaused(self) -> None:
        async with self.db.read_only() as session:
            pauses = await list_pauses(session, is_open=True)
        for pause in pauses:
            if not pause.cause.stops_evictions_only:
                raise MoveRefused(f"deletion is paused: {pause.reason}")

    async def _require_quiet(self, move: StoreMove, left: OpenPlace, now: datetime) -> None:
        late_writes, ended_at = left.store.late_writes(""), move.switched_at or move.cancelled_at
        if late_writes is not None and ended_at is not None and now < ended_at + late_writes:
            raise MoveRefused(
                f"requests that were on their way to {move.left} may still arrive: delete what is left there from "
                f"{ended_at + late_writes:%Y-%m-%d %H:%M} UTC on"
            )

    async def _empty(self, move: StoreMove, left: OpenPlace, store: ObjectStore) -> EmptyReport:
        report, after = EmptyReport(), ""
        while True:
            async with self.db.read_only() as session:
                found = await statements.list_left(session, move, after=after, limit=PAGE)
            if not found:
                break
            may_go = await each(lambda one: self._may_go(one, store), found, at_once=AT_ONCE)
            going = [one for one, may in zip(found, may_go, strict=True) if may]
            kept = {one.key for one, may in zip(found, may_go, strict=True) if not may}
            if kept:  # a file that was deleted while its copy was asked for needs none
                async with self.db.read_only() as session:
                    again = await statements.list_left(session, move, after=after, limit=len(found))
                going += [one for one in again if one.key in kept and not one.is_living]
                kept -= {one.key for one in going}
            after = found[-1].key
            await self._delete(move, left, going)
            report.keep(kept)
            report.deleted += len(going)
            report.size_bytes += sum(one.size_bytes or 0 for one in going)
            self.context.tell(MoveReport(copied=report.deleted, size_bytes=report.size_bytes))
        if not report.kept:
            await self._note_emptied(move, report)
        return report

    async def _may_go(self, left: LeftObject, store: ObjectStore) -> bool:
        """Say whether nobody needs an object any more: its file is gone, or lies whole in the store."""
        if not left.is_living:
            return True
        try:
            sha256 = await hash_object(
                store, left.key, size_bytes=left.size_bytes or 0, pace=self.context.throttle.take
            )
        except (ObjectMissing, ObjectDamaged, StoreUnavailable, OSError):
            return False
        return left.sha256 in {None, sha256}

    async def _delete(self, move: StoreMove, left: OpenPlace, going: Sequence[LeftObject]) -> None:
        await self.context.require_alone()  # else another run may move something there by now
        await self._require_unpaused()  # this takes hours, and somebody may want to back up what there is
        aside = [one.key for one in going if one.key.startswith(f"{QUARANTINE}/")]
        failed = dict((await left.store.delete_set_aside(aside)).failed) if aside else {}
        for is_secure in (False, True):
            keys = [one.key for one in going if one.is_secure is is_secure and one.key not in aside]
            if keys:
                failed |= await delete_copies(left.store, keys, overwrite=is_secure)
        failpoint("move.emptied")
        await self._delete_rows(move, [one.key for one in going if one.key not in failed])
        if failed:
            key, reason = next(iter(failed.items()))
            raise StoreUnavailable(f"{left.store.where(key)} cannot be deleted: {reason}")

    @retried
    async def _delete_rows(self, move: StoreMove, keys: Sequence[str]) -> None:
        async with self.db.transaction() as session:
            await statements.delete_copies(session, move, keys)

    @retried
    async def _note_emptied(self, move: StoreMove, report: EmptyReport) -> None:
        async with self.db.transaction() as session:
            await register.mark_emptied(session, move.id)
            counts = {"objects": report.deleted, "size_bytes": report.size_bytes}
            await add_events(session, [act_of(move, Action.MOVE_LEFTOVERS_DELETED, self.context.actor, **counts)])
