"""Pictures out of media."""

import random
from collections.abc import Callable
from pathlib import Path
from threading import active_count
from typing import Any

import pytest

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, NoPictures, UnsupportedMedia
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from tests.media import clips, images, reordered
from tests.media.pictures import read_number

Said = list[tuple[str, str]]


def taken(path: Path, said: Said | None = None, limits: Limits | None = None, **options: Any) -> list[Picture]:
    def notice(code: str, detail: str) -> None:
        if said is not None:
            said.append((code, detail))

    asked = SamplingOptions.model_validate(options)
    return list(sample_frames(path, asked, limits or Limits(), notice=notice))


def numbers(pictures: list[Picture]) -> list[int]:
    return [read_number(picture.image()) for picture in pictures]


def instants(pictures: list[Picture]) -> list[float]:
    return [picture.instant_seconds for picture in pictures]


def test_one_frame_a_second_is_taken_by_default() -> None:
    pictures = taken(clips.h264())

    assert numbers(pictures) == [0, 25]
    assert [(picture.ordinal, picture.asked_seconds, picture.instant_seconds) for picture in pictures] == [
        (0, 0.0, 0.0),
        (1, 1.0, 1.0),
    ]


def test_a_frame_every_so_often() -> None:
    assert numbers(taken(clips.h264(), every_seconds=0.3)) == [0, 7, 15, 22, 30, 37, 45]


def test_evenly_spaced_frames_are_the_middles_of_equal_parts() -> None:
    assert numbers(taken(clips.h264(), count=4)) == [6, 18, 31, 43]


def test_more_frames_than_there_are_show_some_twice() -> None:
    pictures = taken(clips.variable_frame_rate(), count=40)

    assert len(pictures) == 40
    assert [picture.ordinal for picture in pictures] == list(range(40))
    assert instants(pictures) == sorted(instants(pictures))


def test_frames_at_instants_come_in_time_order_one_for_each() -> None:
    pictures = taken(clips.h264(), instants=[1.5, 0.079, 0.08, 99, 0])

    assert numbers(pictures) == [0, 1, 2, 37, 49]
    assert [picture.asked_seconds for picture in pictures] == [0, 0.079, 0.08, 1.5, 99]


def test_keyframes_are_taken_alone() -> None:
    pictures = taken(clips.h264(), keyframes=True)

    assert numbers(pictures) == [0, 12, 24, 36, 48]
    assert {picture.asked_seconds for picture in pictures} == {None}


def test_frames_of_varying_length_are_shown_until_the_next_one() -> None:
    pictures = taken(clips.variable_frame_rate(), instants=[0.3, 0.5, 1.0, 1.45, 1.95, 2.5])

    assert instants(pictures) == [0.08, 0.5, 0.54, 0.54, 1.9, 1.9]
    assert numbers(pictures) == [2, 3, 5, 5, 8, 8]


@pytest.mark.parametrize("clip", [clips.late_start, clips.transport_stream, reordered.bytestream])
def test_instants_count_from_the_first_frame(clip: Callable[[], Path]) -> None:
    assert numbers(taken(clip(), instants=[0, 0.2])) == [0, 5]


def test_what_an_edit_list_hides_is_not_shown() -> None:
    assert numbers(taken(reordered.cut_in(), instants=[0, 0.4]))[0] >= 7


@pytest.mark.parametrize("clip", [clips.no_duration, clips.no_duration_webm, clips.raw_h264, clips.fragmented])
def test_a_missing_duration_is_measured(clip: Callable[[], Path]) -> None:
    assert numbers(taken(clip(), count=2)) in ([12, 37], [13, 37], [12, 38])


def test_pictures_may_change_their_size_on_the_way() -> None:
    pictures = taken(reordered.two_sizes(), every_seconds=0.5)

    assert [picture.size for picture in pictures] == [(192, 128), (192, 128), (320, 240), (320, 240)]
    assert numbers(pictures) == [0, 12, 0, 12]


@pytest.mark.parametrize("clip", [clips.truncated, clips.truncated_matroska])
def test_a_truncated_file_gives_what_decodes_and_says_so(clip: Callable[[], Path]) -> None:
    said: Said = []

    pictures = taken(clip(), said, every_seconds=0.2)

    assert len(pictures) >= 4
    assert numbers(pictures)[:4] == [0, 5, 10, 15]
    assert "truncated" in [code for code, _ in said]


