"""The files of one job, in the order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Select, and_, literal_column, select, text, tuple_, union_all
from sqlalchemy.orm import aliased

from media_analysis.columns import is_living
from media_analysis.db.database import Database, clock
from media_analysis.files.models import MediaFile
from media_analysis.storage.category import Category

# As the index has it: a parameter says nothing to whoever plans for all there are.
_SHOWN: Final[ColumnElement[bool]] = literal_column("state NOT IN ('pending', 'trashed')", Boolean)
_HAS_MANY: Final = text("""
    SELECT greatest(
        (SELECT count(*) FROM (SELECT FROM media_files WHERE job_id = :job_id LIMIT :limit) AS files),
        (SELECT count(*) FROM (SELECT FROM archived_files WHERE job_id = :job_id LIMIT :limit) AS copies)
    ) = :limit
""")


class ProductPosition(NamedTuple):
    """Where a file stands among those of its job; what no run made has no ordinal and comes last of its category."""

    category: Category
    ordinal: int | None
    id: UUID

    @classmethod
    def of(cls, file: MediaFile) -> Self:
        return cls(file.category, file.ordinal, file.id)


@dataclass(frozen=True, kw_only=True)
class ProductFilter:
    """Which files of a job a list shows; None means any."""

    job_id: UUID
    owner: str | None = None
    category: Category | None = None
    role: str | None = None

    def conditions(self, now: datetime | None) -> list[ColumnElement[bool]]:
        """Return what holds for each: what is staged, in the trash or expired is not shown."""
        wanted: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (MediaFile.job_id, self.job_id),
                (MediaFile.owner, self.owner),
                (MediaFile.category, self.category),
                (MediaFile.role, self.role),
            )
            if value is not None
        ]
        living = is_living(MediaFile.expires_at, clock(now))
        return [*wanted, _SHOWN, living]


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Some files of a job, and where the next page begins."""

    files: Sequence[MediaFile]
    next_after: ProductPosition | None


@dataclass(frozen=True)
class ProductService:
    """Lists what belongs to a job."""

    db: Database

    async def list(
        self, wanted: ProductFilter, *, after: ProductPosition | None, limit: int, now: datetime | None = None
    ) -> ProductPage:
        """Return one page of a job's living files by category, then ordinal."""

        async def read() -> Sequence[MediaFile]:
            async with self.db.read_only() as session:
                query = select_products(wanted, after=after, limit=limit + 1, now=now)
                return (await session.scalars(query)).all()

        files = await self.db.retry(read)
        more = len(files) > limit
        return ProductPage(files[:limit], ProductPosition.of(files[limit - 1]) if more else None)

    async def has_many(self, job_id: UUID, *, most: int) -> bool:
        """Say whether a job has more than `most` files in whatever state, or as many in its archive."""

        async def read() -> bool:
            async with self.db.read_only() as session:
                return bool((await session.execute(_HAS_MANY, {"job_id": job_id, "limit": most + 1})).scalar_one())

        return await self.db.retry(read)


def select_products(
    wanted: ProductFilter, *, after: ProductPosition | None, limit: int, now: datetime | None = None
) -> Select[Any]:
    """Return the query of a page; each part of it is one range of the job's index, however deep the page lies."""
    every = select(MediaFile).where(*wanted.conditions(now)).order_by(*_order(MediaFile)).limit(limit)
    if after is None:
        return every
    parts = union_all(*(every.where(rest) for rest in _behind(after))).subquery()
    file = aliased(MediaFile, parts)
    return select(file).order_by(*_order(file)).limit(limit)


def _order(file: Any) -> tuple[Any, ...]:
    return file.category, file.ordinal, file.id


def _behind(after: ProductPosition) -> list[ColumnElement[bool]]:
    """Return what lies behind a position; NULL, which compares with nothing, is last in the index."""
    same = MediaFile.category == after.category
    unnumbered = and_(same, MediaFile.ordinal.is_(None))
    further = MediaFile.category > after.category
    if after.ordinal is None:
        return [and_(unnumbered, MediaFile.id > after.id), further]
    numbered = and_(same, tuple_(MediaFile.ordinal, MediaFile.id) > tuple_(after.ordinal, after.id))
    return [numbered, unnumbered, further]
