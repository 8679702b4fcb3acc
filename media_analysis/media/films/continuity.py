"""One line of time for packets whose time stamps restart, jump or stray."""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from operator import le, sub
from typing import Final, TypeVar, cast

from av.format import Flags
from av.packet import Packet
from av.stream import Stream

from media_analysis.media.films.stamps import REORDERED, Stamps, usual_ticks

Kind = TypeVar("Kind", bound=Stream)
DISCONTINUITY: Final = "discontinuity"
"""The code of what is said of one."""
_BACK: Final = Fraction(1, 10)
"""In seconds, as the two below: so far back, time stamps begin anew (ffmpeg, fftools/ffmpeg_demux.c)."""
_FORWARD: Final = Fraction(10)
"""So far ahead, a clock jumped, where clocks may (ffmpeg's dts_delta_threshold); elsewhere it may be a pause."""
_ABSURD: Final = Fraction(30 * 3600)
"""So far ahead is no pause (ffmpeg's dts_error_threshold)."""
_STORE_DECODING: Final = frozenset({"mov", "flv", "mxf"})
"""Beside formats whose clocks may jump."""
_MOST_ANCHORS: Final = 4
"""So many pictures are stored before one that is shown before them."""
_MOST_STRAYS: Final = 8
"""More packets in a row than so many are a line of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """What steps the time stamps of a stream may take, in its ticks."""

    back: int
    forward: int
    absurd: int
    reordered: int
    jumps: bool
    """Whether the container's clock may jump, as in a transport stream."""
    guessed: bool
    """Whether the container tells no decoding, and what the demuxer makes of it lags where pictures are reordered."""
    least: int
    """What a step takes at least to go on; pictures whose decoding is timed are never decoded at once."""

    @classmethod
    def of(cls, stream: Stream) -> "Clock":
        """Return the clock of a stream."""
        tick = stream.time_base or Fraction(1, 1_000_000)
        formats = stream.container.format
        jumps = bool(formats.flags & cast("int", Flags.ts_discont.value))
        stored = jumps or formats.name.split(",")[0] in _STORE_DECODING
        # Where no decoding times are stored, what is told of them goes back as far as frames are reordered.
        reordering = REORDERED * usual_ticks(stream)
        back = max(round(_BACK / tick), 0 if stored else reordering)
        return cls(
            back=back,
            least=int(jumps) if stored and reordering else -back,
            guessed=bool(reordering) and not stored,
            forward=round(_FORWARD / tick),
            absurd=round((_FORWARD if jumps else _ABSURD) / tick),
            reordered=max(round(_FORWARD / tick), reordering),
            jumps=jumps,
        )

    def is_certain(self, stamps: "Stamps") -> bool:
        """Whether packets are stored in the order they are decoded, where the container tells that order."""
        return not self.jumps or all(map(le, stamps.decoded, islice(stamps.decoded, 1, None)))


@dataclass(frozen=True, slots=True)
class Shift:
    """How many ticks the time stamps of packets move, from one place on."""

    place: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Line:
    """Packets whose time stamps go on from one to the next, and how many ticks they move."""

    start: int
    stop: int
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """Where time stamps do not go on, in seconds from the first frame or sample, and by how many they are off."""

    at_seconds: float
    step_seconds: float

    def __str__(self) -> str:
        return f"time stamps jump by {self.step_seconds:+.3f} seconds at {self.at_seconds:.3f}; all goes on from there"


@dataclass(frozen=True, kw_only=True, slots=True)
class Continuity:
    """How the packets of a stream are set on one line."""

    lines: Sequence[Line]
    strays: Sequence[Shift] = ()
    """Single packets, ascending; beside what their line moves."""
    steps: Sequence[Shift] = ()
    """Places where time stamps do not go on, ascending, and by how many ticks they are off."""
    certain: bool = True
    """Whether all packets are shown when they say, moved with what lies around them; else some are guesses."""

    @property
    def shifts(self) -> Sequence[Shift]:
        """Return what restamps packets: each holds until the next."""
        return list(self._shifts())

    def _shifts(self) -> Iterator[Shift]:
        strays = deque(self.strays)
        for line in self.lines:
            if line.start:
                yield Shift(line.start, line.ticks)
            while strays and strays[0].place < line.stop:
                yield Shift(strays[0].place, line.ticks + strays[0].ticks)
                yield Shift(strays.popleft().place + 1, line.ticks)


def set_right(stamps: Stamps, clock: Clock) -> Continuity:
    """Put all packets on one line: what strays where it was expected, and each line behind the one before.

    Changes `stamps` accordingly.
    """
    if _goes_on(stamps, clock):
        return Continuity(lines=[Line(0, len(stamps.decoded))], certain=clock.is_certain(stamps))
    told = stamps.decoded[:]
    strays = list(_strays(stamps, clock))
    for stray in strays:
        stamps.shown[stray.place] += stray.ticks
    known = all(stray.ticks == stamps.decoded[stray.place] - told[stray.place] for stray in strays)
    starts, steps = _starts(stamps, clock, strays)
    lines: list[Line] = []
    for start, stop in zip(starts, [*starts[1:], len(stamps.decoded)], strict=True):
        lines.append(Line(start, stop, _end(stamps, lines[-1]) - min(stamps.shown[start:stop]) if lines else 0))
        for place in range(start, stop):
            stamps.decoded[place] += lines[-1].ticks
            stamps.shown[place] += lines[-1].ticks
    certain = known and clock.is_certain(stamps)
    return Continuity(lines=lines, strays=strays, steps=steps, certain=certain)


