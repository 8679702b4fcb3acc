"""How long a file plays, measured by its packets, decoding none."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from time import monotonic
from typing import Final

from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.films.continuity import Clock, Continuity, Discontinuity, set_right
from media_analysis.media.films.decoder import Decoder
from media_analysis.media.films.looks import ChangeDetector, PictureChange
from media_analysis.media.films.opening import has_decoder, readable_packets
from media_analysis.media.films.stamps import Stamps, joined, usual_ticks
from media_analysis.media.films.succession import Span, kin_of, lines_of, note_span
from media_analysis.media.options import Limits

PLAYED: Final = frozenset({"video", "audio"})
"""What else there is comes and goes, and tells of no duration."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a file is read to measure it; what is longer is estimated."""

    size_bytes: int = 2**30
    seconds: float = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What packets told."""

    duration_seconds: float | None
    """From the first to the end of the last, each stream on one line."""
    streams: Mapping[int, float] = field(default_factory=dict)
    """Durations by the stream's index, where all was read."""
    played: Mapping[int, float] = field(default_factory=dict)
    """Likewise, with the streams that go on as one with it."""
    packets: Mapping[int, int] = field(default_factory=dict)
    """By the stream's index, where all was read, with the streams that go on as one with it."""
    share: float = 1.0
    """Of the file, that was read."""
    stamped: bool = True
    """Whether time stamps told it; without any, durations were added up that rest on a guessed rate."""
    discontinuities: Sequence[Discontinuity] = ()
    """In the stream that leads."""
    changes: Sequence[PictureChange] = ()
    """Where pictures of the stream that leads look other than before."""


def measure(
    container: InputContainer, limits: Limits, leader: Stream | None = None, budget: Budget | None = None
) -> Measurement:
    """Read packets to their end, or as far as `budget` goes; a file that breaks off is measured until there.

    Where time stamps of several streams do not go on, all move by as much as those of the `leader`.

    Raises:
        MediaLimitPassed: there are more packets, or they last longer, than `limits` allow.

    """
    watch = ChangeDetector(Decoder(leader, limits)) if isinstance(leader, VideoStream) and has_decoder(leader) else None
    measuring = _Measuring(
        container, limits, budget or Budget(), watch, () if watch is None else kin_of(container, watch.decoder.stream)
    )
    share = measuring.read()
    found = measuring.found(leader, share)
    if found.duration_seconds is not None and found.duration_seconds > limits.max_duration_seconds:
        raise MediaLimitPassed("seconds", found=found.duration_seconds, allowed=limits.max_duration_seconds)
    return found


