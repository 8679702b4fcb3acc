"""Which coded pictures no other one refers to, told by their first bytes: unless wanted, they need no decoding."""

from collections.abc import Callable, Iterator
from typing import Final

from media_analysis.media.films.units import Packet, units_in

REFERRED_TO: Final = 0
"""The rank of a picture that others may need."""
_H264_SLICE: Final = 1
_H264_BESIDE: Final = frozenset({6, 9, 12})
"""Supplemental information, delimiters and filler (ITU-T H.264, table 7-1)."""
_H264_REFERENCE_BITS: Final = 0x60
_HEVC_LAST_PLAIN: Final = 14
"""Even numbers up to it are pictures their own sub-layer does not refer to (ITU-T H.265, table 7-1)."""
_HEVC_BESIDE: Final = frozenset({35, 38, 39, 40, 62, 63})
RankReader = Callable[[Packet], int]
"""Tells 0 of a picture others may refer to; else 1 more than its temporal layer, whose highest alone is disposable."""


def rank_reader(codec: str, configuration: bytes | None) -> RankReader:
    """Return what ranks the packets of a codec, by FFmpeg's name and its decoder configuration, if any.

    Other codecs than H.264 and HEVC have no ranks: all their pictures may be referred to.
    """
    ranks = {"h264": _rank_of_h264, "hevc": _rank_of_hevc}
    if codec not in ranks:
        return lambda _: REFERRED_TO
    return lambda packet: ranks[codec](units_in(packet, codec, configuration))


def _rank_of_h264(units: Iterator[memoryview]) -> int:
    slices = 0
    for unit in units:
        kind = unit[0] & 0x1F
        if kind == _H264_SLICE and not unit[0] & _H264_REFERENCE_BITS:
            slices += 1
        elif kind not in _H264_BESIDE:
            return REFERRED_TO
    return 1 if slices else REFERRED_TO


def _rank_of_hevc(units: Iterator[memoryview]) -> int:
    rank = REFERRED_TO
    for unit in units:
        kind = unit[0] >> 1 & 0x3F
        if kind <= _HEVC_LAST_PLAIN and kind % 2 == 0 and len(unit) > 1:
            rank = unit[1] & 7
        elif kind not in _HEVC_BESIDE:
            return REFERRED_TO
    return rank
