"""What keeps a file, when it goes, and when a sweep may next act, said twice: by SQL, and by the one decision."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_analysis.deletion.due import DueFile
from media_analysis.files.dates import due_at, goes_at, protection
from media_analysis.policy.decision import CategoryRules, Delete, FileFacts, decide, find_protection
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


class Facts(NamedTuple):
    """What a decision depends on; whatever is in the trash has a day on which it leaves that."""

    state: FileState
    expires_at: datetime | None
    min_retain_until: datetime | None
    held_until: datetime | None
    job_held_until: datetime | None
    leased_until: datetime | None
    due_at: datetime | None
    trash_ends_at: datetime
    expiry_explicit: bool
    trash_rule: str | None


STATES = st.sampled_from([FileState.PENDING, FileState.STORED, FileState.STORED, FileState.TRASHED])
FACTS = st.builds(Facts, STATES, ENDS, ENDS, HOLDS, HOLDS, ENDS, ENDS, st.sampled_from(DAYS), st.booleans(), st.none())
_OF_FILES = f"""
    SELECT {protection("file", "$9")} AS rule, {goes_at("file")} AS goes_at FROM unnest(
        $1::file_state[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
        $6::timestamptz[], $7::timestamptz[], $8::timestamptz[]
    ) WITH ORDINALITY AS file(state, expires_at, min_retain_until, held_until, job_held_until, leased_until, due_at,
                              trash_ends_at, place) ORDER BY place
"""


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
    return first_going(file)


def first_going(facts: FileFacts) -> datetime | None:
    going = [at for at in (BEFORE, *DAYS, AFTER) if isinstance(decide(facts, CategoryRules(), at), Delete)]
    return min(going, default=None)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(st.tuples(ENDS, ENDS, HOLDS, HOLDS), min_size=100, max_size=200))
async def test_a_row_falls_due_when_the_decision_lets_its_file_go(database: str, several: list[Dates]) -> None:
    columns = [[None if at is None else at for at in column] for column in zip(*several, strict=True)]

    said = [row["due_at"] for row in await fetch(database, _SAID, *columns)]

    assert said == [decided(dates) for dates in several]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(FACTS, min_size=100, max_size=200), now=st.sampled_from(DAYS))
async def test_rows_are_kept_and_go_as_the_decision_says(database: str, several: list[Facts], now: datetime) -> None:
    columns = [list(column) for column in zip(*(facts[:8] for facts in several), strict=True)]

    said = await fetch(database, _OF_FILES, *columns, now)

    kept = [find_protection(facts, now) for facts in several]
    unfinished = [facts.state is FileState.PENDING for facts in several]
    rules = [None if keep is None or own else keep.rule for keep, own in zip(kept, unfinished, strict=True)]
    assert [row["rule"] for row in said] == rules
    assert [row["goes_at"] for row in said] == [first_going(facts) for facts in several]
