"""When the pictures of a stream are shown, read from its packets without decoding one."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import lt
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from media_analysis.errors.media import MediaLimitPassed, NoPictures
from media_analysis.media.films.continuity import Clock, Discontinuity, Shift, set_right
from media_analysis.media.films.opening import has_decoder, packets_of
from media_analysis.media.films.stamps import FALLBACK_RATE, Stamps, usual_ticks
from media_analysis.media.films.units import rank_reader
from media_analysis.media.options import Limits

TOLERANCE: Final = Fraction(1, 1_000_000)
"""In seconds: an instant that was told in rounded microseconds still finds its frame."""
_UNTIMED_FORMATS: Final = frozenset({"avi"})
"""They store in which order frames are decoded; what is said of reordered ones is guessed."""
_HIDING_CODECS: Final = frozenset({"vp8"})
"""Their packets may show nothing; whoever asks for such a one gets none."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A stream's packets in the order they are decoded, and its frames in the order they are shown, in ticks."""

    time_base: Fraction
    instants: Sequence[int]
    """When the picture of each packet is shown."""
    keys: Sequence[int]
    """Places of the packets that decode alone, ascending."""
    shown: Sequence[int]
    """All instants at which a frame appears, ascending."""
    ranks: Sequence[int]
    """As told by `disposable`."""
    usual: int
    """Ticks that a frame is shown where nothing tells more."""
    end: int
    timed: bool
    """Whether any packet says when it is shown; `shown` is made of those that do, else guessed."""
    exact: bool
    """Whether every packet shows one frame at a known instant that no other one has."""
    shown_from: int
    """The place from where on packets are shown that the demuxer would have left out, for they step back in time."""
    streams: Sequence[int] = ()
    """Of which the packets are, all of one before those of the next; empty where that is the one a player shows."""
    broken: bool = False
    """Whether reading ended with an error."""
    shifts: Sequence[Shift] = ()
    """What packets are restamped by as they are read again, so that decoders tell instants on this line."""
    discontinuities: Sequence[Discontinuity] = ()
    """Where time stamps restarted, jumped or strayed before they were set right."""

    @property
    def start(self) -> int:
        """When the first frame is shown."""
        return self.shown[0]

    @property
    def duration_seconds(self) -> float:
        """From the first frame to the end of the last one."""
        return float((self.end - self.start) * self.time_base)

    @cached_property
    def key_instants(self) -> Sequence[int]:
        """When the pictures of packets that decode alone are shown, in the order they are stored."""
        return [self.instants[place] for place in self.keys]

    @cached_property
    def _top_rank(self) -> int:
        return max(self.ranks)

    def is_disposable(self, place: int) -> bool:
        """Whether nothing else needs the packet to be decoded."""
        return self.ranks[place] != 0 and self.ranks[place] == self._top_rank

    def places_of(self, wanted: Collection[int]) -> Sequence[int]:
        """Return where the packets shown at these instants are stored, ascending."""
        return [place for place, instant in enumerate(self.instants) if instant in wanted]

    def seconds_at(self, instant: int) -> float:
        """Return seconds since the first frame, rounded to microseconds."""
        return round(float((instant - self.start) * self.time_base), 6)

    def shown_at(self, seconds: float) -> int:
        """Return the instant of the frame shown at so many seconds after the first one."""
        ticks = self.start + math.floor((Fraction(seconds) + TOLERANCE) / self.time_base)
        return self.shown[max(0, bisect_right(self.shown, ticks) - 1)]


def picture_stream(container: InputContainer, index: int | None = None) -> VideoStream:
    """Return the stream a player would show, or that of an index, if it is one of a film; cover art is none.

    Raises:
        NoPictures: there is none.

    """
    films = [
        stream
        for stream in container.streams.video
        if has_decoder(stream) and not stream.disposition & Disposition.attached_pic
    ]
    if not films:
        raise NoPictures("the file holds no video")
    if index is None:
        best = container.streams.best("video")
        index = None if best is None else best.index
    return next((film for film in films if film.index == index), films[0])


