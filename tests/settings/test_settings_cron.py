"""Cron expressions mean what crontab(5) says, in UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.settings import cron_trigger, cron_trigger_fields

A_WEDNESDAY = datetime(2026, 7, 1, tzinfo=UTC)
SUNDAY, MONDAY, SATURDAY = 6, 0, 5


def fires(expression: str, *, after: datetime = A_WEDNESDAY, times: int = 1) -> list[datetime]:
    trigger, moments = cron_trigger(expression), []
    for _ in range(times):
        after = trigger.get_next_fire_time(None, after)
        moments.append(after)
        after += timedelta(seconds=1)
    return moments


@pytest.mark.parametrize("weekday", ["0", "7", "sun", "SUN"])
def test_zero_seven_and_sun_all_mean_sunday(weekday: str) -> None:
    assert fires(f"0 2 * * {weekday}") == [datetime(2026, 7, 5, 2, tzinfo=UTC)]


@given(number=st.integers(0, 7))
def test_every_weekday_number_is_counted_from_sunday(number: int) -> None:
    (moment,) = fires(f"0 2 * * {number}")

    assert moment.isoweekday() % 7 == number % 7


@pytest.mark.parametrize(
    ("weekdays", "expected"),
    [
        ("1-5", "mon,tue,wed,thu,fri"),
        ("mon-fri", "mon,tue,wed,thu,fri"),
        ("5-7", "sun,fri,sat"),
        ("0,6", "sun,sat"),
        ("0,7", "sun"),
        ("mon-fri/2", "mon,wed,fri"),
        ("*", "*"),
    ],
)
def test_weekday_lists_ranges_and_steps_come_out_as_names(weekdays: str, expected: str) -> None:
    assert cron_trigger_fields(f"0 0 * * {weekdays}") == ("0", "0", "*", "*", expected)


def test_a_step_after_a_month_name_is_kept() -> None:
    assert cron_trigger_fields("0 0 1 jan-jun/2 *") == ("0", "0", "1", "1,3,5", "*")


def test_a_start_with_a_step_runs_to_the_end_of_the_field() -> None:
    assert cron_trigger_fields("5/20 */8 * * *")[:2] == ("5,25,45", "0,8,16")


def test_a_quarter_hourly_schedule_fires_every_quarter() -> None:
    moments = fires("*/15 * * * *", times=3)

    assert [moment - A_WEDNESDAY for moment in moments] == [timedelta(minutes=minutes) for minutes in (0, 15, 30)]


def test_the_twenty_ninth_of_february_waits_for_a_leap_year() -> None:
    assert fires("0 0 29 2 *") == [datetime(2028, 2, 29, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("0 2 * *", "4 fields"),
        ("0 0 2 * * *", "6 fields"),
        ("", "0 fields"),
        ("@daily", "1 fields"),
        ("60 * * * *", "minute 60"),
        ("* 24 * * *", "hour 24"),
        ("* * 0 * *", "day of month 0"),
        ("* * * 13 *", "month 13"),
        ("* * * * 8", "day of week 8"),
        ("* * * * xyz", "'xyz'"),
        ("*/0 * * * *", "step of 0"),
        ("5-1 * * * *", "backwards"),
        ("*-5 * * * *", "not a minute"),
        ("1, * * * *", "not a minute"),
        ("last * * * *", "not a minute"),
        ("0 0 last * *", "not a day of month"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 1 * mon", "both"),
    ],
)
def test_an_expression_crontab_would_not_run_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match="^.*" + reason):
        cron_trigger(expression)
