"""Uploads: row first, then the name, then the bytes, then the fact (design law 3)."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database, retried
from media_analysis.errors import (
    IdempotencyKeyReused,
    IncompleteUpload,
    ObjectMissing,
    QuotaExceeded,
    QuotaPassed,
    UploadInFlight,
    UploadLeaseLost,
    UploadTooLarge,
)
from media_analysis.failpoints import failpoint
from media_analysis.files import queries
from media_analysis.files.bodies import Body, require_same_body, split_head, timed
from media_analysis.files.expiry import Expiry
from media_analysis.files.leases import leased
from media_analysis.files.limits import UploadLimits
from media_analysis.files.models import MediaFile
from media_analysis.files.registrar import Registrar
from media_analysis.files.registration import Place, Registration
from media_analysis.files.room import Arrival, DiskRoom, RoomMaker
from media_analysis.files.settlement import Settled, Settlement, mark_settled, mark_staged
from media_analysis.media.media_types import extension_of
from media_analysis.media.sniff import HEAD_BYTES, Sniffed
from media_analysis.storage.category import Category
from media_analysis.storage.keys import object_key
from media_analysis.storage.store import ObjectStore, ObjectWriter

Completed = Callable[[], "Upload"]
"""What the client has said of a file once all of its body is read."""
Abandon = Callable[[UUID], Awaitable[None]]
"""Deletes the pending row of an upload that failed, by the one deleter."""

RESERVE_CHECK_BYTES: Final = 16 * 2**20
Value = TypeVar("Value")
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What a client says of a file it is about to send."""

    owner: str
    category: Category
    filename: str
    declared_type: str | None = None
    declared_bytes: int | None = None
    expiry: Expiry | None = None
    job_id: UUID | None = None
    parent_id: UUID | None = None
    idempotency_key: str | None = None
    place: Place | None = None
    """Where it belongs, if a job's run makes it; then it stays pending until that has ended."""
    run: str | None = None
    """The folder name of that job."""

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of everything asked for beside the body."""
        facts = {name: value for name, value in asdict(self).items() if name != "idempotency_key"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).digest()


@dataclass(frozen=True)
class UploadService:
    """Takes bytes in; a file it returns is durable, and anything else leaves at most a pending row."""

    db: Database
    store: ObjectStore
    registrar: Registrar
    room: RoomMaker
    limits: UploadLimits
    abandon: Abandon

    async def store_file(self, upload: Upload, body: Body, completed: Completed | None = None) -> MediaFile:
        """Store `body` and return its row, or the first answer when its idempotency key was used before.

        What comes with the end of the body, in `completed`, may still change the name, the expiry and the parent.

        Raises:
            UploadTooLarge, MediaTypeNotAccepted: it may not be stored.
            QuotaReached, DiskReserveReached, DiskFull: there is no room, even after what may go has gone.
            UploadStalled, UploadTooSlow, UploadOverdue, UploadLeaseLost, IncompleteUpload: the client was too slow,
                or left.
            UploadInFlight, IdempotencyKeyReused: the key is in use, or belongs to something else.
            InvalidRequest: the job or the parent is unknown.

        """
        if (upload.declared_bytes or 0) > self.limits.max_bytes:
            raise UploadTooLarge(limit_bytes=self.limits.max_bytes)
        await self._disk.require_possible(self._register_as(upload, ""), upload.declared_bytes)
        body = timed(body, self.limits.pace)
        head, body = await split_head(body)
        sniffed = self.limits.accepted.judge_head(upload.category, head, declared=upload.declared_type)
        registration = self._register_as(upload, sniffed.media_type)
        await self._disk.require(registration, len(head))
        if not await self._registered(registration):
            earlier = await self._take_over(registration)
            if earlier is not None:
                return await require_same_body(earlier, body)
        return await self._receive(registration, sniffed, upload, body, completed)

    def _register_as(self, upload: Upload, media_type: str) -> Registration:
        file_id = uuid7()
        key = object_key(
            upload.category,
            file_id,
            extension=extension_of(media_type),
            day=datetime.now(UTC),
            parent_id=upload.parent_id,
            job_id=upload.job_id,
            run=upload.run,
        )
        return Registration(
            id=file_id,
            owner=upload.owner,
            category=upload.category,
            key=key,
            filename=upload.filename,
            media_type=media_type,
            job_id=upload.job_id,
            parent_id=upload.parent_id,
            reserved_bytes=0,
            idempotency_key=upload.idempotency_key,
            fingerprint=upload.fingerprint() if upload.idempotency_key is not None else None,
            place=upload.place,
        )

    async def _registered(self, registration: Registration) -> bool:
        try:
            return await self.registrar.register(registration)
        except asyncio.CancelledError:
            await self._give_up(registration.id)
            raise

    async def _receive(
        self, registration: Registration, sniffed: Sniffed, upload: Upload, body: Body, completed: Completed | None
    ) -> MediaFile:
        async with leased(self.db, [registration.id], lease_seconds=self.limits.lease_seconds):
            arrival = Arrival(self.db, self.room, registration, upload.declared_bytes)
            done = await self._take(arrival, sniffed, body, completed or (lambda: upload))
            if upload.place is not None:
                await self._close(registration, self._stage(done))
                return done.as_staged()
            settled = await self._close(registration, self._settle(done))  # which may have to wait for room
        await self.room.notice(upload.category)
        return done.as_stored(settled)

    async def _take(self, arrival: Arrival, sniffed: Sniffed, body: Body, completed: Completed) -> Settlement:
        try:
            await arrival.begin()
            sha256, size_bytes = await self._write(arrival, body)
            upload = completed()
            media_type = sniffed.media_type
            if not sniffed.is_certain:
                accepted = self.limits.accepted
                media_type = await accepted.judge_object(self.store, arrival.asked, declared=upload.declared_type)
            asked = await arrival.complete(upload.filename, upload.parent_id, media_type)
            return Settlement(registration=asked, size_bytes=size_bytes, sha256=sha256, expiry=upload.expiry)
        except BaseException:
            # Nothing was promised yet: T2 has not been sent, so the row is certainly still pending.
            await self._give_up(arrival.asked.id)
            raise

    async def _close(self, registration: Registration, closing: Awaitable[Value]) -> Value:
        """Send the last transaction; after it nothing is cleaned up but what certainly found no room.

        A COMMIT may have happened although its answer was lost, while a quota is passed by pending rows only.
        """
        try:
            return await closing
        except QuotaExceeded:
            await self._give_up(registration.id)
            raise

    async def _settle(self, done: Settlement) -> Settled:
        try:
            return await self.registrar.settle(done)
        except QuotaPassed:
            asked = done.registration
            settled = await self.room.make_room(asked, done.size_bytes, lambda session: mark_settled(session, [done]))
            if asked.id not in settled:
                raise UploadLeaseLost(asked.id) from None
            return settled[asked.id]

    async def _stage(self, done: Settlement) -> None:
        try:
            await self.registrar.stage(done)
        except QuotaPassed:
            asked, seconds = done.registration, self.registrar.staged_seconds
            staged = await self.room.make_room(
                asked, done.size_bytes, lambda session: mark_staged(session, [done], lease_seconds=seconds)
            )
            if asked.id not in staged:
                raise UploadLeaseLost(asked.id) from None

    async def _write(self, arrival: Arrival, body: Body) -> tuple[bytes, int]:
        writer = await self.registrar.create(arrival.asked)
        try:
            await self._copy(body, writer, arrival)
            if arrival.announced_bytes not in {None, writer.size_bytes}:
                raise IncompleteUpload
            sha256 = await _synced(arrival.asked, writer)
            if writer.size_bytes > HEAD_BYTES:  # only now does the disk know of all of it
                await self._disk.require(arrival.asked, 0)
            return sha256, writer.size_bytes
        finally:
            writer.close()

    async def _copy(self, body: Body, writer: ObjectWriter, arrival: Arrival) -> None:
        checked_bytes = 0
        async for chunk in body:
            if writer.size_bytes + len(chunk) > self.limits.max_bytes:
                raise UploadTooLarge(limit_bytes=self.limits.max_bytes)
            await arrival.reach(writer.size_bytes + len(chunk))
            await writer.write(chunk)
            if writer.size_bytes - checked_bytes >= RESERVE_CHECK_BYTES:
                checked_bytes = writer.size_bytes
                await self._disk.require(arrival.asked, 0)

    async def _give_up(self, file_id: UUID) -> None:
        try:
            await carry_through(self.abandon(file_id))
        except Exception as error:  # noqa: BLE001 - the first failure is the one to report; the sweep takes the row
            log.warning("upload.left_pending", file_id=str(file_id), reason=type(error).__name__)

    @retried
    async def _take_over(self, registration: Registration) -> MediaFile | None:
        """Return what the key's holder stored, or None once the key is this upload's own.

        A holder that gave up, or whose lease lapsed, loses the key; it can then no longer settle.
        """
        known = await self.db.retry(lambda: self._find_key(registration))
        if known is None:
            await self._register_again(registration)
            return None
        if known.file_id == registration.id:
            return None
        if known.fingerprint != registration.fingerprint:
            raise IdempotencyKeyReused
        if known.answer is not None:
            return known.answer
        if known.lease_left_seconds > 0:
            raise UploadInFlight(retry_after_seconds=int(known.lease_left_seconds) + 1)
        async with self.db.transaction() as session:
            await queries.purge_idempotency_key(session, registration, held_by=known.file_id)
        await self._register_again(registration)
        return None

    async def _register_again(self, registration: Registration) -> None:
        if not await self._registered(registration):
            raise UploadInFlight(retry_after_seconds=1)

    async def _find_key(self, registration: Registration) -> queries.KnownKey | None:
        async with self.db.read_only() as session:
            return await queries.get_idempotency_key(session, registration)

    @property
    def _disk(self) -> DiskRoom:
        return DiskRoom(self.store, self.room, self.limits.reserve_bytes)


async def _synced(registration: Registration, writer: ObjectWriter) -> bytes:
    try:
        sha256 = await writer.sync()
    except ObjectMissing as error:
        raise UploadLeaseLost(registration.id) from error  # only the sweep removes names
    failpoint("upload.synced")
    return sha256
