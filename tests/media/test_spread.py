"""A few evenly spread things out of a stream."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.spread import Spread, evenly


def made_of(index: int, made: list[int]) -> Callable[[], int]:
    def make() -> int:
        made.append(index)
        return index

    return make


@given(st.integers(1, 5_000), st.integers(1, 200))
def test_even_indexes_begin_at_the_first_end_at_the_last_and_hardly_differ_in_distance(count: int, wanted: int) -> None:
    indexes = list(evenly(count, wanted))

    gaps = {after - before for before, after in pairwise(indexes)}
    assert len(indexes) == min(count, wanted)
    assert indexes == sorted(set(indexes))
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
    assert min(count, wanted) == 1 or (indexes[0], indexes[-1]) == (0, count - 1)


def test_one_of_many_is_the_middle() -> None:
    assert list(evenly(9, 1)) == [4]


@given(st.integers(1, 3_000), st.integers(1, 60))
def test_a_known_length_is_picked_from_exactly(count: int, wanted: int) -> None:
    spread = Spread[int](wanted, length=count)
    made: list[int] = []

    for index in range(count):
        spread.offer(made_of(index, made))

    assert list(spread.taken()) == made == list(evenly(count, wanted))


@given(st.integers(1, 3_000), st.integers(2, 60))
def test_an_unknown_length_ends_evenly_spread_and_never_keeps_more_than_twice_as_many(count: int, wanted: int) -> None:
    spread = Spread[int](wanted)
    alive = 0

    for index in range(count):
        spread.offer(made_of(index, []))
        alive = max(alive, len(spread.kept))

    taken = list(spread.taken())
    gaps = {after - before for before, after in pairwise(taken)}
    assert alive <= 2 * wanted
    assert len(taken) == min(count, wanted)
    assert taken == sorted(set(taken))
    assert taken[0] == 0
    assert max(gaps, default=0) <= 2 * min(gaps, default=0) or max(gaps, default=0) <= 1
    assert count - taken[-1] <= max(gaps, default=1)


def test_a_stream_shorter_than_known_gives_what_came() -> None:
    spread = Spread[int](4, length=100)

    for index in range(40):
        spread.offer(made_of(index, []))

    assert list(spread.taken()) == [0, 33]
