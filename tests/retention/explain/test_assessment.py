"""How a file stands before each rule never differs from what the one decision says (design law 6)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from media_analysis.policy.decision import CategoryRules, Delete, Keep, decide, find_protection
from media_analysis.retention.explain.assessment import (
    Assessment,
    Effect,
    Loser,
    find_end,
    list_losers,
    list_protections,
    may_be_evicted,
)
from media_analysis.states import FOREVER, FileState, RetentionRule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)
RULES = CategoryRules(lifetime=7 * DAY, eviction_priority=1)

instants = st.datetimes(datetime(2025, 12, 1), datetime(2026, 2, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
terms = st.none() | instants
holds = terms | st.just(FOREVER)
standings = st.builds(
    Assessment,
    state=st.sampled_from(FileState),
    stored_at=terms,
    expires_at=terms,
    expiry_explicit=st.booleans(),
    min_retain_until=terms,
    held_until=holds,
    job_held_until=holds,
    leased_until=terms,
    due_at=terms,
    trash_ends_at=instants,
    trash_rule=st.sampled_from([RetentionRule.REQUESTED, RetentionRule.CATEGORY_LIFETIME]),
)
rules = st.builds(
    CategoryRules,
    lifetime=st.none() | st.timedeltas(DAY, 60 * DAY),
    eviction_priority=st.none() | st.just(1),
)


@given(standings, rules)
def test_the_end_is_the_first_instant_at_which_it_goes(standing: Assessment, by: CategoryRules) -> None:
    end = find_end(standing, by)

    if end is None:
        assert isinstance(decide(standing, by, FOREVER - DAY), Keep)
    else:
        assert decide(standing, by, end.at) == Delete(end.rule)
        assert isinstance(decide(standing, by, end.at - INSTANT), Keep)


@given(standings, rules, instants)
def test_it_goes_now_exactly_from_its_end_on(standing: Assessment, by: CategoryRules, now: datetime) -> None:
    end = find_end(standing, by)

    assert isinstance(decide(standing, by, now), Delete) == (end is not None and end.at <= now)


@given(standings, rules, instants)
def test_losers_are_weaker_or_over_and_the_rule_that_decides_is_none_of_them(
    standing: Assessment, by: CategoryRules, now: datetime
) -> None:
    winner = decide(standing, by, now).rule

    losers = list_losers(standing, by, now)

    told = [
        loser for loser in losers if loser.reason != "the file has ended" and "in force would date" not in loser.reason
    ]
    assert winner not in {loser.rule for loser in told}
    assert len(told) == len({loser.rule for loser in told})
    assert all(loser.at <= now for loser in losers if loser.reason == "the file has ended" and loser.at is not None)


@given(standings, rules, instants)
def test_every_protection_alone_would_keep_it(standing: Assessment, by: CategoryRules, now: datetime) -> None:
    protections = list_protections(standing, now)

    assert all(keep.until is not None and keep.until > now for _, keep in protections)
    if standing.state != FileState.PENDING:
        assert bool(protections) == (find_protection(standing, now) is not None)


@given(standings, rules, instants)
def test_what_is_protected_is_never_evicted(standing: Assessment, by: CategoryRules, now: datetime) -> None:
    if may_be_evicted(standing, by, now):
        assert not list_protections(standing, now)
        assert by.eviction_priority is not None


STORED = Assessment(stored_at=NOW - DAY, expires_at=NOW + 6 * DAY)


def losing(standing: Assessment, by: CategoryRules = RULES) -> list[tuple[str, datetime | None, str]]:
    return [(loser.rule.value, loser.at, loser.reason) for loser in list_losers(standing, by, NOW)]


def test_a_hold_outranks_all_that_follows() -> None:
    held = replace(
        STORED,
        held_until=FOREVER,
        leased_until=NOW + DAY,
        min_retain_until=NOW - INSTANT,
        expires_at=NOW + 9 * DAY,
        expiry_explicit=True,
    )

    assert losing(held) == [
        ("job_lease", NOW + DAY, "a hold outranks a running job's lease"),
        ("minimum_retention", NOW - INSTANT, "the file has ended"),
        ("explicit_expiry", NOW + 9 * DAY, "a running job's lease outranks an explicit expiry"),
        ("category_lifetime", NOW + 6 * DAY, "an explicit expiry outranks the category's lifetime"),
        ("pressure", None, "a hold outranks pressure"),
    ]


def test_what_the_category_would_have_said_is_told() -> None:
    asked = replace(STORED, expires_at=NOW + 30 * DAY, expiry_explicit=True)
    for_ever = replace(asked, expires_at=None)

    assert losing(asked)[0] == (
        "category_lifetime",
        NOW + 6 * DAY,
        "an explicit expiry outranks the category's lifetime",
    )
    assert losing(for_ever) == [
        ("category_lifetime", NOW + 6 * DAY, "somebody asked for it to stay, which outranks the category's lifetime"),
        ("pressure", None, "somebody asked for it to stay, which outranks pressure"),
    ]
    assert losing(asked, CategoryRules())[0][0] == "indefinite"


def test_a_newer_policy_is_told_beside_the_date_the_file_keeps() -> None:
    (newer, pressure) = list_losers(STORED, CategoryRules(lifetime=2 * DAY), NOW)

    assert (newer.rule, newer.at) == (RetentionRule.CATEGORY_LIFETIME, NOW + DAY)
    assert newer.reason.endswith("until a policy is applied")
    assert pressure.reason == "the file's category is never evicted"


def test_pressure_would_take_what_nothing_protects() -> None:
    reason = "the file goes early only while its category or the disk is over its high-water mark"

    assert list_losers(STORED, RULES, NOW) == [Loser(RetentionRule.PRESSURE, Effect.DELETE, None, reason)]


def test_in_the_trash_the_expiry_counts_no_more() -> None:
    trashed = replace(
        STORED, state=FileState.TRASHED, trash_ends_at=NOW + DAY, trash_rule=RetentionRule.REQUESTED, expires_at=NOW
    )

    assert losing(trashed)[0] == (
        "category_lifetime",
        NOW,
        "in the trash only holds and the end of its time there count",
    )


def test_an_upload_under_way_knows_no_other_rule_than_its_lease() -> None:
    assert losing(Assessment(state=FileState.PENDING, due_at=NOW + DAY)) == []
