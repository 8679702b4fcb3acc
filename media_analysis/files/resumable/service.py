"""Resumable uploads: made, gone on with, joined, ended; what is told of one is what is durable of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.errors import (
    LengthPassed,
    MediaTypeNotAccepted,
    OffsetMismatch,
    TooManyAtOnce,
    UploadFinished,
    UploadGone,
    UploadJoined,
    UploadNotFound,
    UploadTooLarge,
)
from media_analysis.failpoints import failpoint
from media_analysis.files.resumable import statements
from media_analysis.files.resumable.appending import Appender
from media_analysis.files.resumable.joining import Joiner
from media_analysis.files.resumable.known import KnownUpload, gone_if_missing
from media_analysis.files.resumable.models import PARTIAL
from media_analysis.files.resumable.pieces import Piece
from media_analysis.files.resumable.turns import Turns
from media_analysis.files.upload.bodies import timed
from media_analysis.files.upload.room import Arrival
from media_analysis.files.upload.service import Upload, UploadService
from media_analysis.files.upload.storing import WrittenUpload

MOST_UNFINISHED: Final = 10_000
"""Of each owner."""


@dataclass(frozen=True)
class UploadPage:
    """Some uploads that are under way, newest first, and where the next page begins."""

    uploads: Sequence[KnownUpload]
    next_before: UUID | None


@dataclass(frozen=True)
class ResumableUploads:
    """Takes uploads in pieces; a file they become is durable, and HEAD tells no byte that is not (tus 1.0)."""

    db: Database
    uploads: UploadService
    unfinished_seconds: float
    """How long after its last byte an upload that is not all here is kept."""

    async def create(self, upload: Upload, *, metadata: str, is_partial: bool) -> KnownUpload:
        """Note an upload that is to come; nothing moves for what it announces, and an empty one is a file at once.

        Raises:
            UploadTooLarge, QuotaReached, DiskReserveReached: it could never be stored.
            InvalidRequest, JobArchived: nor could it with this job, or this parent.
            TooManyAtOnce: the owner has as many unfinished as one may.

        """
        upload_id, limits = uuid7(), self.uploads.limits
        if (upload.declared_bytes or 0) > limits.max_bytes:
            raise UploadTooLarge(limit_bytes=limits.max_bytes)
        asked = self.uploads.register_as(upload, "")
        await self.uploads.disk.require_possible(asked, upload.declared_bytes)
        if not is_partial and (asked.job_id or asked.parent_id):
            await self.appender.transactions.require_registrable(asked)
        await self._add(upload_id, upload, metadata=metadata, concat=PARTIAL if is_partial else None)
        failpoint("resumable.created")
        return await self._find(upload_id, owner=upload.owner)

    async def get(self, upload_id: UUID, *, owner: str | None) -> KnownUpload:
        """Return an upload as it is, while it may go on.

        Raises:
            UploadNotFound, UploadGone: it is not there, or no more.

        """
        known = await self._find(upload_id, owner=owner)
        if known.is_gone:
            raise UploadGone(upload_id, ended_at=known.ends_at)
        return known

    async def settle(self, upload_id: UUID, *, owner: str | None) -> KnownUpload:
        """Return an upload once nobody writes to it, for whoever is about to go on: what was received is durable then.

        One that is all here and not stored yet, because something stood in its way, is stored; a part is made whole.

        Raises:
            UploadNotFound, UploadGone: it is not there, or no more.
            QuotaReached, MediaTypeNotAccepted: it is all here, and cannot be stored.

        """
        known = await self.get(upload_id, owner=owner)  # before anybody is ended for it
        if not (self.turns.is_taken(upload_id) or known.is_unsettled):
            return known
        async with self.turns.take(upload_id, loses=False):
            known = await self.get(upload_id, owner=owner)
            if known.is_unsettled:
                async with gone_if_missing(known, self.uploads.protocol.store):
                    sha256 = await self.appender.end(known)
                return await self._end_whole(await self._find(upload_id, owner=owner), sha256)
        return known

    async def list(self, *, owner: str | None, before: UUID | None, limit: int) -> UploadPage:
        """Return one page of what is under way."""
        async with self.db.read_only() as session:
            found = await statements.list_unfinished(session, owner=owner, before=before, limit=limit + 1)
        return UploadPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    async def append(self, upload_id: UUID, piece: Piece, *, owner: str | None) -> KnownUpload:
        """Write what a request brings, as `Appender.append` does; the last piece makes a file of all of them.

        Raises:
            UploadNotFound, UploadGone, UploadJoined: nothing can be added to it.
            OffsetMismatch, LengthPassed, UploadSuperseded: not this.

        """
        known = await self.get(upload_id, owner=owner)
        if known.concat not in {None, PARTIAL}:
            raise UploadJoined
        if known.is_whole and known.key is not None and not piece.announced_bytes:
            if piece.offset_bytes != known.offset_bytes:
                raise OffsetMismatch(offset_bytes=known.offset_bytes)
            async for _ in timed(piece.body, self.uploads.limits.pace):
                raise LengthPassed(length_bytes=known.offset_bytes)
            return await self.settle(upload_id, owner=owner)  # the answer to its last piece was lost
        piece.require_next_of(known, max_bytes=self.uploads.limits.max_bytes)
        async with self.turns.take(upload_id) as turn:
            async with gone_if_missing(known, self.uploads.protocol.store):
                sha256 = await self.appender.append(turn, known, piece)
            known = await self._find(upload_id, owner=owner)
            return known if sha256 is None else await self._end_whole(known, sha256)

    async def join(self, upload: Upload, parts: Sequence[UUID], *, metadata: str, concat: str) -> KnownUpload:
        """Make a file of partial uploads, one behind the other; then they are gone.

        Asked again, after an answer that was lost, it is the same file.

        Raises:
            UploadNotFound, UploadGone, UploadNotWhole: one is not there, or not all of it, or what they became.
            UploadTooLarge, QuotaReached, DiskReserveReached: together they are too much.

        """
        joined_id = await self.joiner.join(upload, parts, metadata=metadata, concat=concat)
        return await self.get(joined_id, owner=upload.owner)

    async def terminate(self, upload_id: UUID, *, owner: str | None) -> None:
        """Give an upload up, whoever still brings bytes for it.

        Raises:
            UploadNotFound: it is not there.
            UploadFinished: it has become a file.

        """
        known = await self._find(upload_id, owner=owner)
        if known.is_stored:
            raise UploadFinished(upload_id)
        async with self.turns.take(upload_id):
            await self.uploads.protocol.give_up([upload_id])
            # The request that was waited for may have brought the last of it.
            if (await self._find(upload_id, owner=owner)).is_stored:
                raise UploadFinished(upload_id)
            await self._end([upload_id])

    async def _end_whole(self, known: KnownUpload, sha256: bytes) -> KnownUpload:
        """Make what its object is there of, whole, a file, or a part that others can be joined with."""
        if not known.is_partial:
            return await self._store(known, sha256)
        await self._finish(known)
        return known

    async def _store(self, known: KnownUpload, sha256: bytes) -> KnownUpload:
        """Make the pending file a stored one (T2)."""
        upload, asked = known.upload, known.registration(known.key or "", known.media_type or "")
        arrival = Arrival(self.db, self.uploads.room, asked, known.length_bytes)
        try:
            accepted, store = self.uploads.limits.accepted, self.uploads.protocol.store
            media_type = await accepted.judge_object(store, asked, declared=upload.declared_type)
        except MediaTypeNotAccepted:
            await self.uploads.protocol.give_up([known.id])
            raise
        asked = await arrival.complete(upload.filename, upload.parent_id, upload.labels, media_type)
        written = WrittenUpload(registration=asked, size_bytes=known.offset_bytes, sha256=sha256, expiry=upload.expiry)
        await self.uploads.store(written)
        failpoint("resumable.stored")
        await self._finish(known)
        await self.uploads.room.notice(upload.category)
        return await self._find(known.id, owner=known.owner)

    async def _find(self, upload_id: UUID, *, owner: str | None) -> KnownUpload:
        async with self.db.read_only() as session:
            found = (await statements.find_uploads(session, [upload_id], owner=owner)).get(upload_id)
        if found is None:
            raise UploadNotFound(upload_id)
        return found

    @retried
    async def _add(self, upload_id: UUID, upload: Upload, *, metadata: str, concat: str | None) -> None:
        async with self.db.transaction() as session:
            if not await statements.add_upload(
                session,
                upload_id,
                upload,
                metadata=metadata,
                concat=concat,
                unfinished_seconds=self.unfinished_seconds,
                most=MOST_UNFINISHED,
            ):
                raise TooManyAtOnce("unfinished uploads", limit=MOST_UNFINISHED)

    @retried
    async def _finish(self, known: KnownUpload) -> None:
        async with self.db.transaction() as session:
            await statements.finish_upload(
                session, known.id, length_bytes=known.offset_bytes, unfinished_seconds=self.unfinished_seconds
            )

    @retried
    async def _end(self, ids: Sequence[UUID]) -> None:
        async with self.db.transaction() as session:
            await statements.end_uploads(session, ids)

    async def close(self) -> None:
        """Finish what was submitted."""
        await self.appender.transactions.close()

    @cached_property
    def turns(self) -> Turns:
        """Who writes to which upload."""
        return Turns()

    @cached_property
    def joiner(self) -> Joiner:
        """What makes files of parts."""
        return Joiner(self.db, self.uploads, self.settle, self.unfinished_seconds)

    @cached_property
    def appender(self) -> Appender:
        """What writes the pieces."""
        return Appender(self.db, self.uploads, self.unfinished_seconds, self.turns)
