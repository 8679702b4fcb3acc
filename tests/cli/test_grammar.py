"""One grammar of instants, spans, sizes and ids for every option, and one kind of refusal."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from media_analysis.cli.grammar import parse_amount, parse_id, parse_instant, parse_span
from media_analysis.errors import InvalidRequest


@pytest.mark.parametrize(
    ("given", "begins", "ends"),
    [
        ("2026-11-21", "2026-11-21T00:00Z", "2026-11-22T00:00Z"),
        (" 2026-11-21T02:00 ", "2026-11-21T02:00Z", "2026-11-21T02:00Z"),
        ("2026-11-21 02:00:30Z", "2026-11-21T02:00:30Z", "2026-11-21T02:00:30Z"),
        ("2026-11-21T02:00+02:00", "2026-11-21T00:00Z", "2026-11-21T00:00Z"),
    ],
)
def test_an_instant_is_in_utc_and_a_day_counts_whole_where_it_ends_something(
    given: str, begins: str, ends: str
) -> None:
    assert parse_instant("--from", given) == datetime.fromisoformat(begins)
    assert parse_instant("--to", given, ends=True) == datetime.fromisoformat(ends)
    assert parse_instant("--from", given).tzinfo is UTC


@pytest.mark.parametrize(
    ("parse", "given"),
    [
        (parse_instant, "soon"),
        (parse_instant, "2026-02-30"),
        (parse_instant, "0001-01-01T00:00+14:00"),
        (parse_span, "indefinite"),
        (parse_span, "1w"),
        (parse_span, "0"),
        (parse_span, "30"),
        (parse_span, " 30 "),
        (parse_amount, "0"),
        (parse_amount, "much"),
    ],
)
def test_a_refusal_names_the_option_what_was_given_and_an_example(parse: Callable[..., Any], given: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^--option: '{given.replace('+', '.')}' is not .*such as .*\d"):
        parse("--option", given)


def test_nothing_is_a_span_only_where_that_makes_sense() -> None:
    assert parse_span("--grace", "0", shortest=timedelta()) == timedelta()
    assert parse_span("--for", "90m") == timedelta(minutes=90)


@pytest.mark.parametrize(
    "given",
    [
        "01a2242c-dc96-7138-8420-9e8b6775baf4",
        "20261128_220049_01a2242c-dc96-7138-8420-9e8b6775baf4",
        "01A2242CDC96713884209E8B6775BAF4",
    ],
)
def test_a_whole_id_is_known_as_such(given: str) -> None:
    assert parse_id(given).whole == UUID("01a2242c-dc96-7138-8420-9e8b6775baf4")


@pytest.mark.parametrize(("given", "digits"), [("…9e8b6775baf4", "9e8b6775baf4"), ("01a2242c-dc", "01a2242cdc")])
def test_a_beginning_or_an_end_is_its_digits(given: str, digits: str) -> None:
    assert (parse_id(given).digits, parse_id(given).whole) == (digits, None)


@pytest.mark.parametrize("given", ["nonsense", "abc", "", "01a2242c-dc96-7138-8420-9e8b6775baf4a"])
def test_what_no_id_reads_like_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest, match="is not an id"):
        parse_id(given)
