"""Pages of the log, with what is known now of the files and jobs they tell of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.feed.events import EventPlace, EventSelection, ToldEvent
from media_analysis.storage.category import Category

_PAGE: Final = """
    SELECT event.id AS logged, coalesce(part.place, 0) AS place, event.at, event.owner, event.type,
        event.category::text AS category, event.job_id, part.file_id, event.data
    FROM (
        SELECT * FROM events WHERE {conditions} ORDER BY id
    ) AS event LEFT JOIN LATERAL unnest(event.file_ids) WITH ORDINALITY AS part(file_id, place) ON true
    WHERE (event.id, coalesce(part.place, 0)) > (:logged, :place) {besides}
    ORDER BY event.id, part.place LIMIT :limit
"""
_FILES: Final = text("""
    WITH asked AS (SELECT unnest(CAST(:ids AS uuid[])) AS id)
    SELECT file.id, file.filename, file.media_type, file.size_bytes, file.labels
    FROM asked JOIN media_files AS file USING (id)
    UNION ALL
    SELECT stone.id, stone.filename, stone.media_type, stone.size_bytes, stone.labels
    FROM asked JOIN tombstones AS stone USING (id)
""")
_JOBS: Final = text("SELECT id, name, kind, labels FROM analysis_jobs WHERE id = ANY(CAST(:ids AS uuid[]))")
_ENDED: Final = text("""
    SELECT coalesce(max(through), 0) AS of_these, coalesce(max(through) FILTER (WHERE owner = ''), 0) AS of_all
    FROM event_ends
    WHERE CAST(:owners AS text[]) IS NULL OR owner = '' OR owner = ANY(CAST(:owners AS text[]))
""")


class FeedPage(NamedTuple):
    """Some events in order."""

    events: Sequence[ToldEvent]
    after: EventPlace
    """Behind what of the log was looked at for it."""
    ended: int
    """Up to where events have ended: some that are older may be missing."""


async def read_page(
    session: AsyncSession, wanted: EventSelection, after: EventPlace, *, until: int, limit: int
) -> FeedPage:
    """Return the next events behind a place that are wanted; of up to `limit`, where labels are asked for."""
    owners = None if wanted.owners is None else sorted(wanted.owners)
    ended = (await session.execute(_ENDED, {"owners": owners})).one()
    conditions, given = _conditions(wanted)
    statement = text(_PAGE.format(conditions=conditions, besides=_besides(wanted)))
    asked = given | {"logged": after.logged, "place": after.file, "until": until, "limit": limit, "ended": ended.of_all}
    rows = (await session.execute(statement, asked)).all()
    told = await _with_facts(session, rows)
    behind = EventPlace(rows[-1].logged, rows[-1].place) if len(rows) == limit else max(EventPlace(until), after)
    wanted_ones = [event for event in told if all(label.is_met(event.labels) for label in wanted.labels)]
    return FeedPage(wanted_ones, behind, ended.of_these)


def _conditions(wanted: EventSelection) -> tuple[str, dict[str, Any]]:
    # Behind the end of the log there is only what stayed for jobs.
    conditions = ["id >= :logged AND id <= :until AND id > :ended AND type = ANY(CAST(:types AS text[]))"]
    given: dict[str, Any] = {"types": sorted(wanted.types)}
    if wanted.owners is not None and len(wanted.owners) == 1:  # in the order of their index
        conditions.append("owner = :owner")
        given["owner"] = next(iter(wanted.owners))
    elif wanted.owners is not None:
        conditions.append("owner = ANY(CAST(:owners AS text[]))")
        given["owners"] = sorted(wanted.owners)
    if wanted.categories:
        conditions.append("category = ANY(CAST(:categories AS category[]))")
        given["categories"] = sorted(wanted.categories)
    if wanted.job_id is not None:
        conditions.append("job_id = :job_id")
        given["job_id"] = wanted.job_id
    if wanted.file_id is not None:
        conditions.append("file_ids @> ARRAY[CAST(:file_id AS uuid)]")
        given["file_id"] = wanted.file_id
    return " AND ".join(conditions), given


def _besides(wanted: EventSelection) -> str:
    return "" if wanted.file_id is None else "AND part.file_id = :file_id"


async def _with_facts(session: AsyncSession, rows: Sequence[Any]) -> Sequence[ToldEvent]:
    files = await _find(session, _FILES, (row.file_id for row in rows))
    jobs = await _find(session, _JOBS, (row.job_id for row in rows if row.file_id is None))
    return [_told(row, files.get(row.file_id) or jobs.get(row.job_id)) for row in rows]


async def _find(session: AsyncSession, statement: Any, ids: Iterable[UUID | None]) -> Mapping[UUID, Any]:
    asked = list({one for one in ids if one is not None})
    return {row.id: row for row in await session.execute(statement, {"ids": asked})} if asked else {}


def _told(row: Any, facts: Any) -> ToldEvent:
    known = {} if facts is None else {name: value for name, value in facts._mapping.items() if value is not None}  # noqa: SLF001 - of a row
    labels = known.pop("labels", {})
    known.pop("id", None)
    return ToldEvent(
        place=EventPlace(row.logged, row.place),
        type=row.type,
        at=row.at,
        owner=row.owner,
        category=None if row.category is None else Category(row.category),
        job_id=row.job_id,
        file_id=row.file_id,
        labels=labels,
        data={**known, **row.data},
    )
