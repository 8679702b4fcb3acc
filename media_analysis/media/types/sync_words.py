"""Streams without a header of their own: told by sync words that come again where they must."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Final

_SYNC: Final = 0xFF
"""How the sync word of MPEG audio begins; some bits of the next byte belong to it."""
_TS_SYNC: Final = 0x47
_TS_PACKETS: Final = 3
_CERTAIN: Final = 3
"""So many frames, one behind the other, are no accident."""
_JOINED_BYTES: Final = 2_048
"""Where the first whole frame begins at last."""
_MOST_WORDS: Final = 64
"""In a frame that is cut few bits look like a sync word; so many are something else."""
_SYNC_WORDS: Final = (re.compile(rb"\xff(?=[\xe2-\xff])"), re.compile(rb"\x0b\x77"))
"""Apart, for a pattern that begins with one byte is looked for ten times as fast."""
_START_CODE: Final = re.compile(rb"\0\0\x01")
_AC3_BIT_RATES: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
"""In kbit/s."""
_MPEG_BIT_RATES: Final = (
    # Of MPEG-1 and of MPEG-2 and 2.5, by layer from 1 to 3, in kbit/s (ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3).
    (
        (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    ),
    (
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    ),
)
_MPEG_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def type_of_stream(head: bytes) -> str | None:
    """Return the media type of a stream that begins with `head`, None where it begins with no sync word known here."""
    looks = (_transport_stream, _annex_b, _framed, _joined)
    return next((found for look in looks if (found := look(head)) is not None), None)


def _transport_stream(head: bytes) -> str | None:
    """A sync byte begins each packet of 188 bytes; discs put 4 before it, broadcasts 16 behind (ISO/IEC 13818-1)."""
    for first, size in ((0, 188), (4, 192), (0, 204)):
        syncs = head[first : first + size * _TS_PACKETS : size]
        if len(syncs) == _TS_PACKETS and set(syncs) == {_TS_SYNC}:
            return "video/mp2t"
    return None


def _annex_b(head: bytes) -> str | None:
    """Parameter sets of a raw stream, H.264 table 7-1 and H.265 table 7-1; an object layer, ISO/IEC 14496-2, 6.2."""
    if not head.startswith((b"\0\0\x01", b"\0\0\0\x01")):
        return None
    starts = [found.end() for found in _START_CODE.finditer(head)]
    units = [head[at : at + 2].ljust(2, b"\0") for at in starts]
    if any(unit[0] & 0x9F == 7 for unit in units):  # noqa: PLR2004 - as the source says
        return "video/h264"
    if any(unit[0] >> 1 in {32, 33} and unit[0] & 0x81 == 0 and unit[1] == 1 for unit in units):
        return "video/h265"
    is_layered = units[0][0] <= 0x1F and any(0x20 <= unit[0] <= 0x2F for unit in units[1:2])  # noqa: PLR2004 - its codes
    return "video/mp4v-es" if is_layered else None


def _framed(head: bytes) -> str | None:
    """Frames that begin at once, or behind zeros."""
    if head.startswith(b"ADIF"):
        return "audio/aac"
    zeros = len(head) - len(head.lstrip(b"\0"))
    return _chained(head, zeros, fewest=1 if zeros == 0 else _CERTAIN)


def _joined(head: bytes) -> str | None:
    """Frames of a stream that was joined in the midst of one of them."""
    words = (islice(word.finditer(head, 0, _JOINED_BYTES), _MOST_WORDS) for word in _SYNC_WORDS)
    places = sorted(found.start() for those in words for found in those)[:_MOST_WORDS]
    return next((found for at in places if (found := _chained(head, at, fewest=_CERTAIN)) is not None), None)


def _chained(head: bytes, at: int, *, fewest: int) -> str | None:
    """Return what frames are that follow one another: several, or so many to the very end."""
    for size_of, media_type in _FRAMES:
        frames, end = 0, at
        while frames < _CERTAIN and (size := size_of(head, end)):
            frames, end = frames + 1, end + size
        if frames >= _CERTAIN or (frames >= fewest and end == len(head)) or (frames > fewest and end > len(head)):
            return media_type(head[at:])
    return None


def _adts_frame_bytes(head: bytes, at: int) -> int:
    """Return the length of a frame of AAC (ISO/IEC 13818-7, 6.2), 0 where none begins."""
    if len(head) < at + 6 or head[at] != _SYNC or head[at + 1] & 0xF6 != 0xF0 or head[at + 2] >> 2 & 0xF > 12:  # noqa: PLR2004 - its bits
        return 0
    length = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
    return length if length >= 7 else 0  # noqa: PLR2004 - its own header


def _mpeg_frame_bytes(head: bytes, at: int) -> int:
    """Return the length of a frame, 0 where none begins."""
    if len(head) < at + 4 or head[at] != _SYNC or head[at + 1] & 0xE0 != 0xE0:  # noqa: PLR2004 - its bits
        return 0
    version, layer = head[at + 1] >> 3 & 3, 4 - (head[at + 1] >> 1 & 3)
    bits, rate = head[at + 2] >> 4, head[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or bits in {0, 15} or rate == 3:  # noqa: PLR2004 - reserved, or free
        return 0
    kilobits = _MPEG_BIT_RATES[0 if version == 3 else 1][layer - 1][bits]  # noqa: PLR2004 - MPEG-1
    hertz, padding = _MPEG_RATES[version][rate], head[at + 2] >> 1 & 1
    if layer == 1:
        return (12_000 * kilobits // hertz + padding) * 4
    halved = layer == 3 and version != 3  # noqa: PLR2004 - as above
    return (72_000 if halved else 144_000) * kilobits // hertz + padding


def _ac3_frame_bytes(head: bytes, at: int) -> int:
    """Source: ETSI TS 102 366, 4.4.1, table 4.13 and E.1.3.1.3: streams of a later kind have a later `bsid`."""
    if len(head) < at + 6 or head[at : at + 2] != b"\x0b\x77":
        return 0
    if _is_enhanced(head[at:]):
        return 2 * ((head[at + 2] & 7) << 8 | head[at + 3]) + 2
    rate, code = head[at + 4] >> 6, head[at + 4] & 0x3F
    if rate == 3 or code >= 2 * len(_AC3_BIT_RATES):  # noqa: PLR2004 - reserved
        return 0
    words = 96_000 * _AC3_BIT_RATES[code >> 1] // (48_000, 44_100, 32_000)[rate]
    return 2 * (words + (code & 1 if rate == 1 else 0))


def _is_enhanced(frame: bytes) -> bool:
    return 10 < frame[5] >> 3 <= 16  # noqa: PLR2004 - as the source says


_FRAMES: Final[tuple[tuple[Callable[[bytes, int], int], Callable[[bytes], str]], ...]] = (
    (_adts_frame_bytes, lambda _: "audio/aac"),
    (_mpeg_frame_bytes, lambda _: "audio/mpeg"),
    (_ac3_frame_bytes, lambda frame: "audio/eac3" if _is_enhanced(frame) else "audio/ac3"),
)
"""How long frames are that begin with sync words, and what they are."""
