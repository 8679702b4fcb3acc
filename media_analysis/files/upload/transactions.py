"""Group-committed uploads: one writer per step gathers what waits into one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar
from uuid import UUID

from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database, retried
from media_analysis.db.driver import Executes
from media_analysis.db.group import GroupCommit
from media_analysis.errors import (
    FenceLost,
    InvalidRequest,
    JobArchived,
    MediaAnalysisError,
    PlaceTaken,
    QuotaPassed,
    UploadLeaseLost,
)
from media_analysis.failpoints import failpoint
from media_analysis.files.archived import ARCHIVE_ROLE
from media_analysis.files.upload import pending, storing
from media_analysis.files.upload.pending import Receipt, Registration
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload
from media_analysis.storage.store import ObjectStore, ObjectWriter

STAGED_SECONDS: Final = 3600.0
Answer = TypeVar("Answer")


class _TakenBack(Exception):
    """Ends a transaction of which nothing is to stay."""


@dataclass(frozen=True)
class UploadTransactions:
    """Takes an upload through its three transactions, sharing each with whoever else is waiting."""

    db: Database
    store: ObjectStore
    lease_seconds: float
    jobs: str
    """The part of its statements that finds the jobs it is for, as `pending.add_pending` says."""
    staged_seconds: float = STAGED_SECONDS
    """How long a product waits for its job's end, unless its run renews."""

    async def register(self, asked: Registration) -> bool:
        """Insert a pending row; return False when its idempotency key, or its id, is another's.

        Who is cancelled meanwhile hears of it only once the row is there or is not: then it can be given up.

        Raises:
            InvalidRequest: the job or the parent is not this owner's, or the role is an archive's.
            JobArchived: the job is read-only.
            FenceLost, PlaceTaken: the run that makes it is over, or has such a product already.
            QuotaPassed: the category has no room for it.
            DatabaseUnavailable: nothing was registered, or a pending row that the sweep takes.

        """
        _require_no_segment(asked)
        return await carry_through(self._register.submit(asked))

    async def register_many(self, asked: Sequence[Registration]) -> Sequence[bool | Exception]:
        """Insert pending rows that one writer has ready, in a transaction of their own; each is told of as above."""
        for item in asked:
            _require_no_segment(item)
        return await carry_through(self._flush_registrations(asked))

    @retried
    async def require_registrable(self, asked: Registration) -> None:
        """Register nothing, and raise what `register` would; what changes until then is judged then.

        Raises:
            InvalidRequest, JobArchived: as above.

        """
        with suppress(_TakenBack):
            async with self.db.transaction() as session:
                receipts = await pending.add_pending(session, [asked], jobs=self.jobs, lease_seconds=self.lease_seconds)
                refused = receipts[asked.id].refused
                raise _refusal(asked, refused) if refused else _TakenBack

    async def create(self, asked: Registration) -> ObjectWriter:
        """Create the object's name, once, under the lock of its pending row.

        Raises:
            UploadLeaseLost: the sweep took the row first.

        """
        return await self._create.submit(asked)

    async def create_many(self, asked: Sequence[Registration]) -> Sequence[ObjectWriter | Exception]:
        """Create the names of one writer's rows in a transaction of their own; each is told of as above."""
        creating = asyncio.ensure_future(self._flush_creations(asked))
        try:
            return await carry_through(creating)
        except asyncio.CancelledError:
            if not creating.cancelled() and creating.exception() is None:
                for writer in creating.result():
                    if not isinstance(writer, Exception):
                        writer.close()
            raise

    async def finish(self, done: WrittenUpload) -> StoredUpload:
        """Turn the pending row into a stored one.

        Raises:
            QuotaPassed: it does not fit as things are; the row is still pending.
            UploadLeaseLost: the sweep, or a retry of the same request, took over.

        """
        return await self._storing.submit(done)

    async def stage(self, done: WrittenUpload) -> None:
        """Note that a product's bytes are durable; it stays pending until its job ends.

        Raises:
            QuotaPassed: it does not fit as things are; the row is still pending.
            UploadLeaseLost: its run is over, and its row gone.

        """
        await self._stage.submit(done)

    async def close(self) -> None:
        """Finish what was submitted."""
        for group in (self._register, self._create, self._storing, self._stage):
            await group.close()

    @cached_property
    def _register(self) -> GroupCommit[Registration, bool]:
        return GroupCommit(self._flush_registrations)

    @cached_property
    def _create(self) -> GroupCommit[Registration, ObjectWriter]:
        return GroupCommit(self._flush_creations, discard=lambda writer: writer.close())

    @cached_property
    def _storing(self) -> GroupCommit[WrittenUpload, StoredUpload]:
        return GroupCommit(self._flush_settlements)

    @cached_property
    def _stage(self) -> GroupCommit[WrittenUpload, None]:
        return GroupCommit(self._flush_staged)

    async def _flush_registrations(self, asked: Sequence[Registration]) -> Sequence[bool | Exception]:
        try:
            return await self._register_group(asked)
        except QuotaPassed:
            # Nothing was registered. Few reserve, and none but this service itself: each of them is asked alone.
            free = [item for item in asked if not item.reserved_bytes]
            registered = await self._register_group(free) if free else ()
            answers = dict(zip((item.id for item in free), registered, strict=True))
            for item in asked:
                if item.reserved_bytes:
                    answers[item.id] = await self._register_alone(item)
            return [answers[item.id] for item in asked]

    async def _register_alone(self, asked: Registration) -> bool | Exception:
        try:
            (answer,) = await self._register_group([asked])
        except Exception as error:  # noqa: BLE001 - others of its group are registered already
            return error
        return answer

    async def _register_group(self, asked: Sequence[Registration]) -> Sequence[bool | Exception]:
        receipts = await self.db.retry(lambda: self._register_all(asked))
        failpoint("upload.registered")
        return [
            _refusal(item, refused)
            if (refused := receipts[item.id].refused)
            else receipts[item.id].added or (item.idempotency_key is None and not item.exclusive)
            for item in asked
        ]

    async def _register_all(self, asked: Sequence[Registration]) -> Mapping[UUID, Receipt]:
        async with self.db.transaction() as session:
            receipts = await pending.add_pending(session, asked, jobs=self.jobs, lease_seconds=self.lease_seconds)
            for item in asked:
                if not receipts[item.id].fits:
                    raise QuotaPassed(item.category, item.reserved_bytes)
            failpoint("upload.registering")
            return receipts

    @retried
    async def _flush_creations(self, asked: Sequence[Registration]) -> Sequence[ObjectWriter | Exception]:
        return await create_names(self.db.transaction(), self.store, asked)

    async def _flush_settlements(self, done: Sequence[WrittenUpload]) -> Sequence[StoredUpload | Exception]:
        return await _settle_apart(done, self._settle_group)

    async def _settle_group(self, done: Sequence[WrittenUpload]) -> Sequence[StoredUpload | Exception]:
        settled = await self.db.retry(lambda: self._settle_all(done))
        failpoint("upload.settled")
        ids = [item.registration.id for item in done]
        return [settled.get(file_id) or UploadLeaseLost(file_id) for file_id in ids]

    async def _settle_all(self, done: Sequence[WrittenUpload]) -> Mapping[UUID, StoredUpload]:
        async with self.db.transaction() as session:
            settled = await storing.store_all(session, done, jobs=self.jobs)
            failpoint("upload.settling")
            return settled

    async def _flush_staged(self, done: Sequence[WrittenUpload]) -> Sequence[Exception | None]:
        return await _settle_apart(done, self._stage_group)

    async def _stage_group(self, done: Sequence[WrittenUpload]) -> Sequence[Exception | None]:
        staged = await self.db.retry(lambda: self._stage_all(done))
        failpoint("product.staged")
        ids = [item.registration.id for item in done]
        return [None if file_id in staged else UploadLeaseLost(file_id) for file_id in ids]

    async def _stage_all(self, done: Sequence[WrittenUpload]) -> frozenset[UUID]:
        async with self.db.transaction() as session:
            return await storing.stage_all(session, done, lease_seconds=self.staged_seconds)


