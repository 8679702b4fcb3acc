"""The sources of a run held against the store: what the store lost or spoiled is not the client's fault."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from media_analysis.analysis.task import Source
from media_analysis.db.database import Database
from media_analysis.errors import (
    AnalysisCrashed,
    CorruptMedia,
    MediaLimitPassed,
    NoPictures,
    NoSuchPage,
    ObjectDamaged,
    ObjectMissing,
    TaskFailed,
    UnsupportedMedia,
)
from media_analysis.files.damage import note_damage
from media_analysis.jobs.attempts.attempt import AttemptSource
from media_analysis.storage.store import ObjectStore

BLAMING: Final = (CorruptMedia, UnsupportedMedia, NoPictures, NoSuchPage, MediaLimitPassed, TaskFailed, AnalysisCrashed)
"""What a run ends with when its sources are not to be read, or so it seems."""


async def require_sources(db: Database, store: ObjectStore, sources: Sequence[AttemptSource], *, read: bool) -> None:
    """Fail unless the store holds every source as its row says, down to its hash if they are to be `read`.

    Raises:
        ObjectMissing, ObjectDamaged: it does not; the file is marked, so that alerts tell of it.

    """
    for source in sources:
        try:
            await _require(store, source, read=read)
        except (ObjectMissing, ObjectDamaged) as error:
            await note_damage(db, store, source.file_id, error)
            raise


async def _require(store: ObjectStore, source: AttemptSource, *, read: bool) -> None:
    if not read or source.sha256 is None:
        await store.require(source.key, size_bytes=source.size_bytes)
        return
    reader = await store.open(source.key, size_bytes=source.size_bytes)
    digest = hashlib.sha256()
    async with aclosing(reader.read(0, reader.size_bytes)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            await asyncio.to_thread(digest.update, chunk)
    if digest.digest() != source.sha256:
        raise ObjectDamaged(source.key, "hash differs")


@asynccontextmanager
async def as_tasks_see_them(store: ObjectStore, sources: Sequence[AttemptSource]) -> AsyncIterator[list[Source]]:
    """Lend the sources with the places at which a child reads them, until the block ends."""
    async with store.local_copies([(source.key, source.size_bytes) for source in sources]) as paths:
        yield [
            Source(
                position=source.position,
                file_id=source.file_id,
                path=path,
                filename=source.filename,
                media_type=source.media_type,
                size_bytes=source.size_bytes,
            )
            for source, path in zip(sources, paths, strict=True)
        ]
