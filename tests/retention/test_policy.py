"""The one decision: its table, and what holds for every file at every instant."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.policy.decision import CategoryRules, Decision, Delete, Keep, find_protection
from media_analysis.policy.decision import decide as decide_by_rules
from media_analysis.states import FOREVER, FileState, RetentionRule

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
    job_held_until: datetime | None = None
    leased_until: datetime | None = None
    trash_ends_at: datetime | None = None
    trash_rule: str | None = None
    due_at: datetime | None = None


RULES = CategoryRules(eviction_priority=1)
NEVER_EVICTED = CategoryRules()


def decide(
    facts: Facts,
    now: datetime,
    *,
    rules: CategoryRules = RULES,
    under_pressure: bool = False,
    dates_yield: bool = False,
) -> Decision:
    return decide_by_rules(facts, rules, now, under_pressure=under_pressure, dates_yield=dates_yield)


PENDING = Facts(state=FileState.PENDING)
ASKED = Facts(expires_at=NOW, expiry_explicit=True)
BY_CATEGORY = Facts(expires_at=NOW)
TRASHED = Facts(state=FileState.TRASHED, trash_ends_at=AFTER, trash_rule=RetentionRule.CATEGORY_LIFETIME)
LATER = AFTER + INSTANT


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
        (replace(PENDING, due_at=BEFORE, held_until=AFTER), Delete(RetentionRule.UPLOAD_ABANDONED)),
        (replace(PENDING, due_at=AFTER, expires_at=BEFORE), Keep(RetentionRule.UPLOAD_LEASE, AFTER)),
        (replace(ASKED, job_held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (replace(ASKED, job_held_until=NOW), Delete(RetentionRule.EXPLICIT_EXPIRY)),
        (replace(ASKED, held_until=AFTER, job_held_until=LATER), Keep(RetentionRule.HOLD, LATER)),
        (replace(ASKED, held_until=LATER, job_held_until=AFTER), Keep(RetentionRule.HOLD, LATER)),
        (replace(ASKED, held_until=FOREVER), Keep(RetentionRule.HOLD, FOREVER)),
        (replace(ASKED, leased_until=AFTER), Keep(RetentionRule.JOB_LEASE, AFTER)),
        (replace(ASKED, leased_until=NOW), Delete(RetentionRule.EXPLICIT_EXPIRY)),
        (replace(ASKED, leased_until=AFTER, min_retain_until=LATER), Keep(RetentionRule.JOB_LEASE, AFTER)),
        (replace(ASKED, leased_until=LATER, held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (TRASHED, Keep(RetentionRule.TRASH, AFTER)),
        (replace(TRASHED, trash_ends_at=NOW), Delete(RetentionRule.CATEGORY_LIFETIME)),
        (replace(TRASHED, trash_ends_at=NOW, trash_rule=None), Delete(RetentionRule.REQUESTED)),
        (replace(TRASHED, trash_ends_at=NOW, held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (replace(TRASHED, expires_at=BEFORE), Keep(RetentionRule.TRASH, AFTER)),
        (
            replace(TRASHED, trash_ends_at=NOW, leased_until=AFTER, min_retain_until=AFTER),
            Delete(RetentionRule.CATEGORY_LIFETIME),
        ),
    ],
)
def test_each_case_is_decided_by_its_rule(facts: Facts, decision: Keep | Delete) -> None:
    assert decide(facts, NOW) == decision


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (Facts(), Delete(RetentionRule.PRESSURE)),
        (replace(BY_CATEGORY, expires_at=AFTER), Delete(RetentionRule.PRESSURE)),
        (replace(ASKED, expires_at=AFTER), Keep(RetentionRule.EXPLICIT_EXPIRY, AFTER)),
        (BY_CATEGORY, Delete(RetentionRule.CATEGORY_LIFETIME)),
        (Facts(expiry_explicit=True), Keep(RetentionRule.INDEFINITE, None)),
        (Facts(held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (Facts(job_held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (Facts(leased_until=AFTER), Keep(RetentionRule.JOB_LEASE, AFTER)),
        (Facts(min_retain_until=AFTER), Keep(RetentionRule.MINIMUM_RETENTION, AFTER)),
        (TRASHED, Delete(RetentionRule.CATEGORY_LIFETIME)),
        (replace(TRASHED, held_until=AFTER), Keep(RetentionRule.HOLD, AFTER)),
        (replace(PENDING, due_at=AFTER), Keep(RetentionRule.UPLOAD_LEASE, AFTER)),
    ],
)
def test_pressure_takes_early_what_nothing_protects(facts: Facts, decision: Decision) -> None:
    assert decide(facts, NOW, under_pressure=True) == decision


def test_where_dates_yield_only_what_is_for_ever_outranks_pressure() -> None:
    dated = decide(replace(ASKED, expires_at=AFTER), NOW, under_pressure=True, dates_yield=True)
    for_ever = decide(Facts(expiry_explicit=True), NOW, under_pressure=True, dates_yield=True)

    assert dated == Delete(RetentionRule.PRESSURE)
    assert for_ever == Keep(RetentionRule.INDEFINITE, None)


def test_a_category_without_a_priority_is_never_evicted_and_its_trash_goes() -> None:
    kept = decide(replace(BY_CATEGORY, expires_at=AFTER), NOW, rules=NEVER_EVICTED, under_pressure=True)
    trash = decide(TRASHED, NOW, rules=NEVER_EVICTED, under_pressure=True)

    assert kept == Keep(RetentionRule.CATEGORY_LIFETIME, AFTER)
    assert trash == Delete(RetentionRule.CATEGORY_LIFETIME)


instants = st.datetimes(datetime(2025, 12, 31), datetime(2026, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
maybe = st.none() | instants
complete_facts = st.builds(
    Facts,
    state=st.sampled_from([state for state in FileState if state is not FileState.PENDING]),
    expires_at=maybe,
    expiry_explicit=st.booleans(),
    min_retain_until=maybe,
    held_until=maybe,
    job_held_until=maybe,
    leased_until=maybe,
    trash_ends_at=maybe,
    trash_rule=st.sampled_from([None, RetentionRule.REQUESTED, RetentionRule.CATEGORY_LIFETIME]),
    due_at=maybe,
)
some_facts = complete_facts | st.builds(Facts, state=st.just(FileState.PENDING), due_at=maybe, held_until=maybe)
some_rules = st.sampled_from([RULES, NEVER_EVICTED])


@given(
    facts=complete_facts,
    now=instants,
    under_pressure=st.booleans(),
    hold=st.sampled_from(["held_until", "job_held_until"]),
)
def test_a_hold_wins_until_the_instant_it_ends(facts: Facts, now: datetime, hold: str, *, under_pressure: bool) -> None:
    alone = replace(facts, held_until=None, job_held_until=None)
    ends_next, ends_now = (
        replace(alone, held_until=end) if hold == "held_until" else replace(alone, job_held_until=end)
        for end in (now + INSTANT, now)
    )

    assert decide(ends_next, now, under_pressure=under_pressure) == Keep(RetentionRule.HOLD, now + INSTANT)
    assert decide(ends_now, now, under_pressure=under_pressure) == decide(alone, now, under_pressure=under_pressure)


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


@given(complete_facts, instants)
def test_nothing_goes_before_its_end(facts: Facts, now: datetime) -> None:
    if isinstance(decide(facts, now), Delete):
        ends_at = facts.trash_ends_at if facts.state is FileState.TRASHED else facts.expires_at
        assert ends_at is None or ends_at <= now
        assert ends_at is not None or facts.state is FileState.TRASHED


@given(complete_facts, instants, some_rules)
def test_what_is_protected_stays_under_pressure_too(facts: Facts, now: datetime, rules: CategoryRules) -> None:
    protection = find_protection(facts, now)
    decisions = [decide(facts, now, rules=rules, under_pressure=pressed) for pressed in (False, True)]

    if protection is not None:
        assert decisions == [protection, protection]


@given(some_facts, instants, some_rules)
def test_pressure_spares_nobody_and_takes_only_what_has_a_priority_or_lies_in_the_trash(
    facts: Facts, now: datetime, rules: CategoryRules
) -> None:
    calm, pressed = (decide(facts, now, rules=rules, under_pressure=under) for under in (False, True))

    if calm != pressed:
        assert isinstance(calm, Keep)
        assert isinstance(pressed, Delete)
        assert facts.state is FileState.TRASHED or rules.eviction_priority is not None
        assert facts.state is FileState.TRASHED or pressed.rule is RetentionRule.PRESSURE
        assert facts.expires_at is not None or not facts.expiry_explicit or facts.state is FileState.TRASHED
