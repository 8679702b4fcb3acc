"""Uploads: row first, then the name, then the bytes, then the fact (design law 3)."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, TypeVar
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.errors import (
    IncompleteUpload,
    ObjectMissing,
    QuotaPassed,
    UploadInFlight,
    UploadLeaseLost,
    UploadTooLarge,
)
from media_analysis.failpoints import failpoint
from media_analysis.files.expiry import Expiry
from media_analysis.files.ledger import Account
from media_analysis.files.links.claims import claim_link
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.bodies import Body, require_same_body, split_head, timed
from media_analysis.files.upload.idempotency import free_key
from media_analysis.files.upload.limits import UploadLimits
from media_analysis.files.upload.pending import Place, Registration
from media_analysis.files.upload.protocol import PendingUploads, UploadProtocol
from media_analysis.files.upload.room import Arrival, DiskRoom, RoomMaker
from media_analysis.files.upload.small import SmallUpload, SmallUploads
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload, mark_or_find_stored, mark_staged
from media_analysis.media.types.known import extension_of
from media_analysis.media.types.sniff import HEAD_BYTES, Sniffed
from media_analysis.storage.category import Category
from media_analysis.storage.keys import object_key
from media_analysis.storage.store import ObjectWriter

Completed = Callable[[], "Upload"]
"""What the client has said of a file once all of its body is read."""

RESERVE_CHECK_BYTES: Final = 16 * 2**20
_NO_WISH: Final = frozenset({"idempotency_key", "link_id", "file_id"})
Value = TypeVar("Value")


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
    labels: Mapping[str, str] | None = None
    """None for none."""
    idempotency_key: str | None = None
    place: Place | None = None
    """Where it belongs, if a job's run makes it; then it stays pending until that has ended."""
    run: str | None = None
    """The folder name of that job."""
    link_id: UUID | None = None
    """The link by which it comes, where it does."""
    file_id: UUID | None = None
    """The id it gets, that nobody else has; None for one made here."""

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of everything asked for beside the body."""
        facts = {name: value for name, value in asdict(self).items() if name not in _NO_WISH}
        if not facts["labels"]:
            del facts["labels"]  # a retry of what was sent before there were labels is one still
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).digest()


@dataclass(frozen=True)
class UploadService:
    """Takes bytes in; a file it returns is durable, and anything else leaves at most a pending row."""

    protocol: UploadProtocol
    room: RoomMaker
    limits: UploadLimits

    async def store_file(self, upload: Upload, body: Body, completed: Completed | None = None) -> MediaFile:
        """Store `body` and return its row, or the first answer when its idempotency key was used before.

        What comes with the end of the body, in `completed`, may still change name, expiry, parent and labels.

        Raises:
            UploadTooLarge, MediaTypeNotAccepted: it may not be stored.
            QuotaReached, DiskReserveReached, DiskFull: there is no room, even after what may go has gone.
            UploadStalled, UploadTooSlow, UploadOverdue, UploadLeaseLost, IncompleteUpload: the client was too slow,
                or left.
            UploadInFlight, IdempotencyKeyReused: the key is in use, or belongs to something else.
            InvalidRequest: the job or the parent is unknown.
            LinkInUse, LinkGone: somebody else brings the file of its link, or has brought it.

        """
        if (upload.declared_bytes or 0) > self.limits.max_bytes:
            raise UploadTooLarge(limit_bytes=self.limits.max_bytes)
        await self.disk.require_possible(self.register_as(upload, ""), upload.declared_bytes)
        body = timed(body, self.limits.pace)
        head, body = await split_head(body)
        sniffed = self.limits.accepted.judge_head(upload.category, head, declared=upload.declared_type)
        asked = self.register_as(upload, sniffed.media_type)
        await self.disk.require(asked, len(head))
        async with self.protocol.pending() as uploads:
            if not all(await uploads.register(asked)) and (earlier := await self._take_over(uploads, asked)):
                return await require_same_body(earlier, body)
            if asked.link_id is not None:
                await claim_link(self.db, asked.link_id, asked.id, discard=self.protocol.give_up)
            arrival = Arrival(self.db, self.room, asked, upload.declared_bytes)
            written = await self._take(uploads, arrival, sniffed, body, completed or (lambda: upload))
            with uploads.committing():  # which may have to wait for room
                if upload.place is not None:
                    await self._stage(written)
                    return written.as_staged()
                stored = await self.store(written)
        await self.room.notice(upload.category)
        return written.as_stored(stored)

    async def store_small(
        self, upload: Upload, content: bytes, *, session_id: UUID
    ) -> tuple[WrittenUpload, StoredUpload] | None:
        """Store bytes that are all here, in a group with others, if their session is still good.

        None where anything is unusual, and nothing is left of it then: `store_file` knows what to do, or to say.

        Raises:
            MediaTypeNotAccepted, QuotaReached, UploadLeaseLost: as `store_file`.

        """
        if len(content) > self.limits.max_bytes or self.small.is_full(Account(upload.owner, upload.category)):
            return None
        media_type = self.limits.accepted.judge_whole(upload.category, content, declared=upload.declared_type)
        asked = self.register_as(upload, media_type, session_id=session_id)
        outcome = await self.small.store(SmallUpload(asked, content, upload.expiry))
        if outcome is None:
            return None
        stored = outcome.stored
        if stored is None:
            async with self.protocol.pending() as uploads:
                uploads.ids.add(asked.id)
                with uploads.committing():
                    stored = await self.store(outcome.written)
        await self.room.notice(upload.category)
        return outcome.written, stored

    def register_as(
        self, upload: Upload, media_type: str, file_id: UUID | None = None, *, session_id: UUID | None = None
    ) -> Registration:
        """Return what is registered of an upload of this type, under an id of its own if none is given."""
        file_id = file_id or upload.file_id or uuid7()
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
            labels=upload.labels,
            idempotency_key=upload.idempotency_key,
            fingerprint=upload.fingerprint() if upload.idempotency_key is not None else None,
            place=upload.place,
            session_id=session_id,
            link_id=upload.link_id,
        )

    async def _take(
        self, uploads: PendingUploads, arrival: Arrival, sniffed: Sniffed, body: Body, completed: Completed
    ) -> WrittenUpload:
        await arrival.begin()
        sha256, size_bytes = await self._write(uploads, arrival, body)
        upload = completed()
        media_type = sniffed.media_type
        if not sniffed.is_certain:
            accepted, store = self.limits.accepted, self.protocol.store
            media_type = await accepted.judge_object(store, arrival.asked, declared=upload.declared_type)
        asked = await arrival.complete(upload.filename, upload.parent_id, upload.labels, media_type)
        return WrittenUpload(registration=asked, size_bytes=size_bytes, sha256=sha256, expiry=upload.expiry)

    async def store(self, written: WrittenUpload) -> StoredUpload:
        """Turn a pending file whose bytes are durable into a stored one (T2), with room made for it if need be.

        Raises:
            QuotaReached: not even eviction frees enough; it is pending still.
            UploadLeaseLost: the sweep, or a retry of the same request, took over.

        """
        try:
            return await self.protocol.transactions.finish(written)
        except QuotaPassed:
            asked, jobs = written.registration, self.protocol.transactions.jobs
            self.small.note_full(asked.account)
            stored = await self.room.make_room(
                asked, written.size_bytes, lambda session: mark_or_find_stored(session, [written], jobs=jobs)
            )
            if asked.id not in stored:
                raise UploadLeaseLost(asked.id) from None
            return stored[asked.id]

    async def _stage(self, written: WrittenUpload) -> None:
        try:
            await self.protocol.transactions.stage(written)
        except QuotaPassed:
            asked, seconds = written.registration, self.protocol.transactions.staged_seconds
            staged = await self.room.make_room(
                asked, written.size_bytes, lambda session: mark_staged(session, [written], lease_seconds=seconds)
            )
            if asked.id not in staged:
                raise UploadLeaseLost(asked.id) from None

    async def _write(self, uploads: PendingUploads, arrival: Arrival, body: Body) -> tuple[bytes, int]:
        (writer,) = await uploads.create(arrival.asked)
        try:
            await self._copy(body, writer, arrival)
            if arrival.announced_bytes not in {None, writer.size_bytes}:
                raise IncompleteUpload
            sha256 = await _synced(arrival.asked, writer)
            if writer.size_bytes > HEAD_BYTES:  # only now does the disk know of all of it
                await self.disk.require(arrival.asked, 0)
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
                await self.disk.require(arrival.asked, 0)

    @retried
    async def _take_over(self, uploads: PendingUploads, asked: Registration) -> MediaFile | None:
        """Return what the key's holder stored, or None once the key is this upload's own."""
        known = await free_key(self.db, asked)
        if known is not None and known.file_id == asked.id:  # it was registered, and the answer lost
            uploads.ids.add(asked.id)
        elif known is not None:
            return known.answer
        elif not all(await uploads.register(asked)):
            raise UploadInFlight(retry_after_seconds=1)
        return None

    @cached_property
    def small(self) -> SmallUploads:
        return SmallUploads(self.protocol)

    @property
    def db(self) -> Database:
        return self.protocol.db

    @property
    def disk(self) -> DiskRoom:
        """The room its files come to lie in."""
        return DiskRoom(self.protocol.store, self.room, self.limits.reserve_bytes)


async def _synced(registration: Registration, writer: ObjectWriter) -> bytes:
    try:
        sha256 = await writer.sync()
    except ObjectMissing as error:
        raise UploadLeaseLost(registration.id) from error  # only the sweep removes names
    failpoint("upload.synced")
    return sha256
