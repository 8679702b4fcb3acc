"""Headers that tell a wrong duration, of files that play two seconds (`ffmpeg -f null -` plays all of each)."""

import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from media_analysis.media.films.continuity import Discontinuity
from media_analysis.media.films.durations import is_borne_out, tells_duration
from media_analysis.media.films.measuring import Measurement
from media_analysis.media.films.opening import open_media
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from media_analysis.media.sheets.heading import heading_of
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound, write_film

FILMS: Mapping[str, Film] = {
    "mkv": Film(pictures=Pictures()),
    "flv": Film(pictures=Pictures()),
    "mp4": Film(pictures=Pictures()),
    "avi": Film(pictures=Pictures(codec="mpeg4")),
    "wmv": Film(pictures=Pictures(codec="msmpeg4"), container="asf"),
    "mp3": Film(sound=Sound(codec="libmp3lame")),
    "flac": Film(sound=Sound(codec="flac")),
    "wv": Film(sound=Sound(codec="wavpack")),
    "aiff": Film(sound=Sound(codec="pcm_s16be")),
    "au": Film(sound=Sound(codec="pcm_s16be")),
    "wav": Film(sound=Sound(codec="pcm_s16le")),
    "ogg": Film(sound=Sound(codec="libopus")),
}
RATE = 48_000
SAMPLES = RATE * 2
"""Of two seconds."""


def put(content: bytearray, mark: bytes, after: int, kind: str, value: float, *, times: int = 1) -> None:
    """Write a number behind each of the first marks."""
    at = -1
    for _ in range(times):
        at = content.index(mark, at + 1)
        struct.pack_into(kind, content, at + len(mark) + after, value)


def in_matroska(content: bytearray, seconds: float) -> None:
    put(content, b"\x44\x89\x88", 0, ">d", 1_000 * seconds)


def in_avi(content: bytearray, seconds: float) -> None:
    put(content, b"avih", 20, "<I", round(25 * seconds))
    put(content, b"strh", 36, "<I", round(25 * seconds))
    content[content.rindex(b"idx1") : content.rindex(b"idx1") + 4] = b"JUNK"


def in_flac(content: bytearray, seconds: float) -> None:
    """The last 36 bits of a number of 64 (RFC 9639, section 8.2)."""
    told = int.from_bytes(content[18:26]) >> 36 << 36 | round(RATE * seconds)
    content[18:26] = told.to_bytes(8)


def in_frames(content: bytearray, seconds: float) -> None:
    put(content, b"Info" if b"Info" in content else b"Xing", 4, ">I", round(RATE / 1152 * seconds))


WRONG: Mapping[str, tuple[Callable[[bytearray, float], None], float]] = {
    # RFC 9559, 5.1.2.10; FLV specification, E.5; AVI RIFF file reference; ASF specification, 3.2 (100 ns).
    "mkv": (in_matroska, 2.0),
    "flv": (lambda content, seconds: put(content, b"duration\0", 0, ">d", seconds), 2.0),
    "avi": (in_avi, 2.0),
    "wmv": (
        lambda content, seconds: put(
            content, bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), 48, "<Q", round(10**7 * seconds)
        ),
        2.0,
    ),
    # ISO/IEC 14496-12, 8.4.2: what `stts` adds up to is right.
    "mp4": (lambda content, seconds: put(content, b"mdhd", 16, ">I", round(12_800 * seconds)), 2.0),
    # 84 frames of 1152 samples, of which decoders leave out the first and the last ones where these are told.
    "mp3": (in_frames, 84 * 1152 / RATE),
    "flac": (in_flac, 2.0),
    "wv": (lambda content, seconds: put(content, b"wvpk", 8, "<I", round(RATE * seconds)), 2.0),
    "aiff": (lambda content, seconds: put(content, b"COMM", 6, ">I", round(RATE * seconds)), 2.0),
    "au": (lambda content, seconds: put(content, b".snd", 4, ">I", round(4 * RATE * seconds)), 2.0),
}


def written(suffix: str, tmp_path: Path, change: Callable[[bytearray], object]) -> Path:
    content = bytearray(clips.film(f"told.{suffix}", FILMS[suffix]).read_bytes())
    change(content)
    path = tmp_path / f"changed.{suffix}"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("told", [3600.0, 1.0], ids=["too long", "too short"])
@pytest.mark.parametrize("suffix", WRONG)
def test_a_duration_that_headers_tell_wrongly_is_measured(suffix: str, told: float, tmp_path: Path) -> None:
    write, expected = WRONG[suffix]
    path = written(suffix, tmp_path, lambda content: write(content, told))

    found = probe(path, Limits(max_duration_seconds=10))

    assert found.duration_seconds == pytest.approx(expected, abs=0.05)
    assert (found.estimated_duration, found.warnings) == (False, [])
    assert found.bit_rate == pytest.approx(8 * found.size_bytes / expected, rel=0.05)
    assert found.frames in {None, 50}
    assert heading_of(path.name, found).facts[0] == "2.0 s"


@pytest.mark.parametrize("told", [0.0, -5.0, float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("suffix", ["mkv", "flv"])
def test_a_duration_that_is_no_number_of_seconds_is_measured(suffix: str, told: float, tmp_path: Path) -> None:
    found = probe(written(suffix, tmp_path, lambda content: WRONG[suffix][0](content, told)), Limits())

    assert found.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert not found.estimated_duration


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 4 * RATE * 3600])
def test_a_wave_whose_length_was_never_written_lasts_to_its_end(size: int, tmp_path: Path) -> None:
    """Source: what recorders leave that were not closed; FFmpeg reads such data to the end of the file."""
    found = probe(written("wav", tmp_path, lambda content: put(content, b"data", 0, "<I", size)), Limits())

    assert found.duration_seconds == pytest.approx(2.0, abs=0.01)
    assert not found.estimated_duration


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_recordings_that_were_joined_last_as_long_as_all_of_them(suffix: str, tmp_path: Path) -> None:
    content = clips.film(f"told.{suffix}", FILMS[suffix]).read_bytes()
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(3 * content)

    found = probe(path, Limits())

    assert found.duration_seconds == pytest.approx(6.0, abs=0.2)
    assert not found.estimated_duration


