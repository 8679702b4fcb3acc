"""One picture of a film without reading all of it: the container's index tells where its packets lie."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import dropwhile, islice
from math import floor
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from media_analysis.errors.media import CorruptMedia, InstantPastEnd
from media_analysis.media.films.decoder import Decoded, Decoder
from media_analysis.media.films.decoding import Film, Taken
from media_analysis.media.films.opening import demuxer_of, open_media, packets_of
from media_analysis.media.films.stamps import REORDERED
from media_analysis.media.films.succession import packets_in_turn, successors_of
from media_analysis.media.films.timeline import TOLERANCE, Timeline, cover_stream, picture_stream, read_timeline
from media_analysis.media.options import Limits

INDEXED: Final = frozenset({"mov", "matroska"})
"""Containers whose packets are found by when they are shown."""
MOST_PREROLL: Final = 2_000
"""Packets that are decoded and not shown; a film that has more in front is read whole."""
MOST_STRETCH_BYTES: Final = 256 * 2**20
MOST_SEEKS: Final = 4
FURTHER_BACK: Final = Fraction(2)
"""In seconds, twice as far each time: an index goes by when packets are decoded, which is before they are shown."""
_OF_KEY: Final = 2
"""Packets that one picture of two fields may take."""


class _Lost(Exception):
    """The index leads to nothing that can be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seeker:
    """Finds single pictures of a film."""

    path: Path
    limits: Limits

    def shown_at(self, seconds: float, *, exact: bool = True) -> Taken:
        """Return the picture shown at an instant, in seconds from the first; the last one where the film ends then.

        Not `exact`, it is the last one until then that decodes alone.

        Raises:
            InstantPastEnd: the film has ended before.

        """
        try:
            with open_media(self.path, self.limits) as container:
                return self._sought(container, picture_stream(container), seconds, exact=exact)
        except (_Lost, CorruptMedia):
            pass  # all of it is read, and what is found wrong then is wrong
        film = self._read()
        _require_within(seconds, film.timeline.duration_seconds)
        if exact:
            return next(film.shown_at([seconds]))
        keys = [film.timeline.seconds_at(instant) for instant in film.timeline.key_instants]
        return next(film.shown_at([max((key for key in keys if key <= seconds), default=0.0)]))

    def keys_at(self, shares: Sequence[float]) -> Iterator[Decoded]:
        """Yield a picture that decodes alone from about these shares of the film, where seeking leads to one."""
        with open_media(self.path, self.limits) as container:
            stream = picture_stream(container)
            decoder = Decoder.threaded(stream, self.limits)
            for share in shares:
                try:
                    container.seek(round(share * (container.duration or 0)) + (container.start_time or 0))
                    yield _decoded_alone(decoder, packets_of(container, stream))
                except (_Lost, av.FFmpegError):
                    continue

    def first(self) -> Decoded:
        """Return the first picture that decodes alone, after reading all of the film."""
        return next(self._read().keyframes()).decoded

    def cover(self) -> Decoded | None:
        """Return the picture that is attached to a sound; None where there is none, or it cannot be decoded."""
        with open_media(self.path, self.limits) as container:
            stream = cover_stream(container)
            if stream is None:
                return None
            try:
                return _decoded_alone(Decoder(stream, self.limits), packets_of(container, stream))
            except (_Lost, av.FFmpegError):
                return None

    def _sought(self, container: InputContainer, stream: VideoStream, seconds: float, *, exact: bool) -> Taken:
        tick = stream.time_base
        if demuxer_of(container) not in INDEXED or not tick:
            raise _Lost
        start = _start_of(packets_of(container, stream))
        target = start + floor((Fraction(seconds) + TOLERANCE) / tick)
        packets, is_last = _stretch(container, stream, target)
        timeline = read_timeline(container, stream, self.limits, iter(packets))
        if not timeline.exact or timeline.shifts or timeline.instants[0] > target:
            raise _Lost
        if is_last:
            _require_within(seconds, max(float((timeline.end - start) * tick), _told_seconds(container)))
        decoder = Decoder.threaded(stream, self.limits)
        if not exact:
            decoded = _decoded_alone(decoder, iter(packets))
        else:
            wanted = max(instant for instant in timeline.shown if instant <= target)
            decoded = _decoded_among(decoder, packets, timeline, wanted)
        return Taken(decoded, round(float(((decoded.frame.pts or 0) - start) * tick), 6), seconds)

    def _read(self) -> Film:
        with open_media(self.path, self.limits) as container:
            streams = successors_of(self.path, picture_stream(container), self.limits)
            stream = picture_stream(container, streams[0])
            packets = packets_in_turn(self.path, self.limits, container, streams)
            timeline = replace(read_timeline(container, stream, self.limits, packets), streams=streams)
        return Film(path=self.path, limits=self.limits, timeline=timeline)


