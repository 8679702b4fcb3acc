"""Facts of a container's streams, by what its headers and the first frame tell."""

import re
import sys
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import islice
from typing import Any, Final, TypeVar, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer, Type
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.media.colours.names import colour_of, hdr_of
from media_analysis.media.facts import AudioFacts, ChapterFacts, StreamFacts
from media_analysis.media.films.fields import field_order_of
from media_analysis.media.films.matroska import Crop
from media_analysis.media.films.opening import has_decoder
from media_analysis.media.films.timing import Glance
from media_analysis.media.orientation import Orientation
from media_analysis.media.text import finite, shown

_COUNTED: Final = 0xFF_EFFF
"""All bits of a group's time code but the marker within, and the mark of numbers that are dropped."""
_WRITTEN: Final = re.compile(r"\d\d:[0-5]\d:[0-5]\d[:;.]\d{2,3}")
Described = TypeVar("Described", AudioFacts, StreamFacts)
MAX_CHAPTERS: Final = 1_000
_FASTEST: Final = 10_000
"""Frames a second; what passes it is a time base, not a rate."""
_UNDETERMINED: Final = "und"
"""ISO 639-2; MP4 writes it where nothing was said."""


def best_video(container: InputContainer) -> VideoStream | None:
    """Return the video stream a player would show, never cover art."""
    moving = [stream for stream in container.streams.video if not is_cover(stream)]
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in moving else next(iter(moving), None)


def best_audio(container: InputContainer) -> AudioStream | None:
    """Return the audio stream a player would play."""
    best = container.streams.best("audio")
    return best if isinstance(best, AudioStream) else next(iter(container.streams.audio), None)


def is_cover(stream: Stream) -> bool:
    """Return whether a stream is a picture attached to the whole, such as cover art."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def list_streams(container: InputContainer) -> list[StreamFacts]:
    """Return facts of all streams, in the container's order."""
    return [
        StreamFacts(
            index=stream.index,
            kind=stream.type,
            codec=_codec(stream),
            decodable=has_decoder(stream),
            language=_language(stream),
            title=shown(stream.metadata.get("title"), limit=200),
            default=bool(stream.disposition & Disposition.default),
            forced=bool(stream.disposition & Disposition.forced),
            attached_picture=is_cover(stream),
            duration_seconds=stream_seconds(stream),
            bit_rate=_bit_rate(stream),
        )
        for stream in container.streams
    ]


def count_streams(container: InputContainer) -> dict[str, int]:
    """Return how many streams there are of each kind that occurs."""
    return dict(Counter(stream.type for stream in container.streams))


def list_chapters(container: InputContainer) -> list[ChapterFacts]:
    """Return the first chapters in the container's order."""
    chapters = []
    for chapter in islice(container.chapters(), MAX_CHAPTERS):
        unit = chapter["time_base"] or Fraction(1)
        start, end = finite(chapter["start"] * unit), finite(chapter["end"] * unit)
        if start is not None and end is not None:
            title = shown(chapter["metadata"].get("title"), limit=200)
            chapters.append(ChapterFacts(start_seconds=start, end_seconds=end, title=title))
    return chapters


def describe_audio(stream: AudioStream) -> AudioFacts:
    """Return facts of one audio stream."""
    if not has_decoder(stream):
        return AudioFacts(language=_language(stream), duration_seconds=stream_seconds(stream))
    context = stream.codec_context
    return AudioFacts(
        codec=_codec(stream),
        profile=stream.profile,
        channels=context.layout.nb_channels or None,
        layout=shown(context.layout.name, limit=100),
        sample_rate=context.sample_rate or None,
        sample_format=shown(getattr(context.format, "name", None), limit=20),
        bit_rate=_bit_rate(stream),
        duration_seconds=stream_seconds(stream),
        language=_language(stream),
    )