def test_joined_flac_files_last_as_long_as_their_parts_tell(tmp_path: Path) -> None:
    """Source: RFC 9639, 8.2; at joints FFmpeg's parser takes several frames for one."""
    second = clips.film("second.flac", Film(sound=Sound(codec="flac", seconds=5.0, rate=44_100)))
    parts = [clips.film("told.flac", FILMS["flac"]), second, second]
    path = tmp_path / "joined.flac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    lengths = [probe(part, Limits()).duration_seconds or 0 for part in parts]

    found = probe(path, Limits())

    assert found.duration_seconds == pytest.approx(sum(lengths))
    assert [each.at_seconds for each in found.warnings] == pytest.approx([lengths[0], sum(lengths[:2])])
    assert found.audio is not None
    assert found.audio.duration_seconds == found.duration_seconds
    assert not found.estimated_duration


def test_joined_flac_files_that_tell_no_length_are_measured(tmp_path: Path) -> None:
    content = bytearray(clips.film("told.flac", FILMS["flac"]).read_bytes())
    in_flac(content, 0)
    path = tmp_path / "joined.flac"
    path.write_bytes(content * 2)

    assert probe(path, Limits()).duration_seconds == pytest.approx(4.0, abs=0.5)


def test_an_ogg_file_without_its_last_pages_lasts_as_long_as_what_is_there(tmp_path: Path) -> None:
    content = clips.film("told.ogg", FILMS["ogg"]).read_bytes()
    path = tmp_path / "cut.ogg"
    path.write_bytes(content[: content.rindex(b"OggS", 0, content.rindex(b"OggS"))])

    found = probe(path, Limits())

    assert found.duration_seconds is not None
    assert 0.5 < found.duration_seconds < 2
    assert not found.estimated_duration


def test_an_mp3_behind_a_large_picture_counts_its_frames(tmp_path: Path) -> None:
    content = clips.film("told.mp3", FILMS["mp3"]).read_bytes()
    picture = b"ID3\x04\0\0\0\x40\0\0" + bytes(2**20)
    path = tmp_path / "album.mp3"
    path.write_bytes(picture + content)

    plain, found = probe(clips.film("told.mp3", FILMS["mp3"]), Limits()), probe(path, Limits())

    assert found.duration_seconds == plain.duration_seconds == pytest.approx(2.0, abs=0.01)


def test_a_film_that_is_said_to_last_beyond_the_limit_is_shown(tmp_path: Path) -> None:
    path = written("mkv", tmp_path, lambda content: in_matroska(content, 30 * 3600))
    limits = Limits(max_duration_seconds=10)

    assert len(list(sample_frames(path, SamplingOptions(count=4), limits))) == 4


@pytest.mark.parametrize("clip", [clips.h264, clips.with_sound, clips.index_behind_sound])
def test_what_an_index_bears_out_is_not_read_through(clip: Callable[[], Path]) -> None:
    assert probe(clip(), Limits(max_packets=1)).duration_seconds == pytest.approx(2.0, abs=0.8)


@pytest.mark.parametrize(("last", "is_even"), [(3600, True), (3600, False), (3900, False)])
def test_a_film_lasts_until_its_last_picture_has_been_shown(last: int, tmp_path: Path, *, is_even: bool) -> None:
    """Source: `ffprobe -show_packets`; what `stts` adds up to is told in the order of decoding, and ends earlier."""
    instants = [*(at for at in range(0, 3600, 100) if is_even or at % 700 not in {300, 400}), last]
    options = {"preset": "medium", "bf": "3", "b_strategy": "0"}
    pictures = Pictures(instants=instants, rate=Fraction(10), time_base=Fraction(1, 1000), options=options)
    path = write_film(tmp_path / "film.mp4", Film(pictures=pictures))
    shown = list(sample_frames(path, SamplingOptions(scenes=1e-9), Limits()))

    told = probe(path, Limits())

    assert shown[-1].instant_seconds == pytest.approx(last / 1000)
    assert told.duration_seconds == pytest.approx(last / 1000 + 0.1)
    assert (told.frames, told.estimated_duration) == (len(instants), False)


@pytest.mark.parametrize("name", ["mkv_1000s.mkv", "flv_30h.flv"])
def test_headers_of_what_begins_late_tell_no_duration(name: str) -> None:
    path = Path(__file__).parents[1] / "cases" / name

    with open_media(path, Limits()) as container:
        assert not tells_duration(container, path)


def test_what_the_beginning_of_a_large_file_tells_must_fit_what_is_said_of_all() -> None:
    half = Measurement(duration_seconds=100.0, share=0.5)

    assert is_borne_out(140.0, half, truncated=False)
    assert not is_borne_out(160.0, half, truncated=False)
    assert not is_borne_out(60.0, half, truncated=None)
    assert not is_borne_out(100.0, half, truncated=True)
    assert is_borne_out(100.0, Measurement(duration_seconds=100.1), truncated=True)
    assert not is_borne_out(100.0, Measurement(duration_seconds=100.1), truncated=True, shown_seconds=100.1)
    jumps = Measurement(duration_seconds=100.0, discontinuities=[Discontinuity(1.0, 2.0)])
    assert not is_borne_out(100.0, jumps, truncated=False)
    assert is_borne_out(100.0, Measurement(duration_seconds=None), truncated=False)
