"""Pages of files are ranges of indexes, whatever they are narrowed to and however much is over (design law 7)."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import asyncpg
import pytest

from media_analysis.db.driver import READ_ONLY
from media_analysis.files.filters import FileFilter
from media_analysis.files.reading import FilePlace, select_page
from media_analysis.labels import parse_filters
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import execute
from tests.plans import Plan, as_new, planned
from tests.reused import CONNECTIONS

LIMIT = 50
PENDING = 100
JOB = UUID("01900000-0000-7000-8000-000000000001")
_JOB = f"""
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)
    VALUES ('{JOB}', 'alice', 'n', 'frames', 'completed', 1, 0, 1, 'f', 'outputs')
"""
# The newest tenth is alice's, over and not yet swept; below it half of what lives is hers, and bob has next to nothing.
# A tenth of the files are her job's, of those that are over as of those that live; a twentieth lies in the trash,
# to be deleted before all others end, and a ninth of the others is kept.
# A fifth has a camera, those that are over, too; an event have the very oldest.
_FILES = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, job_id, size_bytes, reserved_bytes,
                             stored_at, expires_at, expiry_explicit, due_at, trashed_at, labels)
    SELECT uuidv7((number - {rows}) * interval '1 second'),
        CASE WHEN number % ({rows} / 100) = 7 THEN 'bob' WHEN is_over OR number % 2 = 0 THEN 'alice'
            ELSE 'owner' || number % 4 END,
        (CASE WHEN number % ({rows} / 100) = 7 THEN 'frames' WHEN number % 3 = 0 THEN 'clips' ELSE 'uploads'
            END)::category,
        (CASE WHEN number % 20 = 2 AND NOT is_over THEN 'trashed' WHEN number % ({rows} / 100) = 4 THEN 'pending'
            ELSE 'stored' END)::file_state,
        'k' || number, 'f', 'text/plain', CASE WHEN number % 10 = 0 THEN uuid '{job}' END, 1, 0, now(), ends_at,
        number % 4 = 0, CASE WHEN number % 20 = 2 THEN now() + interval '1 hour' WHEN number % 9 > 0 THEN ends_at END,
        CASE WHEN number % 20 = 2 THEN now() END,
        CASE WHEN number % 5 = 2 THEN
            jsonb_build_object('camera', CASE WHEN number % 2 = 0 THEN 'north' ELSE 'south' END)
            || CASE WHEN number < 200 THEN '{{"event": "evt42"}}' ELSE '{{}}' END::jsonb END
    FROM (SELECT *, CASE WHEN is_over THEN now() - number * interval '1 millisecond'
            WHEN number % 7 > 0 THEN now() + (1 + number % 1000) * interval '1 hour' END AS ends_at
        FROM (SELECT number, number > {rows} * 10 / 11 AS is_over FROM generate_series(1, {rows}) AS number) AS counted
    ) AS made
"""
_SAME = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes,
                             expiry_explicit, stored_at)
    SELECT uuidv7(), '{owner}' || number % 16, '{category}', 'stored', '{category}' || number, 'f', 'text/plain', 1, 0,
        false, now()
    FROM generate_series(1, 20000) AS number
"""
_KEPT = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes,
                             expiry_explicit, stored_at, expires_at, due_at, parent_id, rendition)
    SELECT uuidv7(), CASE WHEN number % 2 = 0 THEN 'alice' ELSE 'carol' END, 'temp', 'stored', 'kept' || number, 'f',
        'image/webp', 1, 0, false, now(), ends_at, ends_at, uuidv7(), 'thumbnail'
    FROM (
        SELECT number, now() + number * interval '1 second' AS ends_at FROM generate_series(1, 20000) AS number
    ) AS made
"""
SOON, LATE = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
NARROWED = {
    "nothing": FileFilter(),
    "a category": FileFilter(category=Category.CLIPS),
    "a rare category": FileFilter(category=Category.FRAMES),
    "a category of nobody": FileFilter(category=Category.OUTPUTS),
    "stored": FileFilter(state=FileState.STORED),
    "pending": FileFilter(state=FileState.PENDING),
    "trashed": FileFilter(state=FileState.TRASHED),
    "trashed of a category": FileFilter(state=FileState.TRASHED, category=Category.CLIPS),
    "trashed of a rare category": FileFilter(state=FileState.TRASHED, category=Category.FRAMES),
    "an end and trashed": FileFilter(expires_before=LATE, state=FileState.TRASHED),
    "an end, trashed, of a rare category": FileFilter(
        expires_before=LATE, state=FileState.TRASHED, category=Category.FRAMES
    ),
    "archived": FileFilter(state=FileState.ARCHIVED),
    "a job": FileFilter(job_id=JOB),
    "a job and an end": FileFilter(job_id=JOB, expires_before=LATE),
    "an end": FileFilter(expires_before=LATE),
    "an end before all": FileFilter(expires_before=SOON),
    "an end and a category": FileFilter(expires_before=LATE, category=Category.CLIPS),
    "an end and a rare category": FileFilter(expires_before=LATE, category=Category.FRAMES),
    "an end and pending": FileFilter(expires_before=LATE, state=FileState.PENDING),
    **{
        name: FileFilter(labels=parse_filters(told), **about)
        for name, told, about in (
            ("a label", ["camera:north"], {}),
            ("a key", ["camera"], {}),
            ("a rare label", ["event:evt42"], {}),
            ("a label of nothing", ["camera:west"], {}),
            ("a label and not another", ["camera", "!event"], {}),
            ("a rare label and another", ["event:evt42", "camera:north"], {}),
            ("a label, stored", ["camera:north"], {"state": FileState.STORED}),
            ("a label, trashed", ["camera:north"], {"state": FileState.TRASHED}),
            ("a label and a category", ["camera:north"], {"category": Category.CLIPS}),
            ("a label and a rare category", ["camera:north"], {"category": Category.FRAMES}),
            ("a label and an end", ["camera:north"], {"expires_before": LATE}),
            ("a rare label and an end", ["event:evt42"], {"expires_before": LATE}),
            ("a label, an end and a category", ["camera"], {"expires_before": LATE, "category": Category.CLIPS}),
            ("a label, an end, trashed", ["camera"], {"expires_before": LATE, "state": FileState.TRASHED}),
        )
    },
}
OWNERS = (None, "alice", "bob")
TYPES = {str: "text", UUID: "uuid", datetime: "timestamptz"}


