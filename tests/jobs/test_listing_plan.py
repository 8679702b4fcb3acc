"""Pages of jobs come from an index, whatever they are narrowed to (design law 7)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.db.base import Base
from media_analysis.db.ids import beginning_with, ending_with
from media_analysis.jobs.labelled import lists_of_jobs
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import JobFilter, select_jobs
from media_analysis.labels import LabelFilter
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute
from tests.plans import UNORDERED, explain

# Ten thousand jobs, one a minute up to now, with ids as they would have been made; the elder half is archived.
_JOBS = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
                               created_at, archived_at, labels)
    SELECT id, 'owner' || number % 50, 'n', CASE WHEN number % 100 = 0 THEN 'external' ELSE 'analyze' END,
        (CASE WHEN number % 200 = 0 THEN 'failed' ELSE 'completed' END)::job_status, 1, 0, 1,
        to_char(created_at, 'YYYYMMDD_HH24MISS_') || id, 'outputs', created_at,
        CASE WHEN number <= 5000 THEN created_at END,
        CASE WHEN number % 20 = 7 THEN '{"camera": "north"}'::jsonb END
    FROM (
        SELECT number, now() - (10000 - number) * interval '1 minute' AS created_at,
            uuidv7(-(10000 - number) * interval '1 minute') AS id
        FROM generate_series(1, 10000) AS number
    ) AS made
"""


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over ten thousand jobs; no oracle, for none has anything."""
    async with open_runtime(settings, database) as opened:
        # Earlier tests leave pages in indexes, which makes one as dear as another.
        await execute(database, _JOBS)
        await execute(database, "VACUUM ANALYZE analysis_jobs, job_labels")
        await execute(database, "REINDEX TABLE analysis_jobs")
        yield opened


PAGES = [
    (JobFilter(), "ix_analysis_jobs_active"),
    (JobFilter(owner="owner7"), "ix_analysis_jobs_active_owner"),
    (JobFilter(kind="external"), "ix_analysis_jobs_kind"),
    (JobFilter(statuses=[JobStatus.FAILED]), "ix_analysis_jobs_status"),
]


@pytest.mark.parametrize("before", [None, UUID("ffffffff-0000-7000-8000-000000000000")], ids=["first", "later"])
async def test_a_page_of_jobs_follows_an_index(runtime: Runtime, before: UUID | None) -> None:
    plans = [(await explain(runtime, select_jobs(wanted, before=before, limit=20)), index) for wanted, index in PAGES]

    for plan, index in plans:
        assert plan.indexes == {index}
        assert not plan.kinds & UNORDERED
        assert plan.rows_read == 20


@pytest.mark.parametrize(("owner", "index"), [(None, "ix_job_labels_any"), ("owner7", "ix_job_labels_own")])
async def test_a_page_of_jobs_by_a_label_follows_the_list_of_the_label(
    runtime: Runtime, owner: str | None, index: str
) -> None:
    wanted = JobFilter(owner=owner, labels=(LabelFilter("camera", "north"), LabelFilter("event", wanted=False)))

    plan = await explain(runtime, select_jobs(wanted, before=UUID("ffffffff-0000-7000-8000-000000000000"), limit=20))

    assert plan.indexes - {"pk_analysis_jobs", "ix_analysis_jobs_active", "ix_analysis_jobs_active_owner"} == {index}
    assert not plan.kinds & UNORDERED
    assert plan.rows_read == 40


@pytest.mark.parametrize("owner", [None, "owner7"])
async def test_jobs_that_have_several_labels_are_read_along_the_rarest(
    runtime: Runtime, database: str, owner: str | None
) -> None:
    await execute(
        database,
        """UPDATE analysis_jobs SET labels = labels || '{"event": "evt42"}' WHERE id = (
            SELECT id FROM analysis_jobs WHERE labels IS NOT NULL AND owner = 'owner7' AND archived_at IS NULL LIMIT 1
        )""",
    )
    wanted = JobFilter(owner=owner, labels=(LabelFilter("camera", "north"), LabelFilter("event", "evt42")))

    page = await runtime.jobs.catalog.list(wanted, before=None, limit=20)
    rarest = await lists_of_jobs(owner).rarest_first(runtime.db.driver.reads, wanted.labels)
    plan = await explain(runtime, select_jobs(replace(wanted, labels=rarest), before=None, limit=20))

    assert [view.job.labels for view in page.views] == [{"camera": "north", "event": "evt42"}]
    assert plan.rows_read <= 4


async def test_jobs_of_several_statuses_are_found_without_reading_the_others(runtime: Runtime) -> None:
    wanted = JobFilter(statuses=[JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.RUNNING])

    plan = await explain(runtime, select_jobs(wanted, before=None, limit=100))

    assert plan.indexes == {"ix_analysis_jobs_status"}
    assert plan.rows_read == 50


async def test_jobs_of_a_created_range_are_bounded_by_their_ids(runtime: Runtime) -> None:
    """Else the search for one more match would read the list to its end."""
    now = await runtime.db.now()
    wanted = JobFilter(created_after=now - timedelta(hours=80), created_before=now - timedelta(hours=79))

    plan = await explain(runtime, select_jobs(wanted, before=None, limit=100))

    assert plan.indexes == {"ix_analysis_jobs_active"}
    assert "Seq Scan" not in plan.kinds
    assert plan.rows_read <= 4 * 60


async def test_a_folder_is_found_by_its_name_or_its_beginning(runtime: Runtime) -> None:
    hour = f"{await runtime.db.now() - timedelta(days=2):%Y%m%d_%H}"

    by_name = await explain(runtime, select_jobs(JobFilter(folder_name=hour), before=None, limit=100))
    by_prefix = await explain(runtime, select_jobs(JobFilter(folder_prefix=hour), before=None, limit=100))

    assert by_name.indexes <= {"ix_analysis_jobs_folder", "uq_analysis_jobs_folder_name"}
    assert by_prefix.indexes == {"ix_analysis_jobs_folder"}
    assert (by_name.rows_read, by_prefix.rows_read) == (0, 60)


def test_nothing_loads_rows_behind_the_back_of_a_query() -> None:
    """Relationships that load when they are looked at are how N+1 queries begin."""
    lazy = [
        str(relationship)
        for mapper in Base.registry.mappers
        for relationship in mapper.relationships
        if relationship.lazy != "raise"
    ]

    assert lazy == []


async def test_the_end_or_the_beginning_of_an_id_is_looked_up_in_an_index(runtime: Runtime) -> None:
    page = await runtime.jobs.catalog.list(JobFilter(), before=None, limit=1)
    digits = page.views[0].job.id.hex

    end = await explain(runtime, ending_with(AnalysisJob.id, digits[-12:], limit=6))
    beginning = await explain(runtime, beginning_with(AnalysisJob.id, digits[:4], limit=6))

    assert (end.indexes, beginning.indexes) == ({"ix_analysis_jobs_id_end"}, {"pk_analysis_jobs"})
    assert end.rows_read < 10
    assert beginning.rows_read <= 6
