"""Which instants are asked for, and what must be decoded for them."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.films.selection import WORTH_A_JUMP, Stretch, asked_seconds, stretches
from media_analysis.media.options import SamplingOptions
from tests.media.timelines import timeline_of

DURATIONS = st.floats(0, 86_400, allow_nan=False)


def test_one_frame_a_second_is_the_default() -> None:
    assert asked_seconds(SamplingOptions(), 3.5) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("duration", "every", "found"), [(1.0, 0.1, 10), (1.0, 1 / 3, 3), (2.0, 1.0, 2), (0.0, 1.0, 1)]
)
def test_the_end_itself_is_no_longer_part_of_it(duration: float, every: float, found: int) -> None:
    assert len(asked_seconds(SamplingOptions(every_seconds=every), duration)) == found


@given(DURATIONS, st.floats(10, 86_400))
def test_instants_come_every_so_often_up_to_the_end(duration: float, every: float) -> None:
    asked = asked_seconds(SamplingOptions(every_seconds=every), duration)

    assert asked[0] == 0
    assert all(later - earlier == pytest.approx(every) for earlier, later in pairwise(asked))
    assert len(asked) == 1 or asked[-1] < duration
    assert asked[-1] + every >= duration - 0.001


@given(DURATIONS, st.integers(1, 500))
def test_so_many_instants_are_the_middles_of_equal_parts(duration: float, count: int) -> None:
    asked = asked_seconds(SamplingOptions(count=count), duration)

    assert len(asked) == count
    assert asked == sorted(asked)
    assert asked[0] == pytest.approx(duration - asked[-1], abs=1e-6)
    assert asked[0] == pytest.approx(duration / count / 2)


def test_instants_are_put_in_order_and_all_kept() -> None:
    assert asked_seconds(SamplingOptions(instants=[5, 1, 1, 99]), 2.0) == [1, 1, 5, 99]


@pytest.mark.parametrize(
    "options",
    [
        SamplingOptions(max_frames=3),
        SamplingOptions(count=4, max_frames=3),
        SamplingOptions(instants=[0, 0, 0, 0], max_frames=3),
        SamplingOptions(every_seconds=0.000_001, max_frames=100_000),
    ],
)
def test_more_than_allowed_is_refused(options: SamplingOptions) -> None:
    with pytest.raises(MediaLimitPassed, match="allowed"):
        asked_seconds(options, 3.1)


def test_as_many_as_allowed_are_taken() -> None:
    assert len(asked_seconds(SamplingOptions(max_frames=3), 3.0)) == 3


@given(st.lists(st.integers(-1000, 100_000), min_size=1, unique=True), st.floats(-5, 500, allow_nan=False))
def test_the_frame_shown_is_the_last_that_began(instants: list[int], seconds: float) -> None:
    timeline = timeline_of(instants, tick=Fraction(1, 1000))
    begun = [at for at in sorted(instants) if (at - min(instants)) / 1000 <= seconds + 1e-6]

    assert timeline.shown_at(seconds) == (begun[-1] if begun else min(instants))


@given(st.lists(st.integers(0, 10**9), min_size=1, unique=True), st.integers(1_000, 400_000))
def test_the_instant_a_frame_is_given_by_finds_it_again(instants: list[int], ticks_a_second: int) -> None:
    timeline = timeline_of(instants, tick=Fraction(1, ticks_a_second))

    assert all(timeline.shown_at(timeline.seconds_at(instant)) == instant for instant in instants)


def test_only_the_highest_layer_holds_pictures_nothing_needs() -> None:
    timeline = replace(timeline_of(range(4)), ranks=bytes([0, 1, 2, 2]))

    assert [timeline.is_disposable(place) for place in range(4)] == [False, False, True, True]


def test_a_picture_is_decoded_from_the_key_before_it() -> None:
    timeline = timeline_of(range(100), keys=[0, 25, 50, 75])

    assert stretches(timeline, [30, 80]) == [Stretch(25, 31), Stretch(75, 81)]


def test_a_picture_shown_before_its_key_needs_the_group_before() -> None:
    leading = timeline_of([0, 1, 2, 10, 8, 9, 11, 12], keys=[0, 3])

    assert stretches(leading, [4]) == [Stretch(0, 5)]
    assert stretches(leading, [6]) == [Stretch(3, 7)]


def test_a_short_gap_is_decoded_rather_than_jumped_over() -> None:
    timeline = timeline_of(range(100), keys=[0, 25, 50])

    assert stretches(timeline, [25 - WORTH_A_JUMP + 1, 30]) == [Stretch(0, 31)]
    assert stretches(timeline, [10, 30]) == [Stretch(0, 11), Stretch(25, 31)]


def test_what_comes_before_the_first_key_is_decoded_from_the_beginning() -> None:
    assert stretches(timeline_of(range(20), keys=[10]), [5]) == [Stretch(0, 6)]


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=20, unique=True),
    st.lists(st.integers(0, 300), max_size=20, unique=True),
)
def test_stretches_hold_every_picture_and_never_overlap(places: list[int], keys: list[int]) -> None:
    timeline = timeline_of(range(301), keys=sorted(keys))
    found = stretches(timeline, sorted(places))

    assert all(any(stretch.start <= place < stretch.stop for stretch in found) for place in places)
    assert all(earlier.stop < later.start for earlier, later in pairwise(found))
    assert all(stretch.start == 0 or stretch.start in keys for stretch in found)
