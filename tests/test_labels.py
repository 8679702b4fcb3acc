"""Labels are read as they are written, bounded, and a filter says in SQL what it says of a mapping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from media_analysis.labels import (
    LONGEST_VALUE,
    MOST_CHARACTERS,
    MOST_FILTERS,
    MOST_LABELS,
    LabelFilter,
    Labels,
    parse_filters,
    parse_labels,
)
from tests.reused import CONNECTIONS

DOCUMENT = TypeAdapter(Labels)
KEYS = st.from_regex(r"[a-z0-9][A-Za-z0-9._/-]{0,62}", fullmatch=True)
VALUES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40)
FILTERS = st.builds(LabelFilter, KEYS, st.none() | VALUES, st.booleans())
BAD_LABELS = ["camera", ":north", "Camera:north", "c" * 64 + ":x", "a b:c", "camera:", "camera:" + "v" * 256, "a:b\n"]
BAD_LABELS += ["camera\n:x", "a:b\x1b[2J", "a:\u202eb", "!a:b", ""]


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_labels_are_read_back_as_they_were_written(labels: dict[str, str]) -> None:
    assert parse_labels(f"{key}:{value}" for key, value in labels.items()) == labels
    assert DOCUMENT.validate_python(labels) == labels


@given(FILTERS)
def test_a_filter_is_read_back_as_it_was_written(wanted: LabelFilter) -> None:
    assert LabelFilter.parse(str(wanted)) == wanted


@pytest.mark.parametrize("told", BAD_LABELS)
def test_what_is_no_label_is_refused_however_it_is_said(told: str) -> None:
    key, _, value = told.partition(":")

    with pytest.raises(ValueError, match=r"key|label|character"):
        parse_labels([told])
    with pytest.raises(ValidationError):
        DOCUMENT.validate_python({key: value})


@pytest.mark.parametrize("told", ["", "!", ":", "a:", "!a:", "!!a", "A", "a b", "a:\x00", "a:" + "v" * 256])
def test_what_is_no_filter_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match=r"key|label|character"):
        parse_filters([told])


def test_labels_are_bounded() -> None:
    most = [f"key{number}:v" for number in range(MOST_LABELS)]
    long = [f"k{number}:{'v' * LONGEST_VALUE}" for number in range(MOST_CHARACTERS // LONGEST_VALUE + 1)]

    assert len(parse_labels(most)) == MOST_LABELS
    for many in ([*most, "more:v"], long, ["a:b", "a:b"]):
        with pytest.raises(ValueError, match=r"key|label|character"):
            parse_labels(many)
    with pytest.raises(ValidationError):
        DOCUMENT.validate_python({f"k{number}": "v" for number in range(MOST_LABELS + 1)})
    with pytest.raises(ValidationError):
        DOCUMENT.validate_python(dict(label.split(":") for label in long))
    with pytest.raises(ValueError, match=r"key|label|character"):
        parse_filters([f"k{number}" for number in range(MOST_FILTERS + 1)])


async def test_a_filter_says_of_a_row_what_it_says_of_a_mapping(database: str) -> None:
    told = ["camera", "camera:north", "!camera", "!camera:north", "other", "!other:x", "camera:a:b"]
    things = [None, {}, {"camera": "north"}, {"camera": "south", "other": "x"}, {"camera": "a:b"}]

    async with CONNECTIONS.lend(database) as connection:
        for wanted in parse_filters(told):
            given: list[object] = []

            def number(value: object, given: list[object] = given) -> str:
                given.append(value)
                return f"${len(given) + 1}"

            query = f"SELECT {wanted.condition(number, 'CAST(CAST($1 AS text) AS jsonb)')}"
            for labels in things:
                text = None if labels is None else str(labels).replace("'", '"')
                assert await connection.fetchval(query, text, *given) is wanted.is_met(labels), (wanted, labels)
