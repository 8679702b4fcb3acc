"""Pictures as files: found again, and stored by the one protocol where there is room that nothing else would miss."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from media_analysis.analysis.tasks.naming import stem_of
from media_analysis.db.database import Database, retried
from media_analysis.errors import MediaAnalysisError, ObjectDamaged, ObjectMissing
from media_analysis.files.damage import note_damage
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile
from media_analysis.files.renditions import (
    CATEGORY,
    Rendition,
    find_rendition,
    has_room,
    release_place,
    store_rendition,
)
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import PendingUploads, UploadProtocol
from media_analysis.files.upload.storing import WrittenUpload
from media_analysis.media.pictures import extension_of_format, media_type_of
from media_analysis.renditions.wishes import PictureWish
from media_analysis.storage.keys import object_key
from media_analysis.storage.store import ObjectWriter

log = structlog.get_logger()


@dataclass(slots=True)
class KeptPlace:
    """Where a picture that is about to be made may be kept."""

    keeper: "RenditionKeeper"
    uploads: PendingUploads
    asked: Registration

    async def take(self) -> bool:
        """Take it, so that nobody makes the same picture; False where somebody does."""
        return all(await self.uploads.register(self.asked))

    async def keep(self, content: bytes) -> None:
        """Store the picture; that it cannot be kept is logged and nobody's loss."""
        try:
            await self.keeper.store(self.uploads, self.asked, content)
        except MediaAnalysisError as error:
            log.info("rendition.not_kept", file_id=str(self.asked.parent_id), reason=error.code)
            await self.uploads.protocol.give_up([self.asked.id])


@dataclass(frozen=True)
class RenditionKeeper:
    """Finds and keeps pictures of files."""

    protocol: UploadProtocol

    async def find(self, file_id: UUID, wish: PictureWish) -> Rendition | None:
        """Return what is kept, or being made, of a wish."""
        return await find_rendition(self.protocol.db.driver.reads, file_id, wish.name)

    async def read(self, rendition: Rendition) -> bytes | None:
        """Return the bytes of one that is whole, None where the store lost them."""
        store = self.protocol.store
        try:
            return await store.read(rendition.key, size_bytes=rendition.size_bytes or 0)
        except (ObjectMissing, ObjectDamaged) as error:
            await note_damage(self.protocol.db, store, rendition.id, error)
            return None

    async def has_room(self, owner: str) -> bool:
        """Say whether a picture of an owner's file may be kept."""
        return await has_room(self.protocol.db.driver.reads, owner)

    @asynccontextmanager
    async def place(self, file: MediaFile, wish: PictureWish, old: Rendition | None) -> AsyncIterator[KeptPlace]:
        """Yield where a picture may be kept; what is not stored when the block ends is given up."""
        if old is not None:
            await self._release(old)
        async with self.protocol.pending() as uploads:
            yield KeptPlace(self, uploads, _registration(file, wish))

    async def store(self, uploads: PendingUploads, asked: Registration, content: bytes) -> None:
        """Write and store a picture that was registered.

        Raises:
            QuotaPassed, DiskReserveReached, UploadLeaseLost, DatabaseUnavailable, StoreUnavailable: it is not kept.

        """

        async def fill(writer: ObjectWriter) -> None:
            await writer.write(content)

        await self.protocol.require_disk_room(asked.key, len(content))
        written, _ = await uploads.write(asked, fill, Expiry())
        with uploads.committing():
            await self._store(written)

    @property
    def db(self) -> Database:
        return self.protocol.db

    @retried
    async def _store(self, written: WrittenUpload) -> None:
        async with self.db.transaction() as session:
            await store_rendition(session, written)

    @retried
    async def _release(self, old: Rendition) -> None:
        async with self.db.transaction() as session:
            await release_place(session, old)


def _registration(file: MediaFile, wish: PictureWish) -> Registration:
    written = wish.options().format
    file_id, extension = uuid7(), extension_of_format(written)
    return Registration(
        id=file_id,
        owner=file.owner,
        category=CATEGORY,
        key=object_key(CATEGORY, file_id, extension=extension, day=datetime.now(UTC), parent_id=file.id, job_id=None),
        filename=f"{stem_of(file.filename)}-{wish.name}.{extension}",
        media_type=media_type_of(written),
        parent_id=file.id,
        rendition=wish.name,
        exclusive=True,
    )
