"""A probe tells what videos and sounds are, in the words of its published document."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.facts import MediaKind, ProbeDocument
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips
from tests.media.encoding import Film, Pictures

ALL_CLIPS: list[Callable[[], Path]] = [
    clips.h264,
    clips.with_sound,
    clips.variable_frame_rate,
    clips.hevc,
    clips.vp9,
    clips.av1,
    clips.audio_with_cover,
    clips.no_duration,
    clips.no_duration_webm,
    clips.transport_stream,
    clips.fragmented,
    clips.raw_h264,
    clips.matroska,
    clips.avi,
    clips.truncated,
    clips.truncated_matroska,
    clips.no_frames,
    clips.ultra_hd,
    clips.hdr,
    clips.chapters,
    clips.late_start,
    clips.anamorphic,
    clips.interlaced,
    clips.scenes,
]


def facts(path: Path) -> ProbeDocument:
    return probe(path, Limits())


@pytest.mark.parametrize("clip", ALL_CLIPS)
def test_every_document_is_json_with_finite_numbers(clip: Callable[[], Path]) -> None:
    document = facts(clip()).model_dump(mode="json")

    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert ProbeDocument.model_validate(document).model_dump(mode="json") == document


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        (clips.h264, ("mp4", "video/mp4", "h264", "High", 2.0, 50)),
        (clips.hevc, ("mp4", "video/mp4", "hevc", "Main", 2.0, 50)),
        (clips.av1, ("mp4", "video/mp4", "av1", "Main", 2.0, 50)),
        (clips.vp9, ("webm", "video/webm", "vp9", "Profile 0", 2.013, None)),
        (clips.matroska, ("matroska", "video/x-matroska", "h264", "Constrained Baseline", 2.026, None)),
        (clips.avi, ("avi", "video/x-msvideo", "mpeg4", "Simple Profile", 2.04, 51)),
        (clips.transport_stream, ("mpegts", "video/mp2t", "h264", "Constrained Baseline", 2.026667, 50)),
    ],
)
def test_containers_and_codecs_are_named(clip: Callable[[], Path], expected: tuple[object, ...]) -> None:
    told = facts(clip())

    assert (
        told.format,
        told.media_type,
        told.video_codec,
        told.video_profile,
        told.duration_seconds,
        told.frames,
    ) == expected
    assert (told.kind, told.width, told.height, told.frame_rate) == (MediaKind.VIDEO, 192, 128, 25.0)
    assert (told.pixel_format, told.bit_depth, told.variable_frame_rate) == ("yuv420p", 8, False)
    assert told.size_bytes == clip().stat().st_size
    assert told.estimated_duration is False


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bikes", (10.0, 640, 272, 25.0, 250, "1:1", "40:17")),
        ("bigbuckbunny", (5.312, 1280, 720, 25.0, 132, "1:1", "16:9")),
        ("carphone_pristine", (4.004, 176, 144, 29.97003, 120, "128:117", "1408:1053")),
    ],
)
def test_real_videos_are_told_as_they_are(name: str, expected: tuple[object, ...]) -> None:
    told = facts(clips.sample(name))

    assert (
        told.duration_seconds,
        told.width,
        told.height,
        told.frame_rate,
        told.frames,
        told.sample_aspect_ratio,
        told.display_aspect_ratio,
    ) == expected
    assert (told.truncated, told.interlaced, told.hdr) == (False, False, False)


@pytest.mark.parametrize(
    ("degrees", "expected"), [(90, (270, 128, 192, "2:3")), (180, (180, 192, 128, "3:2")), (-90, (90, 128, 192, "2:3"))]
)
def test_width_and_height_are_those_of_the_upright_picture(degrees: int, expected: tuple[object, ...]) -> None:
    told = facts(clips.turned(degrees))

    assert (told.rotation_degrees, told.width, told.height, told.display_aspect_ratio) == expected
    assert told.mirrored is False


def test_wide_pixels_are_noted_and_turn_with_the_picture() -> None:
    lying = facts(clips.anamorphic())
    pictures = Pictures(width=96, aspect=Fraction(2, 1), turned=90)
    standing = facts(clips.film("anamorphic_turned.mp4", Film(pictures=pictures)))

    assert (lying.width, lying.height, lying.sample_aspect_ratio, lying.display_aspect_ratio) == (96, 128, "2:1", "3:2")
    assert (standing.width, standing.height) == (128, 96)
    assert (standing.sample_aspect_ratio, standing.display_aspect_ratio) == ("1:2", "2:3")


def test_a_varying_frame_rate_is_told_with_its_average() -> None:
    """Source: `ffprobe -show_packets`: twelve, of which the last is shown at 3.0 seconds for 0.7."""
    told = facts(clips.variable_frame_rate())

    assert told.variable_frame_rate is True
    assert told.frame_rate == pytest.approx(12 / 3.7, abs=0.001)


def test_one_odd_distance_makes_no_varying_frame_rate() -> None:
    instants = [40 * number + (40 if number > 30 else 0) for number in range(50)]
    dropped = Pictures(instants=instants, time_base=Fraction(1, 1000))

    assert facts(clips.film("dropped.mkv", Film(pictures=dropped))).variable_frame_rate is False


def test_a_rate_is_not_disturbed_by_where_fragments_begin() -> None:
    told = facts(clips.fragmented())

    assert (told.frame_rate, told.variable_frame_rate) == (25.0, False)


@pytest.mark.parametrize("rate", [Fraction(30_000, 1001), Fraction(24_000, 1001), Fraction(240)])
def test_rounded_timestamps_make_no_varying_frame_rate(rate: Fraction) -> None:
    told = facts(clips.film(f"rate_{rate.numerator}.mkv", Film(pictures=Pictures(rate=rate))))

    assert told.variable_frame_rate is False
    assert told.frame_rate == pytest.approx(float(rate), rel=0.001)


@pytest.mark.parametrize(
    ("clip", "seconds", "guessed"),
    [(clips.no_duration, 2.026, False), (clips.no_duration_webm, 2.0, False), (clips.raw_h264, 2.0, True)],
)
def test_a_missing_duration_is_measured_and_a_guess_where_there_are_no_time_stamps(
    clip: Callable[[], Path], seconds: float, *, guessed: bool
) -> None:
    told = facts(clip())

    assert told.estimated_duration is guessed
    assert told.duration_seconds == pytest.approx(seconds, abs=0.001)
    assert told.frames == 50
    assert told.bit_rate == round(8 * told.size_bytes / seconds)


def test_measuring_stops_at_the_limits() -> None:
    with pytest.raises(MediaLimitPassed) as packets:
        probe(clips.no_duration(), Limits(max_packets=20))
    with pytest.raises(MediaLimitPassed) as seconds:
        probe(clips.no_duration(), Limits(max_duration_seconds=1))

    assert (packets.value.what, packets.value.found) == ("packets", 21)
    assert (seconds.value.what, seconds.value.allowed) == ("seconds", 1)


def test_a_file_that_ends_too_early_is_called_truncated() -> None:
    told = {
        clip.__name__: facts(clip()).truncated
        for clip in (clips.truncated, clips.truncated_matroska, clips.h264, clips.fragmented, clips.matroska, clips.avi)
    }

    assert told == {
        "truncated": True,
        "truncated_matroska": True,
        "h264": False,
        "fragmented": False,
        "matroska": False,
        "avi": False,
    }
    assert facts(clips.no_duration()).truncated is None


@pytest.mark.parametrize("clip", [clips.fragmented, clips.avi])
def test_the_last_byte_missing_is_truncated_already(clip: Callable[[], Path], tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(clip().read_bytes()[:-1])

    assert facts(path).truncated is True


def test_a_video_without_frames_has_facts_all_the_same() -> None:
    told = facts(clips.no_frames())

    assert (told.video_codec, told.width, told.height, told.frames) == ("h264", 192, 128, 0)
    assert (told.duration_seconds, told.estimated_duration, told.rotation_degrees) == (None, False, None)


def test_ultra_high_definition_is_told() -> None:
    told = facts(clips.ultra_hd())

    assert (told.width, told.height, told.display_aspect_ratio) == (3840, 2160, "16:9")
