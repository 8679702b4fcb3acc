"""The model behind a forecast, against numbers worked out by hand."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.retention.forecast.days import CategoryHistory, DueSum
from media_analysis.retention.forecast.projection import (
    Day,
    Horizon,
    conclude,
    expected_ingest,
    project,
    redate,
    whole_days,
)
from media_analysis.storage.category import Category

TODAY = date(2026, 3, 10)
FRAMES, CLIPS = Category.FRAMES, Category.CLIPS


def days(count: float) -> timedelta:
    return timedelta(days=count)


def due(on: int | None, *, stored: int | None = None, files: int = 1, size_bytes: int = 10) -> DueSum:
    """A sum that falls due some days from today; without the day it was stored on, somebody dated it."""
    due_on = None if on is None else TODAY + days(on)
    stored_on = None if stored is None else TODAY + days(stored)
    return DueSum(FRAMES, stored_on, due_on, stored is None, files, size_bytes)


def account(used_bytes: int = 0, **about: int) -> CategoryHistory:
    return CategoryHistory(FRAMES, TODAY, used_bytes, **about)


def used(progress: Any) -> list[int]:
    return [day.used_bytes for day in progress]


def test_every_day_adds_what_comes_in_and_takes_away_what_falls_due() -> None:
    known = account(1000, span_days=10, past_files=20, past_bytes=500, today_files=1, today_bytes=20)
    sums = [due(-3, size_bytes=100), due(0, files=2, size_bytes=7), due(2, files=3, size_bytes=300), due(9)]

    progress = project(known, sums, CategoryRules(lifetime=days(2)), Horizon(TODAY, 4))

    assert progress == [
        Day(TODAY, due_files=3, due_bytes=107, ingest_bytes=30, used_bytes=923),
        Day(TODAY + days(1), due_files=0, due_bytes=0, ingest_bytes=50, used_bytes=973),
        Day(TODAY + days(2), due_files=3 + 1, due_bytes=300 + 30, ingest_bytes=50, used_bytes=693),
        Day(TODAY + days(3), due_files=2, due_bytes=50, ingest_bytes=50, used_bytes=693),
    ]


def test_what_is_indefinite_only_grows() -> None:
    known = account(5, span_days=1, past_files=1, past_bytes=10)

    progress = project(known, [due(None, stored=-3)], CategoryRules(), Horizon(TODAY, 3))

    assert used(progress) == [15, 25, 35]


def test_a_mean_that_is_no_whole_number_loses_nothing() -> None:
    known = account(span_days=3, past_files=2, past_bytes=10)

    found = [expected_ingest(known, day) for day in range(6)]

    assert found == [(0, 3), (1, 3), (1, 4), (0, 3), (1, 3), (1, 4)]


def test_on_the_first_day_every_day_is_taken_to_be_like_today() -> None:
    known = account(80, span_days=0, today_files=2, today_bytes=80)

    assert [expected_ingest(known, day) for day in range(3)] == [(0, 0), (2, 80), (2, 80)]


def test_a_busy_today_is_not_taken_back() -> None:
    known = account(span_days=1, past_files=1, past_bytes=10, today_files=9, today_bytes=90)

    assert [expected_ingest(known, day) for day in range(2)] == [(0, 0), (1, 10)]


@pytest.mark.parametrize(("hours", "counted"), [(1, 0), (11, 0), (12, 1), (24, 1), (35, 1), (36, 2), (24 * 30, 30)])
def test_spans_count_in_days_from_noon(hours: int, counted: int) -> None:
    assert whole_days(timedelta(hours=hours)) == counted


def test_what_lives_for_an_hour_comes_and_goes_on_one_day() -> None:
    known = account(span_days=1, past_files=4, past_bytes=40)

    progress = project(known, [], CategoryRules(lifetime=timedelta(hours=1)), Horizon(TODAY, 2))

    assert [(day.due_files, day.due_bytes, day.used_bytes) for day in progress] == [(4, 40, 0), (4, 40, 0)]


def test_nothing_to_come_falls_due_before_its_minimum() -> None:
    known = account(span_days=1, past_files=1, past_bytes=10)

    progress = project(known, [], CategoryRules(lifetime=days(1), minimum=days(2)), Horizon(TODAY, 4))

    assert [day.due_bytes for day in progress] == [0, 0, 10, 10]


class TestTrash:
    """Bytes that stay a day longer than their files."""

    def test_the_bytes_go_when_the_time_in_the_trash_is_over(self) -> None:
        progress = project(account(30), [due(0, stored=-5), due(1, stored=-4)], CategoryRules(), Horizon(TODAY, 4, 1))

        assert [day.due_bytes for day in progress] == [10, 10, 0, 0]
        assert used(progress) == [30, 20, 10, 10]

    def test_what_lies_in_the_trash_is_free_the_day_it_falls_due(self) -> None:
        sums = [due(0, stored=-3, size_bytes=5), due(0, size_bytes=60), due(1, size_bytes=80)]

        progress = project(account(145, trashed_bytes=100), sums, CategoryRules(), Horizon(TODAY, 3, 1))

        assert used(progress) == [85, 40, 0]


class TestAnotherLifetime:
    """What if files of a category lived for another time?"""

    IN_FORCE = CategoryRules(lifetime=days(30), minimum=days(3))

    def moved(
        self, sums: list[DueSum], lifetime: timedelta | None, rules: CategoryRules = IN_FORCE
    ) -> list[int | None]:
        changed = CategoryRules(lifetime=lifetime, minimum=rules.minimum)
        found = redate(sums, rules, changed, TODAY)
        return [None if one.due_on is None else (one.due_on - TODAY).days for one in found]

    def test_what_the_category_dates_moves_and_nothing_before_today(self) -> None:
        assert self.moved([due(10, stored=-20), due(29, stored=-1)], days(5)) == [0, 4]

    def test_it_may_also_stay_longer_or_for_ever(self) -> None:
        assert self.moved([due(10, stored=-20)], days(60)) == [40]
        assert self.moved([due(10, stored=-20)], None) == [None]

    def test_what_somebody_dated_stays(self) -> None:
        assert self.moved([due(10), due(-3)], days(5)) == [10, -3]

    def test_what_is_held_stays(self) -> None:
        assert self.moved([due(None, stored=-20)], days(5)) == [None]

    def test_what_was_indefinite_gets_an_end(self) -> None:
        assert self.moved([due(None, stored=-20)], days(25), CategoryRules()) == [5]

    def test_the_minimum_stands_against_it(self) -> None:
        assert self.moved([due(29, stored=-1)], days(1)) == [2]

    @given(st.lists(st.integers(0, 30), max_size=20))
    def test_the_lifetime_in_force_moves_nothing(self, ages: list[int]) -> None:
        sums = [due(30 - age, stored=-age) for age in ages]

        assert redate(sums, self.IN_FORCE, self.IN_FORCE, TODAY) == sums


COURSES = {
    FRAMES: [Day(TODAY + days(number), 1, 2, 3, bytes_used) for number, bytes_used in enumerate((50, 100, 150))],
    CLIPS: [Day(TODAY + days(number), 1, 2, 3, bytes_used) for number, bytes_used in enumerate((10, 5, 20))],
}


class TestConclusion:
    """When room runs out."""

    @staticmethod
    def policy(frames: int | None, clips: int | None) -> Policy:
        return Policy({FRAMES: CategoryRules(quota_bytes=frames), CLIPS: CategoryRules(quota_bytes=clips)})

    def test_days_of_all_categories_are_added_up(self) -> None:
        found = conclude(COURSES, self.policy(None, None), category=None, limit_bytes=1000)

        assert found.days[1] == Day(TODAY + days(1), 2, 4, 6, 105)
        assert (found.quota_full_on, found.quota_full_category, found.disk_full_on) == (None, None, None)

    def test_the_first_quota_to_be_passed_is_named(self) -> None:
        found = conclude(COURSES, self.policy(100, 15), category=None, limit_bytes=104)

        assert (found.quota_full_on, found.quota_full_category) == (TODAY + days(2), FRAMES)
        assert found.disk_full_on == TODAY + days(1)

    def test_one_category_is_told_alone_but_the_disk_is_everybodys(self) -> None:
        found = conclude(COURSES, self.policy(49, 15), category=CLIPS, limit_bytes=59)

        assert found.days == COURSES[CLIPS]
        assert (found.quota_full_on, found.quota_full_category) == (TODAY + days(2), CLIPS)
        assert found.disk_full_on == TODAY
