"""Spans and sizes read back what they write, and nothing else."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.units import (
    LARGEST_SIZE,
    LONGEST_LIFETIME,
    format_lifetime,
    format_size,
    parse_lifetime,
    parse_seconds,
    parse_size,
    parse_whole,
)

SECONDS = st.integers(1, int(LONGEST_LIFETIME.total_seconds()))


@given(st.none() | SECONDS.map(lambda seconds: timedelta(seconds=seconds)))
def test_a_written_lifetime_is_read_back(lifetime: timedelta | None) -> None:
    assert parse_lifetime(format_lifetime(lifetime)) == lifetime
    assert parse_lifetime(lifetime) == lifetime


@given(SECONDS)
def test_a_bare_number_of_seconds_is_a_lifetime(seconds: int) -> None:
    assert parse_lifetime(seconds) == parse_lifetime(str(seconds)) == timedelta(seconds=seconds)


@given(st.integers(0, LARGEST_SIZE))
def test_a_written_size_is_read_back(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == parse_size(size_bytes) == parse_size(str(size_bytes)) == size_bytes


@given(st.text() | st.floats() | st.integers() | st.booleans() | st.binary() | st.lists(st.integers()))
def test_any_other_value_is_a_value_error_and_never_another_one(value: object) -> None:
    for parse in (parse_lifetime, parse_size, parse_whole, parse_seconds):
        try:
            parse(value)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("text", "hours"), [("7d", 168), ("24h", 24), ("90m", 1.5), (" 36 H ", 36), ("3600s", 1), ("3600", 1)]
)
def test_lifetimes_take_units_in_any_case(text: str, hours: float) -> None:
    assert parse_lifetime(text) == timedelta(hours=hours)


@pytest.mark.parametrize("value", ["indefinite", "INDEFINITE", "-1", -1, None])
def test_minus_one_and_indefinite_last_for_ever(value: object) -> None:
    assert parse_lifetime(value) is None


@pytest.mark.parametrize(
    "value",
    [
        0,
        "0",
        "-2",
        -2,
        "",
        "none",
        "7w",
        "1.5h",
        "nan",
        float("nan"),
        True,
        False,
        "36501d",
        "9" * 30,
        10**30,
        "999999999999d",
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(days=36_501),
        timedelta(seconds=-1),
    ],
)
def test_a_lifetime_out_of_bounds_or_out_of_words_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_lifetime(value)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("10GiB", 10 * 2**30),
        ("10 gib", 10 * 2**30),
        ("500MB", 500_000_000),
        ("1.5KiB", 1536),
        ("7b", 7),
        ("1EiB", 2**60),
    ],
)
def test_sizes_take_binary_and_decimal_units(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "value", ["-1", -1, "10GiB and more", "10 parsecs", "10Gbit", "nan", 1.5, "1.5", True, None, "2EiB", 2**60 + 1, ""]
)
def test_a_size_out_of_bounds_or_out_of_words_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_size(value)


@pytest.mark.parametrize("value", [True, 8.0, "8.0", "1_000", "0x10", "", None, "٣"])
def test_what_only_resembles_a_whole_number_is_none(value: object) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        parse_whole(value)


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "nan", "inf", "-1", -0.5, "1e3", None])
def test_what_only_resembles_seconds_is_none(value: object) -> None:
    with pytest.raises(ValueError, match="not a number of seconds"):
        parse_seconds(value)


def test_a_long_whole_size_is_read_exactly() -> None:
    assert parse_size("10032570766474KiB") == 10_032_570_766_474 * 1024
