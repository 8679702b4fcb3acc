"""The one decision: its table, and what holds for every file at every instant."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.files.models import FileState, RetentionRule
from media_analysis.retention.policy import Delete, Keep, decide

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
BEFORE, AFTER = NOW - INSTANT, NOW + INSTANT


@dataclass(frozen=True)
class Facts:
    """A stored, indefinite file unless told otherwise."""

    state: FileState = FileState.STORED
    expires_at: datetime | None = None
    expiry_explicit: bool = False
    min_retain_until: datetime | None = None
    held_until: datetime | None = None
    due_at: datetime | None = None


PENDING = Facts(state=FileState.PENDING)
ASKED = Facts(expires_at=NOW, expiry_explicit=True)
BY_CATEGORY = Facts(expires_at=NOW)


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (Facts(), Keep(RetentionRule.INDEFINITE, None)),
        (ASKED, Delete(RetentionRule.EXPLICIT_EXPIRY)),
        (BY_CATEGORY, Delete(RetentionRule.CATEGORY_LIFETIME)),
        (replace(ASKED, expires_at=AFTER), Keep(RetentionRule.EXPLICIT_EXPIRY, AFTER)),
        (replace(BY_CATEGORY, expires_at=AFTER), Keep(RetentionRule.CATEGORY_LIFETIME, AFTER)),
        (replace(ASKED, held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (replace(ASKED, held_until=NOW), Delete(RetentionRule.EXPLICIT_EXPIRY)),
        (replace(ASKED, min_retain_until=AFTER), Keep(RetentionRule.MINIMUM_RETENTION, AFTER)),
        (replace(ASKED, min_retain_until=NOW), Delete(RetentionRule.EXPLICIT_EXPIRY)),
        (replace(ASKED, held_until=AFTER, min_retain_until=AFTER + INSTANT), Keep(RetentionRule.HOLD, AFTER)),
        (PENDING, Keep(RetentionRule.UPLOAD_LEASE, None)),
        (replace(PENDING, due_at=AFTER), Keep(RetentionRule.UPLOAD_LEASE, AFTER)),
        (replace(PENDING, due_at=NOW), Delete(RetentionRule.UPLOAD_ABANDONED)),
        (replace(PENDING, due_at=BEFORE, held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (replace(PENDING, due_at=AFTER, expires_at=BEFORE), Keep(RetentionRule.UPLOAD_LEASE, AFTER)),
    ],
)
def test_each_case_is_decided_by_its_rule(facts: Facts, decision: Keep | Delete) -> None:
    assert decide(facts, NOW) == decision


instants = st.datetimes(datetime(2025, 12, 31), datetime(2026, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
some_facts = st.builds(
    Facts,
    state=st.sampled_from(FileState),
    expires_at=st.none() | instants,
    expiry_explicit=st.booleans(),
    min_retain_until=st.none() | instants,
    held_until=st.none() | instants,
    due_at=st.none() | instants,
)


@given(some_facts, instants)
def test_a_hold_wins_until_the_instant_it_ends(facts: Facts, now: datetime) -> None:
    held = replace(facts, held_until=now + INSTANT)

    assert decide(held, now) == Keep(RetentionRule.HOLD, now + INSTANT)
    assert decide(replace(held, held_until=now), now) == decide(replace(held, held_until=None), now)


@given(some_facts, instants, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3)))
def test_what_is_to_be_deleted_stays_so(facts: Facts, now: datetime, later: timedelta) -> None:
    if isinstance(decide(facts, now), Delete):
        assert isinstance(decide(facts, now + later), Delete)


@given(some_facts, instants)
def test_what_is_kept_until_an_instant_is_judged_anew_at_that_instant(facts: Facts, now: datetime) -> None:
    decision = decide(facts, now)

    if isinstance(decision, Keep) and decision.until is not None:
        assert decision.until > now
        assert decide(facts, decision.until - INSTANT) == decision
        assert decide(facts, decision.until) != decision


@given(some_facts, instants)
def test_nothing_that_is_stored_goes_before_its_expiry(facts: Facts, now: datetime) -> None:
    if isinstance(decide(facts, now), Delete) and facts.state is not FileState.PENDING:
        assert facts.expires_at is not None
        assert facts.expires_at <= now
