"""Partial uploads made one file."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from media_analysis.db.database import Database, retried
from media_analysis.errors import UploadGone, UploadNotFound, UploadNotWhole
from media_analysis.failpoints import failpoint
from media_analysis.files.resumable import statements
from media_analysis.files.resumable.known import KnownUpload, gone_if_missing
from media_analysis.files.upload.service import Upload, UploadService


@dataclass(frozen=True)
class Joiner:
    """Makes files of parts, one behind the other; then the parts are gone."""

    db: Database
    uploads: UploadService
    settle: Callable[..., Awaitable[KnownUpload]]
    """`ResumableUploads.settle`, for a part whose last request broke off: its object may not be whole yet."""
    unfinished_seconds: float

    async def join(self, upload: Upload, parts: Sequence[UUID], *, metadata: str, concat: str) -> UUID:
        """Return the id of the file that parts are, of the one they became already where the same is asked again.

        Raises:
            UploadNotFound, UploadGone, UploadNotWhole: a part is not there, or not all of it.
            UploadTooLarge, QuotaReached, DiskReserveReached: together they are too much.

        """
        found = await self._find(upload.owner, parts)
        joined_id, *others = {part.joined_id for part in found}
        if joined_id is not None and not others:
            (earlier,) = await self._find(upload.owner, [joined_id])
            if (earlier.metadata, earlier.concat) == (metadata, concat):
                return joined_id
        _require_whole(found)
        found = [await self.settle(part.id, owner=part.owner) if part.is_unsettled else part for part in found]
        length_bytes = sum(part.offset_bytes for part in found)
        said = "\n".join([metadata, *map(str, parts)])
        key = f"join {hashlib.sha256(said.encode()).hexdigest()}"  # no client's own has a space
        whole = replace(upload, declared_bytes=length_bytes, idempotency_key=key)
        stored = await self.uploads.store_file(whole, self._read(found))
        failpoint("resumable.joined")
        await self._note_join(stored.id, whole, found, metadata=metadata, concat=concat)
        failpoint("resumable.join_noted")
        await self.uploads.protocol.give_up([part.id for part in found])
        return stored.id

    async def _find(self, owner: str, ids: Sequence[UUID]) -> Sequence[KnownUpload]:
        async with self.db.read_only() as session:
            known = await statements.find_uploads(session, ids, owner=owner)
        for part_id in ids:
            if part_id not in known:
                raise UploadNotFound(part_id)
        return [known[part_id] for part_id in ids]

    async def _read(self, parts: Sequence[KnownUpload]) -> AsyncIterator[bytes]:
        for part in parts:
            if part.key is not None:
                store = self.uploads.protocol.store
                async with gone_if_missing(part, store):  # it was given up just now
                    reader = await store.open(part.key, size_bytes=part.offset_bytes)
                async for chunk in reader.read(0, part.offset_bytes):
                    yield chunk

    @retried
    async def _note_join(
        self, upload_id: UUID, whole: Upload, parts: Sequence[KnownUpload], *, metadata: str, concat: str
    ) -> None:
        kept_for = self.unfinished_seconds
        async with self.db.transaction() as session:
            await statements.add_upload(
                session,
                upload_id,
                whole,
                metadata=metadata,
                concat=concat,
                unfinished_seconds=kept_for,
                most=2**62,  # for nothing of it is to come
            )
            length_bytes = whole.declared_bytes or 0
            await statements.finish_upload(session, upload_id, length_bytes=length_bytes, unfinished_seconds=kept_for)
            await statements.mark_joined(session, [part.id for part in parts], upload_id)


def _require_whole(parts: Sequence[KnownUpload]) -> None:
    for part in parts:
        if part.is_gone:
            raise UploadGone(part.id, ended_at=part.ends_at)
        if not part.is_partial or not part.is_whole:
            raise UploadNotWhole(part.id)
