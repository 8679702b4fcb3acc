"""Pages of a job's files are ranges of one index, however many files the job has (design law 7)."""

from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from media_analysis.files.products import ProductFilter, ProductPosition, select_products
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import execute
from tests.plans import as_new, explain

JOB = UUID("01900000-0000-7000-8000-000000000001")
FILES = 100_000
_JOB = f"""
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)
    VALUES ('{JOB}', 'alice', 'n', 'frames', 'completed', 1, 0, 1, 'f', 'outputs')
"""
# All but a hundred are frames; the last ten of every category have no ordinal.
_FILES = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, job_id, role, ordinal, size_bytes,
                             reserved_bytes, created_at, stored_at, expiry_explicit)
    SELECT uuidv7(), 'alice',
        (CASE WHEN number <= 99900 THEN 'frames' WHEN number <= 99950 THEN 'outputs' ELSE 'clips' END)::category,
        'stored', 'k' || number, 'f', 'image/jpeg', '{JOB}',
        CASE WHEN unnumbered THEN NULL ELSE 'frame' END, CASE WHEN unnumbered THEN NULL ELSE number END, 1, 0,
        now(), now(), false
    FROM (
        SELECT number, number BETWEEN 99891 AND 99900 OR number BETWEEN 99941 AND 99950 OR number > 99990 AS unnumbered
        FROM generate_series(1, {FILES}) AS number
    ) AS made
"""


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over a job with a hundred thousand files; no oracle, for none has bytes."""
    async with open_runtime(settings, database) as opened:
        await execute(
            database,
            _JOB,
            "ALTER TABLE media_files DISABLE TRIGGER USER",
            _FILES,
            "ALTER TABLE media_files ENABLE TRIGGER USER",
            as_new("media_files"),
        )
        yield opened
    await execute(database, "TRUNCATE media_files")  # row by row, as between tests, would take seconds


NOWHERE = UUID(int=0)
POSITIONS = {
    "first": None,
    "second": ProductPosition(Category.FRAMES, 100, NOWHERE),
    "middle": ProductPosition(Category.FRAMES, 50_000, NOWHERE),
    "last frames": ProductPosition(Category.FRAMES, 99_880, NOWHERE),
    "unnumbered frames": ProductPosition(Category.FRAMES, None, NOWHERE),
}


async def test_a_page_reads_little_more_than_it_returns_wherever_it_lies(runtime: Runtime) -> None:
    places = [(place, category) for place in POSITIONS for category in (None, Category.FRAMES)]

    plans = [
        await explain(
            runtime,
            select_products(ProductFilter(job_id=JOB, category=category), after=POSITIONS[place], limit=100),
        )
        for place, category in places
    ]

    for plan, place in zip(plans, places, strict=True):
        assert plan.indexes == {"ix_media_files_job"}, place
        assert "Seq Scan" not in plan.kinds, place
        assert plan.rows_read <= 300, place


async def test_what_lies_in_the_trash_costs_no_page_of_what_is_shown(runtime: Runtime, database: str) -> None:
    await execute(
        database,
        "ALTER TABLE media_files DISABLE TRIGGER USER",
        "UPDATE media_files SET state = 'trashed', trashed_at = now() WHERE category = 'frames'",
        "ALTER TABLE media_files ENABLE TRIGGER USER",
        as_new("media_files"),
    )

    plan = await explain(runtime, select_products(ProductFilter(job_id=JOB), after=None, limit=100))

    assert plan.indexes == {"ix_media_files_job"}
    assert plan.rows_read <= 300


async def test_pages_go_on_from_numbered_files_to_the_others_and_to_the_next_category(runtime: Runtime) -> None:
    wanted = ProductFilter(job_id=JOB)

    page = await runtime.files.products.list(wanted, after=POSITIONS["last frames"], limit=80)
    rest = await runtime.files.products.list(wanted, after=page.next_after, limit=80)

    walked = Counter((file.category, file.ordinal is not None) for file in [*page.files, *rest.files])
    assert list(walked.items()) == [
        ((Category.FRAMES, True), 11),
        ((Category.FRAMES, False), 10),
        ((Category.OUTPUTS, True), 40),
        ((Category.OUTPUTS, False), 10),
        ((Category.CLIPS, True), 40),
        ((Category.CLIPS, False), 10),
    ]
    assert rest.next_after is None