def cover_stream(container: InputContainer) -> VideoStream | None:
    """Return the first picture that is attached to a sound; None where there is none."""
    attached = Disposition.attached_pic
    covers = (stream for stream in container.streams.video if has_decoder(stream) and stream.disposition & attached)
    return next(covers, None)


def read_timeline(
    container: InputContainer,
    stream: VideoStream,
    limits: Limits,
    packets: "Iterator[Packet[VideoStream]] | None" = None,
) -> Timeline:
    """Read all packets of a freshly opened container to the end, or to where it breaks off.

    They are those of `stream`, unless `packets` are given.

    Raises:
        MediaLimitPassed: there are more packets, or they last longer, than `limits` allow.
        NoPictures: there is no packet.

    """
    reading = _Reading(stream, limits)
    broken = False
    try:
        for packet in packets or packets_of(container, stream):
            reading.add(packet)
    except MemoryError:
        raise
    except av.FFmpegError:
        broken = True
    if not reading.stamps.shown:
        raise NoPictures("the file's video holds no pictures")
    timeline = reading.finished(broken=broken)
    if timeline.duration_seconds > limits.max_duration_seconds:
        found = timeline.duration_seconds
        raise MediaLimitPassed("seconds", found=found, allowed=limits.max_duration_seconds)
    return timeline


class _Reading:
    """What packets have told so far."""

    def __init__(self, stream: VideoStream, limits: Limits) -> None:
        self._keys = array("q")
        self._ranks = bytearray()
        self._timed = bytearray()
        self._hidden = bytearray()
        self._limits = limits
        self._guessed = stream.container.format.name in _UNTIMED_FORMATS and stream.codec_context.has_b_frames
        self._hiding = stream.codec_context.name in _HIDING_CODECS
        self._time_base = stream.time_base or 1 / FALLBACK_RATE
        self._usual = usual_ticks(stream)
        self._clock = Clock.of(stream)
        self.stamps = Stamps(self._usual)
        self._rank = rank_reader(stream.codec_context.name, stream.codec_context.extradata)

    def add(self, packet: "Packet[VideoStream]") -> None:
        place = len(self.stamps.shown)
        if place == self._limits.max_packets:
            raise MediaLimitPassed("packets", found=place + 1, allowed=place)
        self.stamps.add(packet)
        self._timed.append(packet.pts is not None)
        self._hidden.append(packet.is_discard)
        self._ranks.append(self._rank(memoryview(packet)))
        if packet.is_keyframe:
            self._keys.append(place)

    def finished(self, *, broken: bool) -> Timeline:
        continuity = set_right(self.stamps, self._clock)
        instants, durations = self.stamps.shown, self.stamps.durations
        timed = any(self._timed) and not self._guessed
        # What is stored before the first that tells it is shown, too: stamps below zero get lost in Matroska.
        first = self._timed.find(1)
        told = [place for place in range(len(instants)) if self._timed[place] or not timed or place < first]
        shown_from = continuity.steps[0].place if continuity.steps else len(instants)
        seen = [place for place in told if place >= shown_from or not self._hidden[place]] or told
        shown = array("q", sorted(instants[place] for place in seen))
        known = continuity.certain and {line.start for line in continuity.lines[1:]} <= set(self._keys)
        return Timeline(
            time_base=self._time_base,
            instants=instants,
            keys=self._keys,
            shown=shown,
            ranks=self._ranks,
            usual=self._usual,
            end=max(instants[place] + durations[place] for place in seen),
            timed=timed,
            exact=timed and all(self._timed) and not self._hiding and known and all(map(lt, shown, shown[1:])),
            broken=broken,
            shifts=continuity.shifts,
            shown_from=shown_from,
            discontinuities=[self._told(step, shown[0]) for step in continuity.steps],
        )

    def _told(self, step: Shift, start: int) -> Discontinuity:
        at = self.stamps.shown[step.place] - start
        return Discontinuity(round(float(at * self._time_base), 6), round(float(step.ticks * self._time_base), 6))
