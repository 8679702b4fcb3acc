"""Which coded pictures need no decoding unless they are wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.films.units import REFERRED_TO, rank_reader

AVCC = bytes([1, 100, 0, 40, 0xFF, 0xE1])
HVCC = bytes([1, *bytes(20), 0x0F])
REFERENCE, PLAIN, KEY, NOTES, PARAMETERS = 0x41, 0x01, 0x65, 0x06, 0x67


def by_length(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4) + unit for unit in units)


def by_start_code(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def unit(header: int) -> bytes:
    return bytes([header, 0x9A, 0x11, 0x22])


def hevc_unit(kind: int, layer: int) -> bytes:
    return bytes([kind << 1, layer + 1, 0x9A, 0x11])


@pytest.mark.parametrize(
    ("headers", "rank"),
    [
        ([PLAIN], 1),
        ([NOTES, PLAIN, PLAIN], 1),
        ([REFERENCE], REFERRED_TO),
        ([KEY], REFERRED_TO),
        ([REFERENCE, PLAIN], REFERRED_TO),
        ([PARAMETERS, PLAIN], REFERRED_TO),
        ([NOTES], REFERRED_TO),
    ],
)
def test_an_h264_picture_is_disposable_where_no_slice_is_a_reference(headers: list[int], rank: int) -> None:
    units = [unit(header) for header in headers]

    assert rank_reader("h264", AVCC)(by_length(*units)) == rank
    assert rank_reader("h264", None)(by_start_code(*units)) == rank


@pytest.mark.parametrize(("kind", "rank"), [(0, 3), (8, 3), (1, REFERRED_TO), (9, REFERRED_TO), (19, REFERRED_TO)])
def test_an_hevc_picture_ranks_by_its_layer_where_that_layer_does_not_refer_to_it(kind: int, rank: int) -> None:
    units = [hevc_unit(39, 0), hevc_unit(kind, 2)]

    assert rank_reader("hevc", HVCC)(by_length(*units)) == rank
    assert rank_reader("hevc", b"\0\0\0\1\x40")(by_start_code(*units)) == rank


def test_a_packet_that_ends_within_a_unit_is_kept() -> None:
    packet = by_length(unit(PLAIN))

    assert rank_reader("h264", AVCC)(packet[:-1]) == REFERRED_TO


def test_pictures_of_other_codecs_are_kept() -> None:
    assert rank_reader("vp9", None)(by_length(unit(PLAIN))) == REFERRED_TO


@given(st.binary(max_size=200), st.binary(max_size=40), st.sampled_from(["h264", "hevc"]))
def test_any_bytes_have_a_rank(packet: bytes, configuration: bytes, codec: str) -> None:
    assert 0 <= rank_reader(codec, configuration)(packet) <= 7