def _goes_on(stamps: Stamps, clock: Clock) -> bool:
    """Whether there is nothing to set right; as most often, so it is quick."""
    steps: array[int] = array("q", map(sub, islice(stamps.decoded, 1, None), stamps.decoded))
    lags: array[int] = array("q", map(sub, stamps.shown, stamps.decoded))
    far_back, far_ahead = min(steps, default=0), max(steps, default=0)
    most = max(map(abs, lags), default=0)
    restarts = next(_restarts(stamps, clock), None)
    return restarts is None and far_back >= clock.least and far_ahead <= clock.forward and most <= clock.reordered


def _end(stamps: Stamps, line: Line) -> int:
    return max(stamps.shown[place] + stamps.durations[place] for place in range(line.start, line.stop))


def _strays(stamps: Stamps, clock: Clock) -> Iterator[Shift]:
    """Yield single packets that leave the line, and set right when they are decoded."""
    lag = 0
    earliest = -clock.back if clock.guessed else -clock.reordered
    for place in range(len(stamps.decoded)):
        moved = 0
        if place and _is_stray(stamps, clock, place):
            off = stamps.expected(place) - stamps.decoded[place]
            stamps.decoded[place] += off
            # What is guessed says nothing of when the picture is shown.
            moved = 0 if clock.guessed else off
        found = stamps.shown[place] + moved - stamps.decoded[place]
        if earliest <= found <= clock.reordered:
            lag = found
        elif found < 0 or _is_left_behind(stamps, place):
            vacant = _vacancy(stamps, place)
            moved = moved + lag - found if vacant is None else vacant - stamps.shown[place]
        if moved:
            yield Shift(place, moved)


def _is_left_behind(stamps: Stamps, place: int) -> bool:
    """Whether pictures stored too far behind to be reordered with it are shown before it; else a pause comes first."""
    later = stamps.shown[place + REORDERED : place + REORDERED + _MOST_STRAYS]
    return not later or min(later) < stamps.shown[place]


def _vacancy(stamps: Stamps, place: int) -> int | None:
    """Return where among the pictures around it one is missing, else behind the last."""
    around = sorted(stamps.shown[max(0, place - REORDERED) : place] + stamps.shown[place + 1 : place + REORDERED])
    usual = sorted(map(sub, around[1:], around))[len(around) // 2 - 1] if len(around) > 1 else 0
    holes = [before + usual for before, after in pairwise(around) if 3 * usual < 2 * (after - before) < 5 * usual]
    if not holes and around and place + REORDERED >= len(stamps.shown):
        return around[-1] + usual
    return min(holes, key=lambda hole: abs(hole - stamps.decoded[place]), default=None)


def _is_stray(stamps: Stamps, clock: Clock, place: int) -> bool:
    """Whether packets soon are back where they should be by then, which needs a step back from one too far ahead."""
    decoded, expected, usual = stamps.decoded[place], stamps.expected(place), stamps.durations[place - 1]
    around = stamps.decoded[place - 1 : place + 2]
    if abs(decoded - expected) <= clock.back and all(step >= clock.least for step in map(sub, around[1:], around)):
        return False
    if place + 1 == len(stamps.decoded):
        return decoded < expected or decoded - expected > clock.absurd
    slack = _MOST_ANCHORS * usual if clock.guessed else usual // 2
    following = enumerate(stamps.decoded[place + 1 : place + 1 + _MOST_STRAYS], start=1)
    return any(
        -slack <= later - expected - number * usual <= clock.forward and (decoded < expected or later < decoded)
        for number, later in following
    )


def _starts(stamps: Stamps, clock: Clock, strays: Sequence[Shift]) -> tuple[Sequence[int], Sequence[Shift]]:
    """Return where lines begin, and all places where time stamps do not go on."""
    starts = [0]
    restarts = dict(_restarts(stamps, clock))
    steps = {stray.place: Shift(stray.place, -stray.ticks) for stray in strays}
    for place in range(1, len(stamps.decoded)):
        step = stamps.decoded[place] - stamps.expected(place)
        begins = stamps.decoded[place] < stamps.decoded[place - 1] + clock.least or step > clock.absurd
        if place in restarts or (begins and not (clock.guessed and stamps.keys)):
            starts.append(place)
            steps[place] = Shift(place, restarts.get(place, step))
    return starts, [steps[place] for place in sorted(steps)]


def _restarts(stamps: Stamps, clock: Clock) -> Iterator[tuple[int, int]]:
    """Yield where pictures begin anew, and how far off: with a key that others before it are shown after.

    Whatever a key is reordered with is stored behind it. A picture wrongly called a key is shown before few others, and
    none of them when it is.
    """
    if clock.jumps or not stamps.usual or not stamps.keys:
        return
    latest = max(stamps.shown[: stamps.keys[0] + 1])
    for start, stop in pairwise([*stamps.keys, len(stamps.shown)]):
        first = stamps.shown[start]
        if first <= latest and _begins_anew(stamps, start):
            yield start, first - latest - stamps.usual
            latest = first
        elif clock.guessed and first - latest > clock.absurd:
            yield start, first - latest - stamps.usual
        last = max(stamps.shown[start:stop])
        latest = max(latest, last)


def _begins_anew(stamps: Stamps, start: int) -> bool:
    first, before = stamps.shown[start], stamps.shown[max(0, start - REORDERED) : start]
    return first in before or sum(map(first.__lt__, before)) > _MOST_ANCHORS


def restamped(packet: "Packet[Kind]", ticks: int) -> "Packet[Kind]":
    """Return a packet whose time stamps are moved by so many ticks."""
    if ticks and packet.pts is not None:
        packet.pts += ticks
    if ticks and packet.dts is not None:
        packet.dts += ticks
    return packet
