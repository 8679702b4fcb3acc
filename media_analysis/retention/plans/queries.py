"""Rows of plans: made on one snapshot, listed, and held against what has become of their files."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY, RETENTION_RULE
from media_analysis.deletion.due import FACTS, DueFile
from media_analysis.retention.models import Plan, Sweep, SweepStatus
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category

END_PLANS: Final = "DELETE FROM plans"
END_PLAN_FILES: Final = "DELETE FROM plan_files"
START: Final = UUID(int=0)


class PlannedFile(NamedTuple):
    """One file of a plan, as it was when the plan was made."""

    id: UUID
    category: Category
    version: int
    size_bytes: int
    rule: RetentionRule

    @property
    def line(self) -> str:
        """What the plan's hash says of it."""
        return f"{self.id} {self.version} {self.size_bytes} {self.rule.value}\n"


# Versions and sizes come from the very snapshot the decision was made on.
_ADD_FILES = text("""
    INSERT INTO plan_files (plan_id, file_id, category, version, size_bytes, rule)
    SELECT :plan_id, file.id, file.category, file.version, file.size_bytes, CAST(decided.rule AS retention_rule)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:rules AS text[])) AS decided(id, rule) JOIN media_files AS file USING (id)
""")

_LIST_FILES = text("""
    SELECT file_id, category, version, size_bytes, rule FROM plan_files
    WHERE plan_id = :plan_id AND file_id > :after ORDER BY file_id LIMIT :limit
""").columns(category=CATEGORY, rule=RETENTION_RULE)

_LIST_FILES_OF = text("""
    SELECT file_id, category, version, size_bytes, rule FROM plan_files
    WHERE plan_id = :plan_id AND category = CAST(:category AS category) AND file_id > :after
    ORDER BY file_id LIMIT :limit
""").columns(category=CATEGORY, rule=RETENTION_RULE)

_LOCK_FILES = text(f"""
    SELECT version, {FACTS} FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")  # noqa: S608 - constants


async def add_files(session: AsyncSession, plan_id: UUID, decided: Mapping[UUID, RetentionRule]) -> None:
    """Write down files of a plan with the versions and sizes they have on the session's snapshot."""
    await session.execute(
        _ADD_FILES, {"plan_id": plan_id, "ids": list(decided), "rules": [rule.value for rule in decided.values()]}
    )


async def list_files(
    session: AsyncSession, plan_id: UUID, *, after: UUID, limit: int, category: Category | None = None
) -> Sequence[PlannedFile]:
    """Return files of a plan in the order of their ids, above `after`."""
    page: dict[str, object] = {"plan_id": plan_id, "after": after, "limit": limit}
    if category is None:
        rows = await session.execute(_LIST_FILES, page)
    else:
        rows = await session.execute(_LIST_FILES_OF, {**page, "category": category.value})
    return [PlannedFile._make(row) for row in rows]


async def lock_plan(session: AsyncSession, plan_id: UUID) -> Plan | None:
    """Return a plan nobody else can apply until the transaction ends."""
    return await session.get(Plan, plan_id, with_for_update=True)


async def lock_files(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, tuple[int, DueFile]]:
    """Return the living among some files, locked, with their versions; waits for whoever holds one."""
    rows = await session.execute(_LOCK_FILES, {"ids": list(ids)})
    return {row[1]: (row[0], DueFile._make(row[1:])) for row in rows}


async def get_plan(session: AsyncSession, plan_id: UUID) -> tuple[Plan, SweepStatus | None] | None:
    """Return a plan and how the sweep that applied it stands."""
    query = select(Plan, Sweep.status).outerjoin(Sweep, Sweep.id == Plan.sweep_id).where(Plan.id == plan_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def list_plans(
    session: AsyncSession, *, before: UUID | None, limit: int
) -> Sequence[tuple[Plan, SweepStatus | None]]:
    """Return plans with how the sweeps that applied them stand, newest first."""
    query = select(Plan, Sweep.status).outerjoin(Sweep, Sweep.id == Plan.sweep_id)
    if before is not None:
        query = query.where(Plan.id < before)
    rows = await session.execute(query.order_by(Plan.id.desc()).limit(limit))
    return [(plan, status) for plan, status in rows]