def describe_video(stream: VideoStream, seen: Glance, crop: Crop) -> Mapping[str, Any]:
    """Return the fields of a probe document that describe one video stream."""
    if not has_decoder(stream):
        return {"frames": stream.frames or None, "variable_frame_rate": seen.varies}
    colour = colour_of(stream)
    hdr = hdr_of(stream, seen.first, colour)
    pixel_format = stream.codec_context.format
    return _geometry(stream, seen.first, crop) | {
        "video_codec": _codec(stream),
        "video_profile": stream.profile,
        "video_bit_rate": _bit_rate(stream),
        "pixel_format": None if pixel_format is None else pixel_format.name,
        "bit_depth": None
        if pixel_format is None
        else max((part.bits for part in pixel_format.components), default=None),
        "frame_rate": _frame_rate(stream, seen),
        "variable_frame_rate": seen.varies,
        "frames": stream.frames or None,
        "interlaced": None if seen.first is None else seen.first.interlaced_frame,
        "field_order": field_order_of(stream, seen.first),
        "colour": colour,
        "hdr": hdr is not None,
        "hdr_kind": hdr,
    }


def with_seconds(facts: Described, seconds: float | None) -> Described:
    """Return facts with the duration that was measured; what was told is a guess."""
    return facts.model_copy(update={"duration_seconds": None if seconds is None else finite(seconds)})


def stream_seconds(stream: Stream) -> float | None:
    """Return the duration a stream's header tells."""
    if stream.duration is None or stream.time_base is None or stream.duration <= 0:
        return None
    return finite(stream.duration * stream.time_base)


def _geometry(stream: VideoStream, first: VideoFrame | None, crop: Crop) -> dict[str, Any]:
    context = stream.codec_context
    width, height = (context.width, context.height) if first is None else (first.width, first.height)
    if not width or not height:
        return {}
    width, height = crop.within((width, height))
    turn = Orientation() if first is None else Orientation.of_frame(first)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if turn.sideways:
        width, height, aspect = height, width, 1 / aspect
    return {
        "width": width,
        "height": height,
        "rotation_degrees": None if first is None else turn.degrees,
        "mirrored": None if first is None else turn.mirrored,
        "sample_aspect_ratio": written_ratio(aspect),
        "display_aspect_ratio": written_ratio(aspect * width / height),
    }


def written_ratio(ratio: Fraction) -> str:
    """Return a ratio as `16:9`."""
    return f"{ratio.numerator}:{ratio.denominator}"


def _frame_rate(stream: VideoStream, seen: Glance) -> float | None:
    if seen.average is not None and not stream.frames:
        return finite(seen.average)
    told = (stream.average_rate, stream.guessed_rate) if seen.varies else (stream.guessed_rate, stream.average_rate)
    return next((finite(rate) for rate in told if rate is not None and 0 < rate <= _FASTEST), None)


def _codec(stream: Stream) -> str | None:
    if has_decoder(stream):
        return stream.codec_context.codec.canonical_name
    return shown(getattr(stream, "name", None), limit=50) if stream.type == "data" else None


def _language(stream: Stream) -> str | None:
    language = shown(stream.language, limit=20)
    return None if language == _UNDETERMINED else language


def _bit_rate(stream: Stream) -> int | None:
    told = (
        stream.codec_context.bit_rate if isinstance(stream, VideoStream | AudioStream) and has_decoder(stream) else None
    )
    return told if told is not None and told > 0 else None


def timecode_of(container: InputContainer, video: VideoStream | None, first: VideoFrame | None) -> str | None:
    """Return the time code of the first frame as HH:MM:SS:FF, with a semicolon before FF where numbers are dropped.

    Containers tell it (QuickTime and MP4 in a track of its own, MXF, Matroska, AVI, DV), or MPEG-2 in its first group
    of pictures.
    """
    told = [container.metadata, *([] if video is None else [video.metadata])]
    told += [stream.metadata for stream in container.streams if stream.type == "data"]
    written = (value for tags in told for name, value in tags.items() if name.lower() == "timecode")
    found = next((value for value in written if _WRITTEN.fullmatch(value)), None)
    return found or (None if first is None else _of_frame(first))


def _of_frame(first: VideoFrame) -> str | None:
    """Source: ISO/IEC 13818-2, 6.3.8; all zeros is what encoders write that have none."""
    try:
        group = bytes(cast("SideDataContainer", first.side_data)[Type.GOP_TIMECODE])
    except (KeyError, ValueError):  # the second where PyAV does not know some of what there is
        return None
    word = int.from_bytes(group[:4], sys.byteorder)
    hours, minutes, seconds, frames = word >> 19 & 0x1F, word >> 13 & 0x3F, word >> 6 & 0x3F, word & 0x3F
    written = f"{hours:02}:{minutes:02}:{seconds:02}{';' if word >> 24 else ':'}{frames:02}"
    return written if word & _COUNTED else None
