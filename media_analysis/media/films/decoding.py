"""Decoding the frames that are wanted, and as few others as that takes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.films.continuity import restamped
from media_analysis.media.films.decoder import Decoded, Decoder
from media_analysis.media.films.opening import open_media
from media_analysis.media.films.selection import stretches
from media_analysis.media.films.succession import packets_in_turn
from media_analysis.media.films.timeline import Timeline, picture_stream
from media_analysis.media.options import Limits


class _Astray(Exception):
    """Decoding did not give what packets promised."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame, when it is shown, and the instant it was asked for by, both in seconds from the first frame."""

    decoded: Decoded
    seconds: float
    asked: float | None = None

    @property
    def frame(self) -> VideoFrame:
        """Return its pixels as stored."""
        return self.decoded.frame


@dataclass(kw_only=True, slots=True)
class Film:
    """A file's video and what its packets told of it; every way of reading opens the file anew."""

    path: Path
    limits: Limits
    timeline: Timeline
    stopped: Callable[[], bool] = lambda: False
    undecoded: int = field(default=0, init=False)
    """Packets that could not be decoded, where all were tried."""

    def shown_at(self, asked: Sequence[float]) -> Iterator[Taken]:
        """Yield the frame shown at each of these instants, which ascend.

        Only what these frames need is decoded, where packets can be trusted; wherever decoding does not give what
        they promise, all of it is decoded instead.
        """
        given = 0
        if self.timeline.exact:
            try:
                for taken in self._promised(asked):
                    yield taken
                    given += 1
            except _Astray:
                pass
            else:
                return
        yield from self._latest(asked[given:])

    def keyframes(self, places: Sequence[int] | None = None) -> Iterator[Taken]:
        """Yield the frames that decode alone, or those of them whose packets are at `places`, by decoding only them."""
        places = self.timeline.keys if places is None else places
        promised = [self.timeline.instants[place] for place in places]
        given = 0
        try:
            for taken in self._keys(places, promised, one_by_one=False):
                self._expect(taken, promised[given : given + 1])
                yield taken
                given += 1
        except _Astray:
            # A decoder that is not told of what lies between them may take keys of open groups out of order.
            yield from islice(self._keys(places, promised, one_by_one=True), given, None)
        except CorruptMedia:
            yield from self._recovered(promised)

    def all_frames(self) -> Iterator[Taken]:
        """Yield every frame that can be decoded, in the order they are shown."""
        with open_media(self.path, self.limits) as container:
            decoder = self._decoder(container)
            packets = (packet for _, packet in self._packets(container, decoder.stream))
            yield from self._timed(self._decoded(decoder, packets), self.timeline.shown)

    def _keys(self, places: Sequence[int], promised: Sequence[int], *, one_by_one: bool) -> Iterator[Taken]:
        wanted = frozenset(places)
        with open_media(self.path, self.limits) as container:
            decoder = self._decoder(container)
            decoder.stream.codec_context.skip_frame = "NONKEY"
            packets = (packet for place, packet in self._packets(container, decoder.stream) if place in wanted)
            found = self._decoded(decoder, packets, one_by_one=one_by_one)
            yield from self._timed((each for each in found if each.frame.key_frame), promised)

    def _recovered(self, promised: Sequence[int]) -> Iterator[Taken]:
        """Yield the frames of packets that are called keys, where none decodes alone: each is refreshed by others."""
        starts = {self.timeline.seconds_at(instant) for instant in promised}
        first: Taken | None = None
        found = 0
        for taken in self.all_frames():
            first = first or taken
            if taken.seconds in starts:
                found += 1
                yield taken
        if first is not None and not found:
            yield first

    def _expect(self, taken: Taken, promised: Sequence[int]) -> None:
        if self.timeline.exact and [taken.frame.pts] != promised:
            raise _Astray

    def _promised(self, asked: Sequence[float]) -> Iterator[Taken]:
        due = deque((self.timeline.shown_at(seconds), seconds) for seconds in asked)
        wanted = sorted({instant for instant, _ in due})
        with open_media(self.path, self.limits) as container:
            for decoded, instant in zip(self._wanted(container, wanted), wanted, strict=False):
                while due and due[0][0] == instant:
                    yield Taken(decoded, self.timeline.seconds_at(instant), due.popleft()[1])

    def _wanted(self, container: InputContainer, wanted: Sequence[int]) -> Iterator[Decoded]:
        """Yield the frames shown exactly at the instants `wanted`, or go astray."""
        missing = deque(wanted)
        keys = frozenset(self.timeline.key_instants)
        for decoded in self._jumping(container, wanted):
            frame = decoded.frame
            lied = frame.pts in keys and not frame.key_frame
            if lied or frame.is_corrupt or frame.pts is None or frame.pts > missing[0]:
                raise _Astray
            if frame.pts == missing[0]:
                yield decoded
                missing.popleft()
            if not missing:
                return
        if not self.stopped():
            raise _Astray

    def _jumping(self, container: InputContainer, wanted: Sequence[int]) -> Iterator[Decoded]:
        decoder = self._decoder(container)
        places = self.timeline.places_of(frozenset(wanted))
        needed = frozenset(places)
        packets = self._packets(container, decoder.stream)
        for stretch in stretches(self.timeline, places):
            for place, packet in packets:
                if packet.pts != self.timeline.instants[place]:
                    raise _Astray
                if place >= stretch.start and (place in needed or not self.timeline.is_disposable(place)):
                    yield from _surely_decoded(decoder, packet)
                if place + 1 == stretch.stop:
                    break
            yield from _surely_decoded(decoder, None)
            decoder.reset()

    def _latest(self, asked: Sequence[float]) -> Iterator[Taken]:
        """Decode everything, and yield the last frame not later than each of these instants, which ascend."""
        due = deque(asked)
        shown: Taken | None = None
        for taken in self.all_frames():
            while due and shown is not None and round(due[0], 6) < taken.seconds:
                yield replace(shown, asked=due.popleft())
            if not due:
                return
            shown = taken
        while due and shown is not None:
            yield replace(shown, asked=due.popleft())

    def _timed(self, frames: Iterable[Decoded], promised: Sequence[int]) -> Iterator[Taken]:
        """Say when each frame is shown; `promised` are the instants of all of them where frames know none."""
        last: int | None = None
        for number, decoded in enumerate(frames):
            instant = decoded.frame.pts if self.timeline.timed else None
            if not self.timeline.timed and number < len(promised):
                instant = promised[number]
            if last is not None and (instant is None or instant <= last):
                instant = last + self.timeline.usual
            last = self.timeline.start if instant is None else instant
            yield Taken(decoded, self.timeline.seconds_at(last))

    def _decoded(
        self, decoder: Decoder, packets: "Iterable[Packet[VideoStream]]", *, one_by_one: bool = False
    ) -> Iterator[Decoded]:
        """Yield what can be decoded, and count what cannot; raises what the decoder says where that is everything."""
        refusal: av.FFmpegError | None = None
        empty = True
        self.undecoded = 0
        for packet in chain(packets, (None,)):
            try:
                for decoded in _of_packet(decoder, packet, alone=one_by_one):
                    empty = False
                    yield decoded
            except MemoryError:
                raise
            except av.FFmpegError as error:
                self.undecoded += 1
                refusal = refusal or error
        if empty and not self.stopped():
            raise refusal or CorruptMedia("none of the film's pictures can be decoded")

    def _packets(self, container: InputContainer, stream: VideoStream) -> "Iterator[tuple[int, Packet[VideoStream]]]":
        shifts = deque(self.timeline.shifts)
        ticks = 0
        streams = self.timeline.streams or [stream.index]
        packets = packets_in_turn(self.path, self.limits, container, streams)
        for place, packet in enumerate(islice(packets, len(self.timeline.instants))):
            if self.stopped():
                return
            while shifts and shifts[0].place <= place:
                ticks = shifts.popleft().ticks
            seen = packet if place < self.timeline.shown_from else _shown(packet)
            yield place, restamped(seen, ticks)

    def _decoder(self, container: InputContainer) -> Decoder:
        return Decoder.threaded(picture_stream(container, *self.timeline.streams[:1]), self.limits)


def _shown(packet: "Packet[VideoStream]") -> "Packet[VideoStream]":
    """Return a packet whose picture the decoder gives, also where the demuxer would have it dropped."""
    if not packet.is_discard:
        return packet
    copy = cast("Packet[VideoStream]", Packet(bytes(packet)))
    copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return copy


def _of_packet(decoder: Decoder, packet: "Packet[VideoStream] | None", *, alone: bool) -> Iterator[Decoded]:
    yield from decoder.decode(packet)
    if alone:
        yield from decoder.decode(None)
        decoder.reset()


def _surely_decoded(decoder: Decoder, packet: "Packet[VideoStream] | None") -> Iterator[Decoded]:
    try:
        yield from decoder.decode(packet)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        raise _Astray from error
