"""What a media file is, told without decoding more than one frame of it."""

from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from PIL import ExifTags

from media_analysis.errors.media import CorruptMedia, UnsupportedMedia
from media_analysis.media.exif import camera_of, dpi_of, exif_of, profile_name
from media_analysis.media.facts import ImageFacts, MediaKind, ProbeDocument
from media_analysis.media.images import format_name, frame_count, image_format, open_image
from media_analysis.media.media_types import type_of_container
from media_analysis.media.opening import duration_of, open_media
from media_analysis.media.options import Limits
from media_analysis.media.orientation import Orientation
from media_analysis.media.reading import open_unwaiting
from media_analysis.media.sniff import HEAD_BYTES, sniff
from media_analysis.media.streams import (
    best_audio,
    best_video,
    count_streams,
    describe_audio,
    describe_video,
    list_chapters,
    list_streams,
)
from media_analysis.media.text import clean_metadata, finite
from media_analysis.media.timing import glance, measure
from media_analysis.media.wholeness import is_truncated

_FAMILY: Final = {"video/quicktime": "mov", "audio/mp4": "m4a", "video/webm": "webm", "audio/webm": "webm"}
"""Of formats that share a demuxer, by media type."""


def probe(path: Path, limits: Limits) -> ProbeDocument:
    """Tell what a video, sound or image is, by its content and never by its name.

    Reads headers, the first packets and one frame; all packets only where the headers tell no duration.

    Raises:
        UnsupportedMedia: nothing here reads it.
        CorruptMedia: it begins like media, but cannot be read.
        MediaLimitPassed: it is more than `limits` allow to decode.

    """
    if not path.stat().st_size:
        raise CorruptMedia("the file is empty")
    if image_format(path) is not None:
        return _probe_image(path, limits)
    return _probe_container(path, limits)


def _probe_container(path: Path, limits: Limits) -> ProbeDocument:
    with open_media(path, limits) as container:
        fields = _describe(container, path)
    if fields["duration_seconds"] is None:
        # Opened again, for the glance has read some packets already.
        with open_media(path, limits) as container:
            fields |= _measure(container, limits, frames=fields.get("frames"))
    size_bytes = path.stat().st_size
    if fields["bit_rate"] is None and fields["duration_seconds"]:
        fields["bit_rate"] = round(8 * size_bytes / fields["duration_seconds"])
    return ProbeDocument(**fields, size_bytes=size_bytes, truncated=is_truncated(path))


def _describe(container: InputContainer, path: Path) -> dict[str, Any]:
    video, audio = best_video(container), best_audio(container)
    if video is None and audio is None:
        raise UnsupportedMedia("it holds neither video nor sound")
    pictures = {} if video is None else describe_video(video, glance(container, video))
    return {
        **pictures,
        **_kind_of_container(container, path, moves=video is not None),
        "kind": MediaKind.AUDIO if video is None else MediaKind.VIDEO,
        "audio": None if audio is None else describe_audio(audio),
        "duration_seconds": finite(duration_of(container)),
        "start_seconds": _seconds(container.start_time),
        "bit_rate": container.bit_rate if container.bit_rate > 0 else None,
        "stream_counts": count_streams(container),
        "streams": list_streams(container),
        "chapters": list_chapters(container),
        "metadata": clean_metadata(container.metadata),
    }


def _seconds(ticks: int | None) -> float | None:
    return None if ticks is None else finite(ticks / av.time_base)


def _measure(container: InputContainer, limits: Limits, *, frames: int | None) -> dict[str, Any]:
    video = best_video(container)
    measured = measure(container, limits)
    counted = None if video is None else measured.packets.get(video.index, 0)
    return {
        "duration_seconds": finite(measured.duration_seconds),
        "estimated_duration": measured.duration_seconds is not None,
        "frames": frames or counted,
    }


def _kind_of_container(container: InputContainer, path: Path, *, moves: bool) -> dict[str, str]:
    with open_unwaiting(path) as file:
        begins_like = sniff(file.read(HEAD_BYTES), declared=None)
    demuxer = container.format.name.split(",")[0]
    media_type = type_of_container(demuxer, begins_like, moves=moves)
    usual = "mp4" if demuxer == "mov" else demuxer
    return {"format": _FAMILY.get(media_type, usual), "media_type": media_type}


def _probe_image(path: Path, limits: Limits) -> ProbeDocument:
    with open_image(path, limits) as image:
        exif = exif_of(image)
        turn = Orientation.of_exif(None if exif is None else exif.get(ExifTags.Base.Orientation))
        # Pillow has changed the sides of a TIFF already, and turns it when it is decoded.
        is_lying = turn.sideways and format_name(image) != "tiff"
        width, height = (image.height, image.width) if is_lying else image.size
        frames = frame_count(image)
        return ProbeDocument(
            kind=MediaKind.IMAGE,
            format=format_name(image),
            media_type=f"image/{format_name(image)}",
            size_bytes=path.stat().st_size,
            truncated=is_truncated(path),
            width=width,
            height=height,
            rotation_degrees=turn.degrees,
            mirrored=turn.mirrored,
            frames=frames,
            image=ImageFacts(
                mode=image.mode,
                animated=frames > 1 and format_name(image) != "tiff",
                icc_profile=profile_name(image),
                dpi=dpi_of(image),
                camera=None if exif is None else camera_of(exif),
            ),
        )
