"""Where replicas lie, as the database remembers it: one place at a time, begun anew where another is named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import select, text

from media_analysis.db.database import Database, retried
from media_analysis.events.horizon import EventHorizon
from media_analysis.replication.models import ReplicaPlace
from media_analysis.storage.category import Category

log = structlog.get_logger()

_TAKE: Final = text("""
    INSERT INTO replica_places (singleton, address, categories, logged, walk_after)
    VALUES (true, :address, :categories, :given, :given)
    ON CONFLICT (singleton) DO UPDATE SET address = excluded.address, categories = excluded.categories, since = now(),
        marked_at = NULL, logged = excluded.logged, walk_after = excluded.walk_after, walked = NULL,
        walk_ended_at = NULL
    WHERE replica_places.address <> excluded.address
    RETURNING address
""")
_END_COPIES: Final = text("TRUNCATE replicas")
# What other categories had copied stays copied, and goes with its files.
_CHOOSE: Final = text("""
    UPDATE replica_places SET categories = :categories, since = now(), walk_after = :given, walked = NULL,
        walk_ended_at = NULL
    WHERE address = :address AND categories <> CAST(:categories AS text[])
    RETURNING address
""")
# Of what somebody took on something may lie there already: it is copied all the same.
_END_UNCHOSEN: Final = text("""
    DELETE FROM replicas AS replica USING media_files AS file
    WHERE file.id = replica.file_id AND file.category <> ALL(CAST(:categories AS category[]))
        AND replica.copied_at IS NULL AND replica.attempts = 0
""")
_COPIES: Final = text("SELECT EXISTS (SELECT FROM replica_places WHERE CAST(:category AS text) = ANY(categories))")
_MARK: Final = text("UPDATE replica_places SET marked_at = now() WHERE address = :address AND marked_at IS NULL")
_IS_MARKED: Final = text("""
    SELECT EXISTS (SELECT FROM replica_places WHERE address = :address AND marked_at IS NOT NULL)
""")
_RENEW: Final = text("""
    UPDATE replica_places SET since = now(), marked_at = now(), walk_after = logged, walked = NULL, walk_ended_at = NULL
""")
_END: Final = text("DELETE FROM replica_places")


@dataclass(frozen=True)
class ReplicaPlaces:
    """Remembers the one place, and what is to begin anew when it is another one."""

    db: Database

    async def get(self) -> str | None:
        """Return the address of the place in force, None where there are no replicas."""
        async with self.db.read_only() as session:
            return (await session.execute(select(ReplicaPlace.address))).scalar_one_or_none()

    async def copies(self, category: Category) -> bool:
        """Say whether files of a category are copied to the place in force, whatever the settings say."""
        async with self.db.read_only() as session:
            return bool((await session.execute(_COPIES, {"category": category.value})).scalar_one())

    @retried
    async def take(self, address: str, categories: Sequence[Category]) -> None:
        """Make a place the one in force; if it was not, all files are to be copied there, or found there."""
        horizon = EventHorizon(self.db)
        await horizon.look()
        asked = {"address": address, "categories": [category.value for category in categories], "given": horizon.given}

        async with self.db.transaction() as session:
            if (await session.execute(_TAKE, asked)).one_or_none() is not None:
                await session.execute(_END_COPIES)
                log.info("replica.begun", address=address)
            if (await session.execute(_CHOOSE, asked)).one_or_none() is not None:
                await session.execute(_END_UNCHOSEN, {"categories": asked["categories"]})

    async def is_marked(self, address: str) -> bool:
        """Say whether this place was marked before, so that without its marker it is away rather than new."""
        async with self.db.read_only() as session:
            return bool((await session.execute(_IS_MARKED, {"address": address})).scalar_one())

    @retried
    async def note_marked(self, address: str) -> None:
        """Remember that the place in force carries its marker."""
        async with self.db.transaction() as session:
            await session.execute(_MARK, {"address": address})

    @retried
    async def renew(self) -> None:
        """Take the place in force for a new one: everything is copied there again."""
        async with self.db.transaction() as session:
            await session.execute(_RENEW)
            await session.execute(_END_COPIES)

    @retried
    async def end(self) -> None:
        """Have no replicas any more; what lies there stays."""
        async with self.db.transaction() as session:
            await session.execute(_END)
            await session.execute(_END_COPIES)