@pytest.fixture
async def connection(database: str, rows: int) -> AsyncIterator[asyncpg.Connection]:
    await execute(
        database,
        _JOB,
        "ALTER TABLE media_files DISABLE TRIGGER USER",
        "ALTER TABLE media_files ENABLE TRIGGER index_labels_on_insert",
        _FILES.format(rows=rows, job=JOB),
        "ALTER TABLE media_files ENABLE TRIGGER USER",
        as_new("media_files", "file_labels"),
    )
    async with CONNECTIONS.lend(database) as lent:
        await lent.execute("; ".join(f"SET {name} = '{value}'" for name, value in READ_ONLY.items()))
        yield lent
        await lent.execute("RESET ALL")
    await execute(database, "TRUNCATE media_files, file_labels")  # row by row, as between tests, would take long


def questions() -> Iterator[tuple[str, FileFilter, FilePlace | None]]:
    for (name, narrowed), owner in product(NARROWED.items(), OWNERS):
        wanted = FileFilter(**{**vars(narrowed), "owner": owner})
        yield f"{name} of {owner}", wanted, None
        yield f"{name} of {owner}, later", wanted, FilePlace(UUID(int=2**128 - 1), datetime.now(UTC))


@pytest.mark.parametrize("rows", [22_000, pytest.param(1_100_000, marks=pytest.mark.large)])
async def test_a_page_reads_little_more_than_it_shows(connection: asyncpg.Connection, rows: int) -> None:
    for (name, wanted, after), plans in product(questions(), ("custom", "generic")):
        plan = await page_plan(connection, wanted, after, plans)

        assert not plan.read_whole, (name, plans)
        tables = 3 if wanted.labels else 2  # by labels, the rows that are kept of them come before the files
        assert plan.rows_read <= tables * LIMIT + PENDING, (name, plans, plan.rows_read)


@pytest.mark.parametrize("rows", [100])
async def test_a_page_reads_no_more_where_statistics_are_older_than_the_files(
    connection: asyncpg.Connection, database: str
) -> None:
    older, newer = (_SAME.format(owner=f"{name}-", category=of) for name, of in (("all", "uploads"), ("newer", "temp")))
    await execute(database, "TRUNCATE media_files", older, "ANALYZE media_files", newer)

    plan = await page_plan(connection, FileFilter(owner="all-1"), None, "generic")

    assert plan.rows_read <= 2 * LIMIT + PENDING


@pytest.mark.parametrize("rows", [100])
async def test_a_page_is_not_read_through_pictures_that_are_kept_of_files(
    connection: asyncpg.Connection, database: str
) -> None:
    await execute(
        database,
        "ALTER TABLE media_files DISABLE TRIGGER USER",
        _KEPT,
        "ALTER TABLE media_files ENABLE TRIGGER USER",
        "ANALYZE media_files",
    )
    asked = product(("nothing", "stored", "an end"), OWNERS, (None, Category.TEMP), ("custom", "generic"))

    for name, owner, category, plans in asked:
        wanted = FileFilter(**{**vars(NARROWED[name]), "owner": owner, "category": category})
        plan = await page_plan(connection, wanted, None, plans)

        assert plan.rows_read <= 2 * LIMIT + PENDING, (name, owner, category, plans)


async def page_plan(connection: asyncpg.Connection, wanted: FileFilter, after: FilePlace | None, plans: str) -> Plan:
    given: list[object] = []
    page = select_page(wanted, after=after, limit=LIMIT, given=given)
    types, values = [TYPES[type(one)] for one in given], [f"'{one}'" for one in given]
    return await planned(connection, page, types, values, plans=plans)
