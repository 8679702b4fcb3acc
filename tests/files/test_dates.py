"""When a sweep may next act, said twice: by SQL, and by the one decision."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_analysis.deletion.due import DueFile
from media_analysis.files.dates import due_at
from media_analysis.policy.decision import CategoryRules, Delete, decide
from media_analysis.states import FOREVER, FileState
from tests.conftest import fetch

DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 6)]
BEFORE, AFTER = DAYS[0] - timedelta(days=1), DAYS[-1] + timedelta(days=1)
_SAID = f"""
    SELECT {due_at("ends_at", "minimum", "held", "job_held")} AS due_at
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
        WITH ORDINALITY AS dated(ends_at, minimum, held, job_held, place) ORDER BY place
"""
Dates = tuple[datetime | None, datetime | None, datetime | None, datetime | None]
ENDS = st.sampled_from([*DAYS, None])
HOLDS = st.sampled_from([*DAYS, None, FOREVER])


def decided(dates: Dates) -> datetime | None:
    """Return the first instant at which the decision lets a stored file go."""
    ends_at, minimum, held, job_held = dates
    holds = [hold for hold in (held, job_held) if hold is not None]
    file = DueFile(
        id=UUID(int=0),
        state=FileState.STORED,
        key="uploads/a",
        size_bytes=1,
        expires_at=ends_at,
        expiry_explicit=True,
        min_retain_until=minimum,
        held_until=max(holds, default=None),
        leased_until=None,
        due_at=None,
        trash_ends_at=None,
        trash_rule=None,
    )
    going = [at for at in (BEFORE, *DAYS, AFTER) if isinstance(decide(file, CategoryRules(), at), Delete)]
    return min(going, default=None)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(st.tuples(ENDS, ENDS, HOLDS, HOLDS), min_size=100, max_size=200))
async def test_a_row_falls_due_when_the_decision_lets_its_file_go(database: str, several: list[Dates]) -> None:
    columns = [[None if at is None else at for at in column] for column in zip(*several, strict=True)]

    said = [row["due_at"] for row in await fetch(database, _SAID, *columns)]

    assert said == [decided(dates) for dates in several]
