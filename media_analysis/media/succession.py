"""Streams of recordings that were joined, whose pictures or sound go on where those of another stream end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, cast

from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from media_analysis.media.opening import demuxer_of, has_decoder, open_media, packets_of, readable_packets
from media_analysis.media.options import Limits
from media_analysis.media.timeline import picture_stream

_JOINED: Final = frozenset({"mpegts", "mpeg"})
"""Formats that may be joined byte by byte, each part with numbers of its own for its streams."""
_BESIDE: Final = Disposition.attached_pic | Disposition.timed_thumbnails
Span = tuple[int, int]
"""Where in the file the first and the last packet of a stream begin."""


def successors_of(path: Path, stream: VideoStream, limits: Limits) -> Sequence[int]:
    """Return the streams that make one line of pictures with `stream`, which is one of them, as they are stored.

    The packets of one end before those of the next begin, which takes a pass through a file with several streams of
    pictures in one code, as far as they do not lie side by side.
    """
    kin = kin_of(cast("InputContainer", stream.container), stream)
    if len(kin) < 2:  # noqa: PLR2004 - there is nothing to go on with
        return [stream.index]
    spans: dict[int, Span] = {}
    with open_media(path, limits) as container:
        streams = [container.streams[index] for index in kin]
        for packet in islice(readable_packets(container, *streams), limits.max_packets):
            note_span(spans, packet.stream_index, packet.pos)
            others = [index for index in kin if index != stream.index]
            if all(_overlap(spans.get(stream.index), spans.get(other)) for other in others):
                break
    return in_turn(stream.index, kin, spans)


def kin_of(container: InputContainer, stream: Stream) -> Sequence[int]:
    """Return the streams that may go on as one with this one, itself among them."""
    if demuxer_of(container) not in _JOINED or not has_decoder(stream):
        return [stream.index]
    return [
        other.index
        for other in container.streams
        if other.type == stream.type
        and has_decoder(other)
        and other.codec_context.name == stream.codec_context.name
        and not other.disposition & _BESIDE
    ]


def lines_of(container: InputContainer, indices: Sequence[int], spans: Mapping[int, Span]) -> Sequence[Sequence[int]]:
    """Return streams of a file that was read, those that go on as one another together, as they are stored."""
    left = list(indices)
    lines = []
    while left:
        stream = container.streams[left[0]]
        line = in_turn(left[0], [index for index in kin_of(container, stream) if index in left], spans)
        left = [index for index in left if index not in line]
        lines.append(line)
    return lines


def note_span(spans: dict[int, Span], index: int, at: int | None) -> None:
    """Note where a packet of a stream begins, if that is known."""
    if at is not None:
        first, last = spans.get(index, (at, at))
        spans[index] = min(first, at), max(last, at)


def packets_in_turn(
    path: Path, limits: Limits, container: InputContainer, indices: Sequence[int]
) -> "Iterator[Packet[VideoStream]]":
    """Yield the packets of streams of pictures, all of one before those of the next.

    Read together, the last packet of each would come behind all others, for only what follows it ends it.
    """
    yield from packets_of(container, picture_stream(container, indices[0]))
    for index in indices[1:]:
        with open_media(path, limits) as again:
            yield from packets_of(again, picture_stream(again, index))


def in_turn(index: int, kin: Iterable[int], spans: Mapping[int, Span]) -> Sequence[int]:
    """Return a stream and those of its kin that lie neither beside it nor beside each other, as they are stored."""
    line = [index]
    known = sorted((spans[other], other) for other in kin if other in spans and other != index)
    for span, other in known:
        if index in spans and not any(_overlap(span, spans[each]) for each in line):
            line.append(other)
    return sorted(line, key=lambda each: spans.get(each, (0, 0)))


def _overlap(one: Span | None, other: Span | None) -> bool:
    return one is not None and other is not None and one[0] < other[1] and other[0] < one[1]
