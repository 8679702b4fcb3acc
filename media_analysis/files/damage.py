"""Files whose objects are not what their rows say: opened against the row, and written down once they are found."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database
from media_analysis.errors import MediaAnalysisError, ObjectDamaged, ObjectMissing
from media_analysis.storage.store import ObjectReader, ObjectStore

READER: Final = "reader"
"""Who found what shows when somebody reads a file."""
_DAMAGE: Final = text("""
    UPDATE media_files AS file SET last_error = found.sentence
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sentences AS text[])) AS found(id, sentence)
    WHERE file.id = found.id AND file.state IN ('stored', 'trashed')
        AND file.last_error IS DISTINCT FROM found.sentence
    RETURNING file.id, file.owner, file.job_id, file.last_error
""")
SHOWN_BY_OPENING: Final = ("missing", "size is ", "not a regular file")
"""What sentences begin with that opening the object can also disprove."""
_CLEAR: Final = text("""
    UPDATE media_files AS file SET last_error = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sentences AS text[])) AS known(id, sentence)
    WHERE file.id = known.id AND file.last_error = known.sentence
""")
_HEALED: Final = text("""
    UPDATE media_files AS file
    SET last_error = CASE WHEN file.last_error IS DISTINCT FROM healed.sentence THEN file.last_error END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sentences AS text[])) AS healed(id, sentence)
    WHERE file.id = healed.id
    RETURNING file.id, file.owner, file.job_id, healed.sentence
""")
log = structlog.get_logger()


class Tracked(Protocol):
    """What is to be known of a file in order to open its object."""

    @property
    def id(self) -> UUID: ...
    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def last_error(self) -> str | None: ...


async def open_tracked(db: Database, store: ObjectStore, file: Tracked) -> ObjectReader:
    """Open a file's object as its row describes it; one that is damaged is marked, so that alerts tell of it.

    A mark that this disproves is cleared: the object was brought back.

    Raises:
        ObjectMissing, ObjectDamaged: the store does not hold it.

    """
    try:
        reader = await store.open(file.key, size_bytes=file.size_bytes)
    except (ObjectMissing, ObjectDamaged) as error:
        await note_damage(db, store, file.id, error)
        raise
    if file.last_error is not None and file.last_error.startswith(SHOWN_BY_OPENING):
        with suppress(MediaAnalysisError):  # a scrub clears it, too
            async with db.transaction() as session:
                await clear_damage(session, {file.id: file.last_error})
    return reader


async def note_damage(db: Database, store: ObjectStore, file_id: UUID, error: ObjectMissing | ObjectDamaged) -> None:
    """Mark a file by what opening its object showed, unless what is missing is the store itself."""
    sentence = error.difference if isinstance(error, ObjectDamaged) else "missing"
    with suppress(MediaAnalysisError):  # what was found is told to the caller all the same
        await store.require_marker()
        async with db.transaction() as session:
            await mark_damaged(session, {file_id: sentence}, actor=READER)


async def mark_damaged(session: AsyncSession, sentences: Mapping[UUID, str], *, actor: str) -> None:
    """Write down what is wrong with the objects of files that still are; what is known already is told no second time.

    The sentences are those that a scrub clears when it finds the object whole again.
    """
    if not sentences:
        return
    facts = {"ids": list(sentences), "sentences": list(sentences.values())}
    marked = (await session.execute(_DAMAGE, facts)).all()
    for row in marked:
        log.error("file.damaged", file_id=str(row.id), reason=row.last_error)
    acts = [
        Act(
            actor=actor,
            action=Action.DAMAGED,
            owner=row.owner,
            file_id=row.id,
            job_id=row.job_id,
            reason=row.last_error,
        )
        for row in marked
    ]
    await add_events(session, acts)


async def clear_damage(session: AsyncSession, sentences: Mapping[UUID, str]) -> None:
    """Take back what was said of files whose objects are whole again; what was said meanwhile stays."""
    await session.execute(_CLEAR, {"ids": list(sentences), "sentences": list(sentences.values())})


async def note_healed(session: AsyncSession, sentences: Mapping[UUID, str], *, actor: str, source: str) -> None:
    """Take back what was said of files whose objects were mended from `source`, and write that down."""
    facts = {"ids": list(sentences), "sentences": list(sentences.values())}
    acts = []
    for row in (await session.execute(_HEALED, facts)).all():
        log.warning("file.healed", file_id=str(row.id), reason=row.sentence, source=source)
        about = {"owner": row.owner, "file_id": row.id, "job_id": row.job_id, "reason": row.sentence}
        acts.append(Act(actor=actor, action=Action.HEALED, details={"source": source}, **about))
    await add_events(session, acts)


async def count_damaged(session: AsyncSession) -> int:
    """Return how many files have objects that are not what their rows say."""
    query = text("SELECT count(*) FROM media_files WHERE last_error IS NOT NULL")
    return int((await session.execute(query)).scalar_one())
