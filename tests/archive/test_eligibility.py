"""What goes into an archive, said twice: by SQL, and of one file."""

from datetime import UTC, datetime
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_analysis.archive.eligibility import does_go, goes
from media_analysis.archive.figures import FigureService
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.archive.archived import make_run
from tests.conftest import execute, fetch

DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
_SAID = f"""
    SELECT coalesce({goes("file", at="file.at", ends_at="file.ends_at")}, false) AS goes FROM unnest(
        $1::file_state[], $2::category[], $3::timestamptz[], $4::boolean[], $5::timestamptz[], $6::timestamptz[]
    ) WITH ORDINALITY AS file(state, category, expires_at, expiry_explicit, at, ends_at, place) ORDER BY place
"""


class Row(NamedTuple):
    """A file, when it would be archived, and until when the archive would be kept."""

    state: FileState
    category: Category
    expires_at: datetime | None
    expiry_explicit: bool
    at: datetime
    ends_at: datetime | None


DATES = st.sampled_from([*DAYS, None])
# Most are stored and of a category that is archived: the rest is told by the first condition alone.
STATES = st.sampled_from([*[FileState.STORED] * 5, *FileState])
CATEGORIES = st.sampled_from([*[Category.FRAMES] * 5, *Category])
ROWS = st.builds(Row, STATES, CATEGORIES, DATES, st.booleans(), st.sampled_from(DAYS), DATES)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=200, max_size=400))
async def test_a_row_goes_into_the_archive_when_its_file_does(database: str, rows: list[Row]) -> None:
    said = await fetch(database, _SAID, *map(list, zip(*rows, strict=True)))

    assert [row["goes"] for row in said] == [does_go(row, at=row.at, ends_at=row.ends_at) for row in rows]


async def test_a_run_whose_files_all_go_before_its_archive_would_is_not_late(runtime: Runtime, database: str) -> None:
    """One file goes in forty days, before the archive, which a minimum retention keeps for sixty."""
    run = await make_run(runtime, {"kept.log": b"kept", "sooner.log": b"sooner"})
    kept, sooner = run.files["kept.log"].id, run.files["sooner.log"].id
    await execute(
        database,
        f"UPDATE analysis_jobs SET completed_at = now() - interval '8 days' WHERE id = '{run.id}'",
        f"DELETE FROM analysis_results WHERE job_id = '{run.id}'",
        "UPDATE media_files SET expires_at = now(), min_retain_until = now() + interval '60 days',"
        f" due_at = now() + interval '60 days' WHERE id = '{kept}'",
        "UPDATE media_files SET expires_at = now() + interval '40 days', expiry_explicit = true,"
        f" due_at = now() + interval '40 days' WHERE id = '{sooner}'",
    )

    assert (await runtime.archives.requests.request_due()).runs == 0
    assert (await FigureService.of(runtime.archives).read()).oldest_due_seconds == 0
