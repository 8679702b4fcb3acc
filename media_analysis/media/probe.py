"""What a media file is, told without decoding more than one frame of it."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from PIL import ExifTags, Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.facts import MAX_WARNINGS, ImageFacts, MediaKind, ProbeDocument, WarningFacts
from media_analysis.media.films.continuity import DISCONTINUITY, Discontinuity
from media_analysis.media.films.durations import (
    CHECKED,
    duration_of,
    is_borne_out,
    is_indexed,
    tells_by_stamps,
    tells_duration,
)
from media_analysis.media.films.flac_parts import told_by_parts
from media_analysis.media.films.looks import PICTURE_CHANGE, PictureChange
from media_analysis.media.films.matroska import crop_of
from media_analysis.media.films.measuring import Budget, Measurement, measure
from media_analysis.media.films.opening import demuxer_of, has_decoder, open_media
from media_analysis.media.films.streams import (
    best_audio,
    best_video,
    count_streams,
    describe_audio,
    describe_video,
    list_chapters,
    list_streams,
    timecode_of,
    with_seconds,
    written_ratio,
)
from media_analysis.media.films.succession import FURTHER_STREAMS, successors_of, unshown_streams
from media_analysis.media.films.timeline import picture_stream
from media_analysis.media.films.timing import glance
from media_analysis.media.options import Limits
from media_analysis.media.orientation import Orientation
from media_analysis.media.rasters import stretched
from media_analysis.media.reading import open_unwaiting
from media_analysis.media.stills.exif import camera_of, dpi_of, exif_of, profile_name
from media_analysis.media.stills.images import (
    READ_TYPES,
    format_name,
    frame_count,
    image_format,
    left_out_of,
    open_image,
    pages_in,
)
from media_analysis.media.text import finite, raw_metadata, shown_metadata
from media_analysis.media.types.known import type_of_container
from media_analysis.media.types.sniff import sniff_file
from media_analysis.media.wholeness import is_truncated

_FAMILY: Final = {"video/quicktime": "mov", "audio/mp4": "m4a", "video/webm": "webm", "audio/webm": "webm"}
"""Of formats that share a demuxer, by media type."""


def probe(path: Path, limits: Limits) -> ProbeDocument:
    """Tell what a video, sound or image is, by its content and never by its name.

    Reads headers, the first packets and one frame; where no index of frames bears out what headers tell of the
    duration also further packets, all of them, within bounds, where they differ from it.

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
        fields, told, is_sure = _describe(container, path, limits)
        further = _further_streams(container, path, limits)
    truncated = is_truncated(path)
    if not is_sure:
        fields |= _checked(fields, told, path, limits, truncated=truncated)
    duration_seconds = fields["duration_seconds"]
    if duration_seconds is not None and duration_seconds > limits.max_duration_seconds:
        raise MediaLimitPassed("seconds", found=duration_seconds, allowed=limits.max_duration_seconds)
    fields["warnings"] = [*further, *fields["warnings"]][:MAX_WARNINGS]
    size_bytes = path.stat().st_size
    if fields["bit_rate"] is None and duration_seconds:
        fields["bit_rate"] = round(8 * size_bytes / duration_seconds)
    return ProbeDocument(**fields, size_bytes=size_bytes, truncated=truncated)


def _further_streams(container: InputContainer, path: Path, limits: Limits) -> list[WarningFacts]:
    video = best_video(container)
    if video is None or not has_decoder(video):
        return []
    unshown = unshown_streams(path, container, successors_of(path, video, limits))
    return [] if unshown is None else [WarningFacts(code=FURTHER_STREAMS, detail=unshown)]


def _checked(
    fields: Mapping[str, Any], told: float | None, path: Path, limits: Limits, *, truncated: bool | None
) -> Mapping[str, Any]:
    """Return what packets tell where they do not bear out what headers told, or those tell nothing."""
    if told is not None:
        # Opened again each time, for some packets have been read already.
        with open_media(path, limits) as container:
            measured = _measure(container, path, limits, CHECKED)
            video = best_video(container)
            shown = None if video is None else measured.played.get(video.index)
            if is_borne_out(told, measured, truncated=truncated, shown_seconds=shown):
                return {"warnings": _warnings([], measured.changes)} if measured.changes else {}
            if measured.share == 1:
                return _measured(fields, container, measured)
    with open_media(path, limits) as container:
        return _measured(fields, container, _measure(container, path, limits))


def _measure(container: InputContainer, path: Path, limits: Limits, budget: Budget | None = None) -> Measurement:
    measured = measure(container, limits, best_video(container) or best_audio(container), budget)
    is_joined = demuxer_of(container) == "flac" and measured.share == 1 and measured.discontinuities
    return told_by_parts(measured, path) if is_joined else measured