def _told_seconds(container: InputContainer) -> float:
    """Return how long the file says that it lasts: sound may go on where the last picture stays."""
    before = container.start_time or 0 if demuxer_of(container) == "matroska" else 0
    return ((container.duration or 0) - before) / av.time_base


def _require_within(seconds: float, end_seconds: float) -> None:
    if seconds > round(end_seconds, 6):
        raise InstantPastEnd(end_seconds=round(end_seconds, 6))


def _start_of(packets: "Iterator[Packet[VideoStream]]") -> int:
    """Return when the first picture is shown, which is among the first that are stored."""
    shown: list[int] = []
    for packet in islice(packets, MOST_PREROLL):
        if packet.pts is None:
            raise _Lost
        if not packet.is_discard:
            shown.append(packet.pts)
        if len(shown) > REORDERED:
            break
    if not shown:
        raise _Lost
    return min(shown)


def _stretch(
    container: InputContainer, stream: VideoStream, target: int
) -> "tuple[Sequence[Packet[VideoStream]], bool]":
    """Return the packets from one that decodes alone to behind an instant, and whether the film ends with them."""
    at = target
    for attempt in range(MOST_SEEKS):
        container.seek(at, stream=stream)
        packets, is_last = _until_behind(packets_of(container, stream), target)
        if packets and packets[0].is_keyframe and packets[0].pts is not None and packets[0].pts <= target:
            return packets, is_last
        at -= round(FURTHER_BACK * 2**attempt / (stream.time_base or 1))
    raise _Lost


def _until_behind(
    packets: "Iterator[Packet[VideoStream]]", target: int
) -> "tuple[Sequence[Packet[VideoStream]], bool]":
    found: list[Packet[VideoStream]] = []
    behind = size_bytes = 0
    for packet in packets:
        found.append(packet)
        size_bytes += packet.size
        behind = behind + 1 if packet.pts is not None and packet.pts > target else 0
        if behind > REORDERED:
            return found, False
        if size_bytes > MOST_STRETCH_BYTES:
            raise _Lost
    return found, True


def _decoded_alone(decoder: Decoder, packets: "Iterator[Packet[VideoStream]]") -> Decoded:
    """Return the picture of the first packet that decodes alone."""
    decoder.reset()
    behind = dropwhile(lambda packet: not packet.is_keyframe, packets)
    for packet in islice(behind, _OF_KEY):
        for decoded in decoder.decode(packet):
            return decoded
    for decoded in decoder.decode(None):
        return decoded
    raise _Lost


def _decoded_among(
    decoder: Decoder, packets: "Sequence[Packet[VideoStream]]", timeline: Timeline, wanted: int
) -> Decoded:
    """Return the picture shown from an instant on, decoding no other that it does not need."""
    (place,) = timeline.places_of([wanted])
    needed = [packet for number, packet in enumerate(packets[:place]) if not timeline.is_disposable(number)]
    for packet in (*needed, packets[place], None):
        for decoded in decoder.decode(packet):
            if decoded.frame.pts == wanted and not decoded.frame.is_corrupt:
                return decoded
    raise _Lost
