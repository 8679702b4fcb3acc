"""Decoding that runs a little ahead."""

from collections.abc import Iterator
from threading import Event, active_count

import pytest

from media_analysis.media.films.ahead import DEPTH, ahead


def test_all_items_come_in_order() -> None:
    assert list(ahead(iter(range(100)), Event())) == list(range(100))


def test_what_making_them_raises_is_raised_after_those_made() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    taken: list[int] = []
    with pytest.raises(KeyError, match="two"):
        taken.extend(ahead(failing(), Event()))

    assert taken == [1]


def test_whoever_stops_early_leaves_no_thread_and_closes_the_maker() -> None:
    closed: list[bool] = []
    made: list[int] = []

    def endless() -> Iterator[int]:
        try:
            for number in range(1_000_000):
                made.append(number)
                yield number
        finally:
            closed.append(True)

    before = active_count()
    items = ahead(endless(), stop := Event())
    first = next(items)
    items.close()  # type: ignore[attr-defined]

    assert first == 0
    assert closed == [True]
    assert stop.is_set()
    assert active_count() == before
    assert len(made) <= 2 * DEPTH + 3