def _describe(container: InputContainer, path: Path, limits: Limits) -> tuple[dict[str, Any], float | None, bool]:
    """Return what headers and the first packets tell, a duration that headers tell, and whether that is sure."""
    video, audio = best_video(container), best_audio(container)
    if video is None and audio is None:
        raise UnsupportedMedia("the file holds neither video nor sound")
    if video is not None and has_decoder(video):
        video = picture_stream(container, successors_of(path, video, limits)[0])
    seen = None if video is None else glance(container, video, limits)
    pictures = {} if video is None or seen is None else describe_video(video, seen, crop_of(path, video))
    told = finite(duration_of(container))
    fields = {
        **pictures,
        **_kind_of_container(container, path, moves=video is not None),
        "kind": MediaKind.AUDIO if video is None else MediaKind.VIDEO,
        "audio": None if audio is None else describe_audio(audio),
        "duration_seconds": told,
        "start_seconds": _seconds(container.start_time),
        "bit_rate": container.bit_rate if container.bit_rate > 0 else None,
        "stream_counts": count_streams(container),
        "streams": list_streams(container),
        "chapters": list_chapters(container),
        "metadata": shown_metadata(container.metadata),
        "metadata_raw": raw_metadata(container.metadata),
        "timecode": timecode_of(container, video, None if seen is None else seen.first),
        "warnings": [] if seen is None else _warnings([], seen.changes),
    }
    if told is None or not tells_duration(container, path) or (seen is not None and not seen.goes_on):
        return fields, None, False
    return fields, told, is_indexed(container, told)


def _seconds(ticks: int | None) -> float | None:
    return None if ticks is None else finite(ticks / av.time_base)


def _measured(fields: Mapping[str, Any], container: InputContainer, measured: Measurement) -> dict[str, Any]:
    """Return the fields that measuring changes."""
    video, audio = best_video(container), best_audio(container)
    whole = measured.share == 1
    told = fields["duration_seconds"]
    # What is left of a file goes on as it began; where it has stamps to its end that go on, they tell more.
    guessed = told is not None and not whole and measured.stamped and not measured.discontinuities
    found = told if guessed and tells_by_stamps(container) else finite(measured.duration_seconds)
    counted = None if video is None or not whole else measured.packets.get(video.index, 0)
    rate = {"frame_rate": finite(counted / found)} if counted and found and fields.get("variable_frame_rate") else {}
    return {
        **rate,
        "duration_seconds": found,
        "estimated_duration": found is not None and not (whole and measured.stamped),
        "frames": fields.get("frames") if counted is None else counted,
        "bit_rate": None,
        "audio": audio and with_seconds(fields["audio"], measured.played.get(audio.index)),
        "streams": [with_seconds(each, measured.streams.get(each.index)) for each in fields["streams"]],
        "warnings": _warnings(measured.discontinuities, measured.changes),
    }


def _warnings(discontinuities: Sequence[Discontinuity], changes: Sequence[PictureChange]) -> list[WarningFacts]:
    """Return the first of them, in the order of time."""
    found = [(DISCONTINUITY, each) for each in discontinuities] + [(PICTURE_CHANGE, each) for each in changes]
    facts = [WarningFacts(code=code, detail=str(each), at_seconds=each.at_seconds) for code, each in found]
    return sorted(facts, key=lambda warning: warning.at_seconds or 0)[:MAX_WARNINGS]


def _begins_like(path: Path) -> str:
    with open_unwaiting(path) as file:
        return sniff_file(file, declared=None).media_type


def _kind_of_container(container: InputContainer, path: Path, *, moves: bool) -> dict[str, str]:
    begins_like = _begins_like(path)
    demuxer = demuxer_of(container)
    media_type = type_of_container(demuxer, begins_like, moves=moves)
    usual = "mp4" if demuxer == "mov" else demuxer
    return {"format": _FAMILY.get(media_type, usual), "media_type": media_type}


def _type_of_image(image: Image.Image, path: Path) -> str:
    begins_like = _begins_like(path)
    return begins_like if begins_like in READ_TYPES else f"image/{format_name(image)}"


def _aspects(width: int, height: int, aspect: Fraction) -> dict[str, str]:
    """Tell of the picture as it is drawn, where an absurd aspect counts for nothing."""
    shown = stretched((width, height), aspect)
    return {
        "sample_aspect_ratio": written_ratio(Fraction(1) if shown == (width, height) else aspect),
        "display_aspect_ratio": written_ratio(Fraction(*shown)),
    }


def _probe_image(path: Path, limits: Limits) -> ProbeDocument:
    with open_image(path, limits) as image:
        exif = exif_of(image)
        turn = Orientation.of_exif(None if exif is None else exif.get(ExifTags.Base.Orientation))
        # Pillow has changed the sides of a TIFF already, and turns it when it is decoded.
        is_lying = turn.sideways and format_name(image) != "tiff"
        width, height = (image.height, image.width) if is_lying else image.size
        frames = frame_count(image)
        left_out = left_out_of(image)
        return ProbeDocument(
            kind=MediaKind.IMAGE,
            format=format_name(image),
            media_type=_type_of_image(image, path),
            size_bytes=path.stat().st_size,
            truncated=is_truncated(path),
            warnings=[] if left_out is None else [WarningFacts(code=left_out[0], detail=left_out[1])],
            width=width,
            height=height,
            rotation_degrees=turn.degrees,
            mirrored=turn.mirrored,
            frames=frames,
            **_aspects(width, height, image.info["pixel_aspect"]),
            pages=len(pages_in(image).offsets),
            image=ImageFacts(
                mode=image.mode,
                animated=frames > 1 and format_name(image) != "tiff",
                icc_profile=profile_name(image),
                dpi=dpi_of(image),
                camera=None if exif is None else camera_of(exif),
            ),
        )
