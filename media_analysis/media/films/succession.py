"""Streams of recordings that were joined, whose pictures or sound go on where those of another stream end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, cast

from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from media_analysis.media.films.opening import demuxer_of, has_decoder, open_media, packets_of, readable_packets
from media_analysis.media.films.timeline import picture_stream
from media_analysis.media.options import Limits
from media_analysis.media.reading import open_unwaiting
from media_analysis.media.types.multiplexes import pictures_in_transport

_JOINED: Final = frozenset({"mpegts", "mpeg"})
"""Formats that may be joined byte by byte, each part with numbers of its own for its streams."""
_BESIDE: Final = Disposition.attached_pic | Disposition.timed_thumbnails
FURTHER_STREAMS: Final = "further_streams"
"""The code of what is said of pictures that are not shown."""
_CODES: Final = {1: "MPEG-1", 2: "MPEG-2", 0x10: "MPEG-4", 0x1B: "H.264", 0x24: "HEVC", 0x33: "VVC"}
"""By their numbers in maps of programmes (ISO/IEC 13818-1, table 2-34)."""
_MOST_NAMED: Final = 8
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


def unshown_streams(path: Path, container: InputContainer, line: Sequence[int]) -> str | None:
    """Return in words which pictures of a joined transport stream are not shown where a line of streams is, if any."""
    if demuxer_of(container) != "mpegts":
        return None
    with open_unwaiting(path) as file:
        first, later = pictures_in_transport(file)
    lead = container.streams[line[0]].id
    # What is of their kind and no part of the line lies beside it.
    further = {container.streams[index].id for index in kin_of(container, container.streams[line[0]])} - {lead}
    is_first = any(entry.number == lead for entry in first)
    told = {(entry.number, entry.code) for entry in (later if is_first else first | later)}
    unshown = sorted((number, code) for number, code in told if number not in further | (set() if is_first else {lead}))
    if not unshown:
        return None
    return "pictures are not shown of " + ", ".join(
        f"stream {number} ({_CODES.get(code, f'type {code}')})" for number, code in unshown[:_MOST_NAMED]
    )


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
