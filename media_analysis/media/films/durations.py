"""How long headers say that a file plays, and how far they are to be believed."""

from itertools import pairwise
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from media_analysis.media.films.measuring import PLAYED, Budget, Measurement
from media_analysis.media.films.opening import demuxer_of, has_decoder
from media_analysis.media.films.stamps import REORDERED
from media_analysis.media.reading import open_unwaiting
from media_analysis.media.types.sniff import behind_tags

_LAST_STAMPS: Final = frozenset({"mpegts", "mpeg", "nut"})
_BIT_RATES: Final = frozenset({"mp3", "aac", "ac3", "eac3", "amr", "mpegvideo", "h264", "hevc", "m4v", "mjpeg", "obu"})
"""Both tell no duration: what the demuxer calls so is guessed from the last time stamps, or from bit rates."""
_FROM_ZERO: Final = frozenset({"matroska", "flv", "asf"})
"""Their headers tell of an end as often as of a duration."""
_LATE_SECONDS: Final = 0.1
"""Whose first time stamp is further from zero has a duration that may be told wrongly."""
_NEAR_SECONDS: Final = 0.2
_NEAR_SHARE: Final = 0.01
_SHOWN_SECONDS: Final = 0.02
"""So much of what is shown may lie behind the end that headers tell: less than any picture lasts."""
_EVEN_FACTOR: Final = 1.5
"""More than rounding makes of even distances."""
_LIKELY_FACTOR: Final = 1.5
"""How much the rest of a file may differ from its beginning before what headers say of it is doubted."""
CHECKED: Final = Budget(size_bytes=8 * 2**20, seconds=1.0)
"""So much is read to find out whether headers tell the truth."""


def tells_duration(container: InputContainer, path: Path) -> bool:
    """Return whether headers tell how long a file is, counted from where it begins."""
    demuxer = demuxer_of(container)
    told = not tells_by_stamps(container) and demuxer not in _BIT_RATES
    return (told or (demuxer == "mp3" and counts_frames(path))) and not _is_late(container)


def tells_by_stamps(container: InputContainer) -> bool:
    """Return whether the duration is what lies between the first and the last time stamps."""
    return demuxer_of(container) in _LAST_STAMPS


def counts_frames(path: Path) -> bool:
    """Return whether an MP3 tells how many frames it has, in the header of Xing or of Fraunhofer's encoder."""
    with open_unwaiting(path) as file:
        file.seek(behind_tags(file))
        first = file.read(512)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


def _is_late(container: InputContainer) -> bool:
    """Return whether headers may count a duration from zero, and time stamps begin elsewhere."""
    return demuxer_of(container) in _FROM_ZERO and abs(container.start_time or 0) > _LATE_SECONDS * av.time_base


def duration_of(container: InputContainer) -> float | None:
    """Return the longest duration in seconds that the container's headers or its last timestamps tell."""
    known = [] if container.duration is None else [container.duration / av.time_base]
    known += [
        float(stream.duration * stream.time_base)
        for stream in container.streams
        if stream.duration is not None and stream.time_base is not None
    ]
    return max((seconds for seconds in known if seconds > 0), default=None)


def is_indexed(container: InputContainer, told: float) -> bool:
    """Return whether an index of frames ends where headers say that the file does, but for the last frame."""
    indexed = [stream for stream in container.streams if stream.type in PLAYED and len(stream.index_entries) > 1]
    last = max((_last_frame(stream) for stream in indexed), default=None)
    return last is not None and _is_near(told, last) and not any(map(_may_be_shown_late, indexed))


def _last_frame(stream: Stream) -> float:
    entries = stream.index_entries
    return float((entries[len(entries) - 1].timestamp - entries[0].timestamp) * (stream.time_base or 0))


def _may_be_shown_late(stream: Stream) -> bool:
    """Whether frames are reordered, of which indices tell when they are decoded, and the distances of these differ."""
    if not isinstance(stream, VideoStream) or not has_decoder(stream) or not stream.codec_context.has_b_frames:
        return False
    entries = stream.index_entries
    count = min(REORDERED, len(entries))
    ends = range(count), range(len(entries) - count, len(entries))
    steps = [entries[after].timestamp - entries[before].timestamp for end in ends for before, after in pairwise(end)]
    return max(steps) > _EVEN_FACTOR * min(steps)


def is_borne_out(
    told: float, measured: Measurement, *, truncated: bool | None, shown_seconds: float | None = None
) -> bool:
    """Return whether what packets tell, all or the first of them, bears out what headers do.

    `shown_seconds` are those of the pictures, where all were read: headers that end before them are wrong.
    """
    if measured.duration_seconds is None:
        return True
    if measured.discontinuities or (truncated and measured.share < 1):
        return False
    if measured.share < 1:
        return told / _LIKELY_FACTOR <= measured.duration_seconds <= told * _LIKELY_FACTOR
    is_past = shown_seconds is not None and shown_seconds > told + _SHOWN_SECONDS
    return not is_past and _is_near(told, measured.duration_seconds)


def _is_near(told: float, found: float) -> bool:
    return abs(told - found) <= max(_NEAR_SECONDS, _NEAR_SHARE * found)
