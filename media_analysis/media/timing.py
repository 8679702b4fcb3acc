"""What timestamps tell: how long a file without a duration is, and whether its frame rate varies."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from statistics import median
from typing import Final, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.opening import packets_of
from media_analysis.media.options import Limits

Kind = TypeVar("Kind", bound=Stream)
JUDGED_FRAMES: Final = 300
"""The first so many tell whether the frame rate varies."""
JUDGED_BYTES: Final = 64 * 2**20
_FEWEST: Final = 4
_REORDERED: Final = 16
"""No codec shows a frame further than this from where it is stored."""
_TOLERANCE: Final = 0.1
"""Of the usual distance between frames."""
_STRAY: Final = 0.05
"""The share of distances that may be odd, as where a frame was dropped or a fragment begins."""
_ROUNDED_TICKS: Final = 2
"""What rounding to a time base alone may do to a distance."""


@dataclass(slots=True)
class Extent:
    """From when to when packets of one stream play, in its ticks."""

    packets: int = 0
    first: int | None = None
    end: int = 0
    untimed: int = 0
    """The durations of packets without a timestamp, added up."""

    def add(self, packet: "Packet[Stream]") -> None:
        duration = packet.duration or 0
        self.packets += 1
        instant = packet.pts if packet.pts is not None else packet.dts
        if instant is None:
            self.untimed += duration
            return
        self.first = instant if self.first is None else min(self.first, instant)
        self.end = max(self.end, instant + duration)

    @property
    def ticks(self) -> int:
        return self.untimed if self.first is None else self.end - self.first


@dataclass(frozen=True, slots=True)
class Glance:
    """What the first packets of a video stream told."""

    first: VideoFrame | None
    """The first frame that could be decoded."""
    varies: bool | None
    """Whether frames are shown at uneven distances; None where too few have timestamps."""
    average: float | None = None
    """Frames a second, where the distances vary."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What reading all packets told."""

    duration_seconds: float | None
    packets: dict[int, int] = field(default_factory=dict)
    """By the stream's index."""


def glance(container: InputContainer, stream: VideoStream) -> Glance:
    """Read the first packets of a freshly opened container's video stream, and decode one frame."""
    first: VideoFrame | None = None
    instants: list[int] = []
    size_bytes = 0
    for packet in islice(_readable(packets_of(container, stream)), JUDGED_FRAMES):
        if packet.pts is not None:
            instants.append(packet.pts)
        first = first or _decoded(stream, packet)
        size_bytes += packet.size
        if size_bytes > JUDGED_BYTES:
            break
    else:
        first = first or _decoded(stream, None)
    varies = _varies(instants)
    return Glance(first, varies, _average(container, stream, instants) if varies else None)


def _average(container: InputContainer, stream: VideoStream, instants: list[int]) -> float | None:
    """What the demuxer calls an average is often the rate of its clock."""
    if len(instants) < JUDGED_FRAMES and container.duration is not None and container.duration > 0:
        return len(instants) * av.time_base / container.duration
    span = (max(instants) - min(instants)) * (stream.time_base or 0)
    return float((len(instants) - 1) / span) if span else None


def measure(container: InputContainer, limits: Limits) -> Measurement:
    """Read every packet to its end, decoding none; a file that breaks off is measured until there.

    Raises:
        MediaLimitPassed: there are more packets, or they last longer, than `limits` allow.

    """
    extents: dict[int, Extent] = {}
    for number, packet in enumerate(_readable(packets_of(container, *container.streams)), start=1):
        if number > limits.max_packets:
            raise MediaLimitPassed("packets", found=number, allowed=limits.max_packets)
        extents.setdefault(packet.stream_index, Extent()).add(packet)
    durations = [
        float(extent.ticks * time_base)
        for index, extent in extents.items()
        if (time_base := container.streams[index].time_base) is not None
    ]
    longest = max((seconds for seconds in durations if seconds > 0), default=None)
    if longest is not None and longest > limits.max_duration_seconds:
        raise MediaLimitPassed("seconds", found=longest, allowed=limits.max_duration_seconds)
    return Measurement(longest, {index: extent.packets for index, extent in extents.items()})


def _readable(packets: "Iterable[Packet[Kind]]") -> "Iterator[Packet[Kind]]":
    """Yield packets until the first that cannot be read."""
    try:
        yield from packets
    except MemoryError:
        raise
    except av.FFmpegError:
        return


def _decoded(stream: VideoStream, packet: "Packet[VideoStream] | None") -> VideoFrame | None:
    try:
        return next(iter(stream.decode(packet)), None)
    except MemoryError:
        raise
    except av.FFmpegError:
        return None


def _varies(instants: list[int]) -> bool | None:
    if len(instants) < _FEWEST:
        return None
    # The last ones may lack neighbours that are stored behind them and were not read.
    known = sorted(set(instants))[: -_REORDERED if len(instants) > 2 * _REORDERED else None]
    distances = [after - before for before, after in pairwise(known)]
    usual = median(distances)
    allowed = max(_ROUNDED_TICKS, _TOLERANCE * usual)
    return sum(abs(distance - usual) > allowed for distance in distances) > _STRAY * len(distances)