def test_a_damaged_file_gives_what_decodes_and_says_so(tmp_path: Path) -> None:
    content = bytearray(clips.sample("bikes").read_bytes())
    noise = random.Random(4)
    for at in range(len(content) // 3, len(content) // 2, 50):
        content[at] = noise.randrange(256)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    said: Said = []

    pictures = taken(path, said)

    assert len(pictures) == 10
    assert [code for code, _ in said] == ["damaged"]
    assert "of 250 coded pictures could not be decoded" in said[0][1]


def test_a_whole_file_is_not_remarked_on() -> None:
    said: Said = []

    taken(clips.h264(), said)
    taken(clips.matroska(), said, keyframes=True)
    taken(images.animated_gif(), said)

    assert said == []


@pytest.mark.parametrize("extension", ["m4a", "mp3", "flac", "wav", "opus"])
def test_sound_alone_has_no_pictures(extension: str) -> None:
    with pytest.raises(NoPictures):
        taken(clips.audio(extension))


def test_a_cover_is_no_picture_of_a_song() -> None:
    with pytest.raises(NoPictures):
        taken(clips.audio_with_cover())


def test_a_video_track_without_frames_has_no_pictures() -> None:
    with pytest.raises(NoPictures):
        taken(clips.no_frames())


def test_a_file_without_its_index_is_corrupt() -> None:
    with pytest.raises(CorruptMedia):
        taken(clips.index_missing())


@pytest.mark.parametrize("options", [{}, {"keyframes": True}, {"scenes": 0.3}, {"count": 3}])
def test_a_file_of_which_nothing_decodes_is_corrupt(tmp_path: Path, options: dict[str, Any]) -> None:
    content = bytearray(clips.h264().read_bytes())
    start = content.index(b"mdat") + 4
    content[start : start + 9000] = bytes(9000)[: max(0, content.index(b"moov") - 4 - start)]
    path = tmp_path / "zeros.mp4"
    path.write_bytes(content)

    with pytest.raises(CorruptMedia):
        taken(path, **options)


def test_what_is_no_media_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("#EXTM3U\nhttp://127.0.0.1/a.ts\n")

    with pytest.raises(UnsupportedMedia):
        taken(path)


@pytest.mark.parametrize(
    "options", [{"every_seconds": 0.1}, {"count": 9}, {"instants": [0.0] * 9}, {"keyframes": True}]
)
def test_more_frames_than_allowed_are_refused_before_the_first(options: dict[str, Any]) -> None:
    given: list[Picture] = []

    with pytest.raises(MediaLimitPassed, match="frames"):
        given.extend(taken(clips.h264(), max_frames=4, **options))

    assert given == []


@pytest.mark.parametrize("limits", [Limits(max_packets=49), Limits(max_pixels=1000), Limits(max_duration_seconds=1.5)])
def test_more_than_the_limits_is_refused(limits: Limits) -> None:
    with pytest.raises(MediaLimitPassed):
        taken(clips.h264(), limits=limits)


def test_what_just_fits_is_taken() -> None:
    limits = Limits(max_packets=50, max_pixels=192 * 128, max_duration_seconds=2, max_streams=1)

    assert len(taken(clips.h264(), limits=limits, max_frames=2)) == 2


def test_progress_tells_how_many_are_given_and_of_how_many() -> None:
    told: list[tuple[int, int | None]] = []

    pictures = sample_frames(
        clips.h264(), SamplingOptions(count=3), Limits(), progress=lambda given, of: told.append((given, of))
    )

    assert len(list(pictures)) == 3
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = active_count()
    pictures = sample_frames(clips.sample("bikes"), SamplingOptions(every_seconds=0.04), Limits())

    next(pictures)
    pictures.close()  # type: ignore[attr-defined]

    assert active_count() == before


@pytest.mark.parametrize("image", [images.jpeg, images.png, images.webp, images.tiff, images.bmp, images.avif])
@pytest.mark.parametrize("options", [{}, {"count": 5}, {"instants": [3.0]}, {"keyframes": True}, {"scenes": 0.5}])
def test_a_picture_that_does_not_move_is_taken_once(image: Callable[[], Path], options: dict[str, Any]) -> None:
    pictures = taken(image(), **options)

    assert instants(pictures) == [0.0]
    assert numbers(pictures) == [images.NUMBER]


@pytest.mark.parametrize("image", [images.animated_gif, images.animated_webp])
def test_an_animation_is_a_film(image: Callable[[], Path]) -> None:
    assert numbers(taken(image(), every_seconds=0.1)) == [0, 1, 2, 3]
    assert instants(taken(image(), instants=[0.19, 0.2, 7])) == [0.1, 0.2, 0.3]
    assert numbers(taken(image(), count=2)) == [1, 3]
    assert numbers(taken(image(), keyframes=True)) == [0]