@dataclass(slots=True)
class _Measuring:
    container: InputContainer
    limits: Limits
    budget: Budget
    watch: ChangeDetector | None
    watched: Collection[int]
    stamps: dict[int, Stamps | None] = field(default_factory=dict, init=False)
    spans: dict[int, Span] = field(default_factory=dict, init=False)
    stamped: bool = field(default=False, init=False)

    def read(self) -> float:
        """Note packets, and return which share of the file they are."""
        until = monotonic() + self.budget.seconds
        size_bytes = 0
        for number, packet in enumerate(readable_packets(self.container, *self.container.streams), start=1):
            if number > self.limits.max_packets:
                raise MediaLimitPassed("packets", found=number, allowed=self.limits.max_packets)
            size_bytes += packet.size
            self._note(packet)
            if size_bytes > self.budget.size_bytes or (number % 1024 == 0 and monotonic() > until):
                return min(1.0, max(size_bytes, packet.pos or 0) / max(1, self.container.size))
        return 1.0

    def _note(self, packet: "Packet[Stream]") -> None:
        index = packet.stream_index
        if index not in self.stamps:
            # Streams may turn up on the way; each is looked at once, for that is slow.
            self.stamps[index] = _stamps_of(packet.stream)
        stamps = self.stamps[index]
        if stamps is not None:
            self.stamped = self.stamped or packet.pts is not None
            if self.watch is not None and index in self.watched:
                self.watch.note(len(stamps.shown), packet)
            note_span(self.spans, index, packet.pos)
            stamps.add(packet)

    def found(self, leader: Stream | None, share: float) -> Measurement:
        noted = {index: stamps for index, stamps in self.stamps.items() if stamps is not None}
        lines = lines_of(self.container, list(noted), self.spans)
        found = {index: extent for line in lines for extent in [self._extent(line, noted)] for index in line}
        leading = found.get(-1 if leader is None else leader.index) or next(iter(found.values()), None)
        if leading is None:
            return Measurement(duration_seconds=None, share=share)
        extents = {index: extent.beside(leading) for index, extent in found.items()}
        alone = {
            index: self._extent([index], noted).beside(leading) for line in lines if len(line) > 1 for index in line
        }
        start = min(begin for begin, _ in extents.values())
        seconds = float(max(end for _, end in extents.values()) - start)
        whole = share == 1
        return Measurement(
            duration_seconds=seconds / share if seconds > 0 else None,
            streams={index: float(end - begin) for index, (begin, end) in (extents | alone).items() if whole},
            played={index: float(end - begin) for index, (begin, end) in extents.items() if whole},
            packets={index: extent.stamps.count for index, extent in found.items() if whole},
            share=share,
            stamped=self.stamped,
            discontinuities=leading.discontinuities(),
            changes=[] if self.watch is None else list(self.watch.changes(leading.shown)),
        )

    def _extent(self, line: Sequence[int], noted: Mapping[int, Stamps]) -> "_Extent":
        """Return what there is of streams that go on as one."""
        stream = self.container.streams[line[0]]
        stamps = noted[line[0]] if len(line) == 1 else joined([noted[index] for index in line])
        starts = dict(zip(line, accumulate((len(noted[index].shown) for index in line), initial=0), strict=False))
        return _Extent(stream.time_base or Fraction(1), stamps, set_right(stamps, Clock.of(stream)), starts)


def _stamps_of(stream: Stream) -> Stamps | None:
    """Return where to note the packets of a stream; None of one that plays nothing."""
    plays = stream.type in PLAYED and not stream.disposition & Disposition.attached_pic
    return Stamps(usual_ticks(stream)) if plays else None


@dataclass(frozen=True, slots=True)
class _Extent:
    """From when to when one stream plays."""

    tick: Fraction
    stamps: Stamps
    continuity: Continuity
    starts: Mapping[int, int]
    """The place of the first packet of each stream, by its index."""

    @property
    def shown(self) -> Mapping[int, Sequence[int]]:
        """Return when packets are shown, by the index of their stream."""
        return {index: self.stamps.shown[start:] for index, start in self.starts.items()}

    def beside(self, leading: "_Extent") -> tuple[Fraction, Fraction]:
        """Return begin and end in seconds, its lines moved as those of the leading stream are."""
        lines, leaders = self.continuity.lines, leading.continuity.lines
        own = [line.ticks * self.tick for line in lines]
        moves = own if len(lines) != len(leaders) else [line.ticks * leading.tick for line in leaders]
        begins, ends = [], []
        for line, before, move in zip(lines, own, moves, strict=True):
            places = slice(min(max(line.start, self.stamps.preroll), line.stop - 1), line.stop)
            shown, durations = self.stamps.shown[places], self.stamps.durations[places]
            begins.append(min(shown) * self.tick - before + move)
            ends.append(max(map(int.__add__, shown, durations)) * self.tick - before + move)
        return min(begins), max(ends)

    def discontinuities(self) -> Sequence[Discontinuity]:
        """Return where time stamps do not go on."""
        start = min(self.stamps.shown[self.stamps.preroll :], default=0)
        return [
            Discontinuity(
                round(float((self.stamps.shown[step.place] - start) * self.tick), 6),
                round(float(step.ticks * self.tick), 6),
            )
            for step in self.continuity.steps
        ]