def _require_no_segment(asked: Registration) -> None:
    if asked.place is not None and asked.place.role == ARCHIVE_ROLE:
        raise InvalidRequest("role", f"{ARCHIVE_ROLE} is what the archive of a job is to it, and nothing else")


async def create_names(
    transaction: AbstractAsyncContextManager[Executes], store: ObjectStore, asked: Sequence[Registration]
) -> Sequence[ObjectWriter | Exception]:
    """Create the names of pending rows, each once and under the lock of its row, in a transaction (T1)."""
    made: dict[UUID, ObjectWriter | Exception] = {}
    try:
        async with transaction as session:
            locked = await pending.lock_pending(session, [item.id for item in asked])
            held = [item for item in asked if item.id in locked]
            failpoint("upload.locked")
            # A crash from here on leaves a name whose pending row says it may be removed.
            writers = await store.create_many([item.key for item in held])
            made = {item.id: writer for item, writer in zip(held, writers, strict=True)}
            failpoint("upload.named")
    except BaseException:
        await _take_back(store, {item.key: made[item.id] for item in asked if item.id in made})
        raise
    failpoint("upload.created")
    return [made.get(item.id) or UploadLeaseLost(item.id) for item in asked]


async def _take_back(store: ObjectStore, made: Mapping[str, ObjectWriter | Exception]) -> None:
    """Remove the names of a transaction that was lost, all of whose uploads fail.

    Its locks were lost with it, so the sweep may already have looked for these names, and found none.
    """
    writers = {key: writer for key, writer in made.items() if not isinstance(writer, Exception)}
    for writer in writers.values():
        writer.close()
    await store.delete_many(list(writers))


async def _settle_apart(
    done: Sequence[WrittenUpload], flush: Callable[[Sequence[WrittenUpload]], Awaitable[Sequence[Answer | Exception]]]
) -> Sequence[Answer | Exception]:
    """Flush a group; where it passes a quota, who made it do so hears of that, and all others are flushed again.

    A flush that passed a quota was rolled back: whatever else fails, nothing of the group is committed.
    """
    answers: dict[UUID, Answer | Exception] = {}
    left = list(done)
    while left:
        try:
            flushed = await flush(left)
        except QuotaPassed as passed:
            offenders = [item for item in left if _adds_to(item, passed.accounts)] or left
            answers.update((item.registration.id, _passed(item)) for item in offenders)
            left = [item for item in left if item.registration.id not in answers]
        else:
            answers.update(zip((item.registration.id for item in left), flushed, strict=True))
            left = []
    return [answers[item.registration.id] for item in done]


def _adds_to(item: WrittenUpload, accounts: Collection[tuple[str, str]]) -> bool:
    return item.registration.account in accounts and item.size_bytes > item.registration.reserved_bytes


def _passed(item: WrittenUpload) -> QuotaPassed:
    return QuotaPassed(item.registration.category, item.size_bytes)


def _refusal(asked: Registration, refused: str) -> MediaAnalysisError:
    if asked.job_id is not None and asked.place is not None:
        if refused == "fence":
            return FenceLost(asked.job_id)
        if refused == "place":
            return PlaceTaken(role=asked.place.role, ordinal=asked.place.ordinal)
    if asked.job_id is not None and refused == "archived":
        return JobArchived(asked.job_id)
    return InvalidRequest(refused, pending.NO_SUCH_OBJECT)
