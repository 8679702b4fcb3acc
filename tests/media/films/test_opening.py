"""Media files are opened by what they hold, and what is too much is refused before it is decoded."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import pytest

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.films.durations import duration_of
from media_analysis.media.films.opening import has_decoder, open_media, packets_of
from media_analysis.media.options import Limits
from media_analysis.media.stills.images import open_image
from tests.media import clips, images
from tests.media.encoding import Film, Pictures
from tests.media.pictures import read_number

EVERY_FRAME: list[Callable[[], Path]] = [
    clips.h264,
    clips.hevc,
    clips.vp9,
    clips.av1,
    clips.no_duration,
    clips.no_duration_webm,
    clips.transport_stream,
    clips.fragmented,
    clips.raw_h264,
    clips.matroska,
    clips.avi,
    clips.late_start,
    clips.interlaced,
]


@pytest.mark.parametrize("clip", EVERY_FRAME)
def test_every_frame_of_every_container_and_codec_can_be_decoded(clip: Callable[[], Path]) -> None:
    with open_media(clip(), Limits()) as container:
        numbers = [read_number(frame.to_image()) for frame in container.decode(video=0)]  # type: ignore[no-untyped-call]

    assert numbers == list(range(50))


@pytest.mark.parametrize("extension", ["m4a", "mp3", "flac", "wav", "opus"])
def test_sound_can_be_decoded(extension: str) -> None:
    with open_media(clips.audio(extension), Limits()) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))

    assert samples == pytest.approx(2 * 48_000, rel=0.05)


@pytest.mark.parametrize("name", ["playlist.m3u8", "picture%03d.png", "http:nowhere", "concat:a|b", "-", "data.bin"])
def test_a_name_decides_nothing(name: str, tmp_path: Path) -> None:
    named = shutil.copy(clips.h264(), tmp_path / name)

    with open_media(Path(named), Limits()) as container:
        assert container.format.name.startswith("mov")


@pytest.mark.parametrize(
    ("limits", "what", "found"),
    [
        (Limits(max_streams=1), "streams", 2),
        (Limits(max_pixels=192 * 128 - 1), "pixels", 192 * 128),
    ],
)
def test_what_headers_tell_to_be_too_much_is_refused(limits: Limits, what: str, found: float) -> None:
    with pytest.raises(MediaLimitPassed) as refused, open_media(clips.with_sound(), limits):
        pass

    assert (refused.value.what, refused.value.found) == (what, found)


def test_what_just_fits_is_opened() -> None:
    limits = Limits(max_streams=2, max_duration_seconds=2.005, max_pixels=192 * 128)

    with open_media(clips.with_sound(), limits) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50


def sizes_decoded(path: Path, limits: Limits) -> set[tuple[int, int]]:
    seen: set[tuple[int, int]] = set()
    with suppress(CorruptMedia), open_media(path, limits) as container:
        seen.update((frame.width, frame.height) for frame in container.decode(video=0))
    return seen


def test_a_video_that_grows_on_the_way_is_not_decoded_past_the_limit(tmp_path: Path) -> None:
    small = clips.raw_h264().read_bytes()
    large = clips.film("growing.h264", Film(pictures=Pictures(width=640, height=480, count=5), container="h264"))
    growing = tmp_path / "growing"
    growing.write_bytes(small + large.read_bytes())

    unlimited, limited = sizes_decoded(growing, Limits()), sizes_decoded(growing, Limits(max_pixels=100_000))

    assert unlimited == {(192, 128), (640, 480)}
    assert limited == {(192, 128)}


def test_an_mp4_without_its_index_is_corrupt() -> None:
    with pytest.raises(CorruptMedia, match="like MPEG-4"), open_media(clips.index_missing(), Limits()):
        pass


def test_an_error_while_decoding_is_corrupt_media_too() -> None:
    with pytest.raises(CorruptMedia, match="cannot be decoded"), open_media(clips.truncated(), Limits()) as container:
        for _ in container.decode(video=0):
            pass


@pytest.mark.parametrize(
    "content", [b"just a text\n" * 100, b"\x00" * 5_000, bytes(range(256)) * 20, b"%PDF-1.7\n%\xff"]
)
def test_what_is_no_media_is_unsupported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)

    with pytest.raises(UnsupportedMedia), open_media(path, Limits()):
        pass


def test_errors_of_the_block_itself_pass_as_they_are() -> None:
    with pytest.raises(KeyError, match="mine"), open_media(clips.h264(), Limits()):
        raise KeyError("mine")
    with pytest.raises(OSError, match="disk full"), open_media(clips.h264(), Limits()):
        raise OSError("disk full")


def test_too_little_memory_is_no_fault_of_a_file() -> None:
    with pytest.raises(MemoryError), open_media(clips.h264(), Limits()):
        raise av.error.MemoryError(12, "Cannot allocate memory")
    with pytest.raises(MemoryError), open_image(images.png(), Limits()):
        raise MemoryError


def test_a_missing_file_is_no_fault_of_its_content(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_media(tmp_path / "nothing", Limits()):
        pass


def test_nothing_stays_open() -> None:
    open_before = set(Path("/proc/self/fd").iterdir())

    with open_media(clips.h264(), Limits()) as container:
        next(container.decode(video=0))
    with pytest.raises(CorruptMedia), open_media(clips.index_missing(), Limits()):
        pass

    assert set(Path("/proc/self/fd").iterdir()) == open_before


def test_durations_come_from_the_longest_stream_and_are_none_where_nobody_tells() -> None:
    told = {}
    for clip in (clips.with_sound, clips.no_duration, clips.raw_h264, clips.no_frames):
        with open_media(clip(), Limits()) as container:
            told[clip.__name__] = duration_of(container)

    assert told == {"with_sound": 2.005, "no_duration": None, "raw_h264": None, "no_frames": None}


def test_a_stream_without_a_decoder_is_told_apart() -> None:
    with open_media(clips.chapters(), Limits()) as container:
        assert [has_decoder(stream) for stream in container.streams] == [True, False]


def test_a_stream_that_turns_up_on_the_way_ends_nothing_early(tmp_path: Path) -> None:
    silent_film = Film(pictures=Pictures(width=640, height=480, count=200))
    silent = clips.film("silent.ts", silent_film).read_bytes()
    before = 5_500_000 // len(silent) + 1  # past what is looked at to find out which streams there are
    path = tmp_path / "late.ts"
    path.write_bytes(silent * before + clips.transport_stream().read_bytes() + silent * 10)

    with open_media(path, Limits()) as container:
        streams = list(container.streams)
        packets = sum(1 for _ in packets_of(container, container.streams.video[0]))

    assert len(streams) == 1
    assert packets == pytest.approx(200 * (before + 10) + 50, abs=5)
