"""Works off what is due: replicas made, those of files that are gone deleted, primaries mended from them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from media_analysis.db.database import Database, retried
from media_analysis.db.locks import locked
from media_analysis.deletion.unclaimed import TREE
from media_analysis.errors import DatabaseUnavailable, MediaAnalysisError, StoreUnavailable
from media_analysis.errors.operations import LockBusy
from media_analysis.failpoints import failpoint
from media_analysis.files.damage import clear_damage, mark_damaged, note_healed
from media_analysis.replication import claiming
from media_analysis.replication.claiming import LEASE_SECONDS, SMALL_BYTES, ReplicaDuty, ReplicaFailure
from media_analysis.replication.copying import ReplicaCopier, reason_of
from media_analysis.replication.healing import Healed, Healer, NotHealed
from media_analysis.storage.copying import SourceDamaged, delete_copies, holds
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import ObjectStore

MOST: Final = 32
"""Copies taken on at once: so many small ones are held in memory."""
ACTOR: Final = "replication"
log = structlog.get_logger()


@dataclass(frozen=True)
class ReplicaService:
    """Keeps the replica what the primary store is; whoever dies in between leaves what another takes on."""

    db: Database
    store: ReplicatedStore
    reserve_bytes: int

    @retried
    async def heal_damaged(self) -> None:
        """Take on what somebody found damaged and that has a replica."""
        async with self.db.transaction() as session:
            await claiming.heal_damaged(session)

    async def run(self, *, is_large: bool) -> bool:
        """Work off some of what is due, of small files, or one large one; say whether there may be more.

        Raises:
            StoreUnavailable: the replica is away; nothing was taken on.
            MarkerMismatch: the primary store is away, or was left by a move, so that nobody knows what it misses.
            DatabaseUnavailable: it is away, for longer than a lease.

        """
        replica = await self.store.replica.require()
        await self.store.primary.require_marker()
        most = 1 if is_large else MOST
        duties = await self._claim(is_large=is_large, limit=most)
        if duties:
            async with self._holding(duties):
                await self._end([duty for duty in duties if not duty.lives])
                await self._heal(replica, [duty for duty in duties if duty.lives and duty.heals])
                await self._copy(replica, [duty for duty in duties if duty.lives and not duty.heals])
        return len(duties) == most

    @retried
    async def _claim(self, *, is_large: bool, limit: int) -> Sequence[ReplicaDuty]:
        async with self.db.transaction() as session:
            return await claiming.claim(session, is_large=is_large, limit=limit)

    @asynccontextmanager
    async def _holding(self, duties: Sequence[ReplicaDuty]) -> AsyncIterator[None]:
        """Let nobody else take them on while the block runs, however long that is; it ends where that cannot be.

        Raises:
            DatabaseUnavailable: their lease could not be renewed, and others take them on.

        """
        lease = asyncio.timeout(LEASE_SECONDS)
        try:
            async with lease:
                renewing = asyncio.create_task(self._keep_renewing(duties, lease))
                try:
                    yield
                finally:
                    renewing.cancel()
                    await asyncio.wait({renewing})
        except TimeoutError as error:
            raise DatabaseUnavailable("the lease of replicas could not be renewed") from error
        except asyncio.CancelledError:
            # This process stops: whoever comes next need not wait for the end of the lease.
            with suppress(MediaAnalysisError):
                await self._release(duties)
            raise

    async def _keep_renewing(self, duties: Sequence[ReplicaDuty], lease: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            asked_at = asyncio.get_running_loop().time()
            with suppress(MediaAnalysisError):
                await self._renew(duties)
                if not lease.expired():
                    lease.reschedule(asked_at + LEASE_SECONDS)

    async def _require_held(self, duty: ReplicaDuty) -> None:
        async with self.db.read_only() as session:
            if not await claiming.is_held(session, duty):
                raise StoreUnavailable("somebody else has taken this replica on, or its file is gone")

    @retried
    async def _renew(self, duties: Sequence[ReplicaDuty]) -> None:
        async with self.db.transaction() as session:
            await claiming.renew(session, duties)

    @retried
    async def _release(self, duties: Sequence[ReplicaDuty]) -> None:
        async with self.db.transaction() as session:
            await claiming.release(session, duties)

    async def _end(self, duties: Sequence[ReplicaDuty]) -> None:
        """Delete replicas of files that are gone, and forget them; those whose bytes are yet to go, go with these."""
        waiting = [duty for duty in duties if duty.awaits_purge]
        ending = [duty for duty in duties if not duty.awaits_purge]
        try:
            failed = await self._delete_unclaimed(ending) if ending else {}
        except LockBusy as error:  # nothing else waits for these
            failed = {duty.key: str(error) for duty in ending}
        failpoint("replica.ended")
        gone = [duty for duty in ending if duty.key not in failed]
        failures = [ReplicaFailure(duty, failed[duty.key]) for duty in ending if duty.key in failed]
        if duties:
            await self._settle_gone(waiting, gone, failures)

    async def _delete_unclaimed(self, duties: Sequence[ReplicaDuty]) -> Mapping[str, str]:
        """Delete what no other file has by now, and let nobody import it meanwhile; return why what stays does."""
        replica = await self.store.replica.require()
        async with locked(self.db, TREE) as lock:
            async with self.db.read_only() as session:
                kept = await claiming.list_others(session, duties)
            going = [duty for duty in duties if duty.key not in kept]
            await lock.require()
            failed = await self._delete([duty for duty in going if not duty.heals], replica)
            await lock.require()
            # What was mended while it was deleted may be there again in the primary store.
            return failed | await self._delete([duty for duty in going if duty.heals], self.store)

    async def _delete(self, duties: Sequence[ReplicaDuty], store: ObjectStore) -> dict[str, str]:
        """Delete objects, and what was begun of them before; return why those that stay do."""
        failed: dict[str, str] = {}
        if duties:
            failed |= await delete_copies(store, [duty.key for duty in duties])
        if begun := [duty.key for duty in duties if duty.attempt > 1]:
            failed |= (await store.abort(begun)).failed
        return failed

    @retried
    async def _settle_gone(
        self, waiting: Sequence[ReplicaDuty], gone: Sequence[ReplicaDuty], failures: Sequence[ReplicaFailure]
    ) -> None:
        async with self.db.transaction() as session:
            await claiming.postpone(session, waiting)
            await claiming.end(session, gone)
            await claiming.fail(session, failures)

    async def _copy(self, replica: ObjectStore, duties: Sequence[ReplicaDuty]) -> None:
        copier = ReplicaCopier(self.store.primary, replica, self.reserve_bytes, self._require_held)
        small = [duty for duty in duties if duty.size_bytes <= SMALL_BYTES]
        if small:
            failpoint("replica.copying")
            outcomes = await copier.copy_small(small)
            failpoint("replica.copied")
            await self._settle_copies(copier, outcomes)
        for duty in duties:
            if duty.size_bytes > SMALL_BYTES:
                outcome = await copier.copy_large(duty)
                failpoint("replica.streamed")
                await self._settle_copies(copier, {duty: outcome})

    async def _settle_copies(self, copier: ReplicaCopier, outcomes: Mapping[ReplicaDuty, Exception | None]) -> None:
        copied = [duty for duty, said in outcomes.items() if said is None]
        damaged = {duty: said.sentence for duty, said in outcomes.items() if isinstance(said, SourceDamaged)}
        failures = [
            ReplicaFailure(duty, reason_of(said))
            for duty, said in outcomes.items()
            if said is not None and duty not in damaged
        ]
        if damaged:
            await self.store.primary.require_marker()  # its volume may be gone since this began
        mendable = [duty for duty in damaged if await self._is_mendable(copier, duty)]
        failures += [
            ReplicaFailure(duty, f"the primary: {sentence}")
            for duty, sentence in damaged.items()
            if duty not in mendable
        ]
        await self._write(copied, damaged, mendable, failures)
        for failure in failures:
            log.warning("replica.not_copied", file_id=str(failure.duty.file_id), reason=failure.reason)

    async def _is_mendable(self, copier: ReplicaCopier, duty: ReplicaDuty) -> bool:
        """Say whether what is damaged in the primary store lies whole in the replica."""
        try:
            return duty.sha256 is not None and await holds(copier.target, duty, duty.sha256)
        except StoreUnavailable:
            return False

    @retried
    async def _write(
        self,
        copied: Sequence[ReplicaDuty],
        damaged: Mapping[ReplicaDuty, str],
        mendable: Sequence[ReplicaDuty],
        failures: Sequence[ReplicaFailure],
    ) -> None:
        async with self.db.transaction() as session:
            sentences = {duty.file_id: sentence for duty, sentence in damaged.items()}
            await mark_damaged(session, sentences, actor=ACTOR)
            if copied:
                await claiming.confirm(session, copied, address=self.store.replica.address)
            for duty in mendable:
                await claiming.begin_healing(session, duty)
            if failures:
                await claiming.fail(session, failures)
            failpoint("replica.confirming")

    async def _heal(self, replica: ObjectStore, duties: Sequence[ReplicaDuty]) -> None:
        healer = Healer(self.store.primary, replica, self.reserve_bytes, self._require_held)
        for duty in duties:
            outcome = await healer.heal(duty, day=(await self.db.now()).date())
            failpoint("replica.healed")
            await self._settle_healing(duty, outcome)

    @retried
    async def _settle_healing(self, duty: ReplicaDuty, outcome: Healed | NotHealed) -> None:
        async with self.db.transaction() as session:
            if isinstance(outcome, NotHealed):
                await claiming.fail(session, [ReplicaFailure(duty, outcome.reason, is_lost=outcome.replica_is_lost)])
                log.error("replica.not_healed", file_id=str(duty.file_id), reason=outcome.reason)
                return
            if outcome.was is None:
                await clear_damage(session, {duty.file_id: duty.damage} if duty.damage else {})
            elif await claiming.confirm(session, [duty], address=self.store.replica.address):
                sentences = {duty.file_id: duty.damage or outcome.was}
                await note_healed(session, sentences, actor=ACTOR, source=self.store.replica.address)
                return
            await claiming.confirm(session, [duty], address=self.store.replica.address)
