"""Figures as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.figures import bit_rate, byte_size, duration, frame_rate, timestamps


@pytest.mark.parametrize(
    ("instants", "written"),
    [
        ([], []),
        ([0.0], ["0:00"]),
        ([5.24], ["0:05"]),
        ([0, 59.89, 60, 3599.99], ["0:00.0", "0:59.8", "1:00.0", "59:59.9"]),
        ([0, 1, 2.5], ["0:00", "0:01", "0:02"]),
        ([0, 3600], ["0:00:00", "1:00:00"]),
        ([90_000], ["25:00:00"]),
        ([0.1, 0.2, 0.3], ["0:00.1", "0:00.2", "0:00.3"]),
        ([0, 0.04, 0.08], ["0:00.00", "0:00.04", "0:00.08"]),
        ([1.0001, 1.0002], ["0:01.000", "0:01.000"]),
        ([2, 2, 4], ["0:02", "0:02", "0:04"]),
    ],
)
def test_instants_are_written_alike_and_just_fine_enough_to_differ(instants: list[float], written: list[str]) -> None:
    assert timestamps(instants) == written


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50, unique=True))
def test_milliseconds_apart_read_apart_and_in_order(milliseconds: list[int]) -> None:
    written = timestamps([each / 1000 for each in sorted(milliseconds)])

    assert len(set(written)) == len(written)
    assert list(written) == sorted(written, key=_read)


def _read(face: str) -> float:
    seconds = 0.0
    for part in face.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def test_durations_are_clocks_unless_short() -> None:
    assert [duration(seconds) for seconds in (0, 3.97, 10, 75.9, 36_610)] == [
        "0.0 s",
        "4.0 s",
        "0:00:10",
        "0:01:15",
        "10:10:10",
    ]


def test_sizes_and_rates_have_units() -> None:
    assert [byte_size(size) for size in (0, 1023, 1024, 509_868, 12 * 2**20, 3 * 2**40)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "498 KiB",
        "12.0 MiB",
        "3.0 TiB",
    ]
    assert [bit_rate(rate) for rate in (320, 408_000, 999_999, 24_500_000)] == [
        "320 b/s",
        "408 kb/s",
        "1.0 Mb/s",
        "24.5 Mb/s",
    ]
    assert [frame_rate(rate) for rate in (25, 30_000 / 1001, 0.5, 119.88)] == [
        "25 fps",
        "29.97 fps",
        "0.5 fps",
        "119.88 fps",
    ]
