"""What the first timestamps tell: whether a frame rate varies, and whether a clock goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, islice, pairwise
from statistics import median
from typing import Final, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.media.films.continuity import Clock, set_right
from media_analysis.media.films.decoder import Decoder
from media_analysis.media.films.looks import ChangeDetector, PictureChange
from media_analysis.media.films.opening import has_decoder, readable_packets
from media_analysis.media.films.stamps import Stamps, usual_ticks
from media_analysis.media.options import Limits

Kind = TypeVar("Kind", bound=Stream)
JUDGED_FRAMES: Final = 300
"""The first so many tell whether the frame rate varies."""
JUDGED_BYTES: Final = 64 * 2**20
_FEWEST: Final = 4
_REORDERED: Final = 16
"""No codec shows a frame further than this from where it is stored."""
_WAITING: Final = {"h264", "hevc"}
"""Codecs whose decoders hold a frame back until two or more others follow: two thirds of what a probe would decode."""
_TOLERANCE: Final = 0.1
"""Of the usual distance between frames."""
_STRAY: Final = 0.05
"""The share of distances that may be odd, as where a frame was dropped or a fragment begins."""
_ROUNDED_TICKS: Final = 2
"""What rounding to a time base alone may do to a distance."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What the first packets of a video stream told."""

    first: VideoFrame | None
    """The first frame that could be decoded."""
    varies: bool | None
    """Whether frames are shown at uneven distances; None where too few have timestamps."""
    average: float | None = None
    """Frames a second, where the distances vary."""
    goes_on: bool = True
    """Whether timestamps go on from packet to packet, without restarts, jumps or strays."""
    changes: Sequence[PictureChange] = ()
    """Where pictures look other than before."""


def glance(container: InputContainer, stream: VideoStream, limits: Limits) -> Glance:
    """Read the first packets of a freshly opened container's video stream, and decode one frame of each kind if it can.

    Raises:
        MediaLimitPassed: frames on the way have more pixels than `limits.max_pixels`.

    """
    first: VideoFrame | None = None
    timed: list[bool] = []
    size_bytes = 0
    stamps = Stamps(usual_ticks(stream))
    watch = ChangeDetector(Decoder(stream, limits)) if has_decoder(stream) else None
    for place, packet in enumerate(islice(readable_packets(container, stream), JUDGED_FRAMES)):
        stamps.add(packet)
        timed.append(packet.pts is not None)
        if watch is not None:
            watch.note(place, packet)
            first = first or (_decoded(stream, packet) if place else _decoded_alone(stream, packet))
        size_bytes += packet.size
        if size_bytes > JUDGED_BYTES:
            break
    else:
        first = first if watch is None else first or _decoded(stream, None)
    goes_on = not set_right(stamps, Clock.of(stream)).steps
    instants = list(compress(stamps.shown, timed))
    varies = _varies(instants)
    average = _average(container if goes_on else None, stream, instants) if varies else None
    changes = [] if watch is None else list(watch.changes({stream.index: stamps.shown}))
    return Glance(first, varies, average, goes_on, changes)


def _average(container: InputContainer | None, stream: VideoStream, instants: list[int]) -> float | None:
    """What the demuxer calls an average is often the rate of its clock."""
    told = None if container is None else container.duration
    if len(instants) < JUDGED_FRAMES and told is not None and told > 0:
        return len(instants) * av.time_base / told
    span = (max(instants) - min(instants)) * (stream.time_base or 0)
    return float((len(instants) - 1) / span) if span else None


def _decoded_alone(stream: VideoStream, packet: "Packet[VideoStream]") -> VideoFrame | None:
    """Return the frame of a stream's first packet, without those that its decoder waits for."""
    found = _decoded(stream, packet)
    if found is None and packet.is_keyframe and stream.codec_context.name in _WAITING:
        found = _decoded(stream, None)
        stream.codec_context.flush_buffers()
        return found or _decoded(stream, packet)
    return found


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
