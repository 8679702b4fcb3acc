"""Streams without a header of their own: told by sync words that come again where they must."""

from typing import Final

_SYNC: Final = 0xFF
"""How the sync word of MPEG audio begins; some bits of the next byte belong to it."""
_TS_SYNC: Final = 0x47
_TS_PACKETS: Final = 3
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
    looks = (_transport_stream, _adts, _mpeg_audio, _ac3, _annex_b)
    return next((found for look in looks if (found := look(head)) is not None), None)


def _transport_stream(head: bytes) -> str | None:
    """A sync byte begins each packet of 188 bytes; discs put 4 before it, broadcasts 16 behind (ISO/IEC 13818-1)."""
    for first, size in ((0, 188), (4, 192), (0, 204)):
        syncs = head[first : first + size * _TS_PACKETS : size]
        if len(syncs) == _TS_PACKETS and set(syncs) == {_TS_SYNC}:
            return "video/mp2t"
    return None


def _annex_b(head: bytes) -> str | None:
    """Parameter sets that begin a raw stream: H.264 table 7-1, H.265 table 7-1."""
    start = 4 if head.startswith(b"\0\0\0\x01") else 3 if head.startswith(b"\0\0\x01") else 0
    if not start or len(head) < start + 2:
        return None
    first, second = head[start], head[start + 1]
    if first & 0x9F in {7, 9}:
        return "video/h264"
    return "video/h265" if first >> 1 in {32, 33, 35} and second == 1 else None


def _adts(head: bytes) -> str | None:
    """Two frames of AAC, one behind the other (ISO/IEC 13818-7, 6.2)."""
    if head.startswith(b"ADIF"):
        return "audio/aac"
    if not _is_adts(head, 0):
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return "audio/aac" if length >= 7 and (_is_adts(head, length) or length >= len(head)) else None  # noqa: PLR2004 - its own header


def _is_adts(head: bytes, at: int) -> bool:
    return len(head) > at + 5 and head[at] == _SYNC and head[at + 1] & 0xF6 == 0xF0  # noqa: PLR2004 - its bits


def _mpeg_audio(head: bytes) -> str | None:
    """Two frames of MPEG audio, one behind the other."""
    length = _mpeg_frame_bytes(head, 0)
    return "audio/mpeg" if length and (_mpeg_frame_bytes(head, length) or length >= len(head)) else None


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


def _ac3(head: bytes) -> str | None:
    """Source: ETSI TS 102 366, 4.4 and E.1.2: streams of a later kind have a later `bsid`."""
    if head[:2] != b"\x0b\x77" or len(head) < 6:  # noqa: PLR2004 - the field looked at
        return None
    return "audio/eac3" if head[5] >> 3 > 10 else "audio/ac3"  # noqa: PLR2004 - as the source says
