"""Recordings joined by `cat` whose parts have other numbers for their streams: all of them is one film."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from media_analysis.media.films.opening import open_media
from media_analysis.media.films.succession import in_turn, successors_of
from media_analysis.media.films.timeline import picture_stream
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound
from tests.media.references import all_shown, pixels_of

OPTIONS = {"preset": "medium", "bf": "3", "b_strategy": "0"}
PICTURES = Pictures(count=20, keyframe_every=10, options=OPTIONS)
NUMBERS: Mapping[str, Mapping[str, str]] = {
    "other streams": {"mpegts_start_pid": "500"},
    "another programme": {"mpegts_start_pid": "500", "mpegts_pmt_start_pid": "800", "mpegts_service_id": "7"},
    "another clock": {"mpegts_start_pid": "500", "output_ts_offset": "3600"},
}
WAYS = {
    "every": SamplingOptions(every_seconds=0.04),
    "scenes": SamplingOptions(scenes=1e-9),
    "instants": SamplingOptions(instants=[0.0, 0.76, 0.8, 0.84, 1.56]),
    "keyframes": SamplingOptions(keyframes=True),
}


def part(name: str, options: Mapping[str, str], *, pictures: Pictures = PICTURES) -> Path:
    film = Film(pictures=pictures, sound=Sound(seconds=0.8), container="mpegts", options=options)
    return clips.film(f"{name}.ts", film)


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(each.read_bytes() for each in parts))
    return path


def pixels_by_instant(path: Path, options: SamplingOptions) -> Mapping[float, str]:
    pictures = sample_frames(path, options, Limits())
    return {each.instant_seconds: pixels_of(each.exposure.raster.decoded.frame) for each in pictures}  # type: ignore[attr-defined]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_parts_with_other_numbers_are_shown_one_after_another(numbers: str, tmp_path: Path) -> None:
    first, second = part("numbered", {}), part(f"numbered {numbers}", NUMBERS[numbers])
    path = joined(tmp_path / "film.ts", first, second)
    alone = [[shown.pixels for shown in all_shown(each)] for each in (first, second)]

    told = probe(path, Limits())
    shown = {way: pixels_by_instant(path, options) for way, options in WAYS.items()}

    assert told.frames == 40
    assert told.duration_seconds == pytest.approx(1.6, abs=0.1)
    assert [warning.at_seconds for warning in told.warnings if warning.code == "discontinuity"] == [0.8]
    assert list(shown["scenes"].values()) == alone[0] + alone[1]
    assert shown["every"] == shown["scenes"]
    assert list(shown["keyframes"]) == [0, 0.4, 0.8, 1.2]
    assert shown["instants"].items() <= shown["scenes"].items()
    assert shown["keyframes"].items() <= shown["scenes"].items()


def test_sound_of_parts_with_other_numbers_lasts_as_long_as_both(tmp_path: Path) -> None:
    path = joined(tmp_path / "film.ts", part("numbered", {}), part("numbered another clock", NUMBERS["another clock"]))

    told = probe(path, Limits())

    assert told.audio is not None
    assert told.audio.duration_seconds == pytest.approx(1.6, abs=0.1)
    assert [each.duration_seconds for each in told.streams] == pytest.approx([0.8] * 4, abs=0.1)


def test_the_probe_tells_the_first_part_and_where_the_next_is_other(tmp_path: Path) -> None:
    large = Pictures(count=20, keyframe_every=10, options=OPTIONS, width=320, height=240)
    second = part("numbered large", {"mpegts_start_pid": "500"}, pictures=large)
    path = joined(tmp_path / "film.ts", part("numbered", {}), second)

    told = probe(path, Limits())
    sizes = [each.size for each in sample_frames(path, WAYS["keyframes"], Limits())]

    assert (told.width, told.height) == (192, 128)
    assert [each.at_seconds for each in told.warnings if each.code == "picture_change"] == [0.8]
    assert sizes == [(192, 128)] * 2 + [(320, 240)] * 2


OTHERS = {
    "another code of the same stream": ({}, "pictures are not shown of stream 256 (MPEG-2)"),
    "another stream of another code": ({"mpegts_start_pid": "500"}, "pictures are not shown of stream 500 (MPEG-2)"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_pictures_that_are_not_shown_are_told(name: str, tmp_path: Path) -> None:
    """Source: ISO/IEC 13818-1, table 2-34: 2 is MPEG-2; a decoder of H.264 shows none of it."""
    options, expected = OTHERS[name]
    other = Film(pictures=Pictures(codec="mpeg2video", count=10), container="mpegts", options=options)
    path = joined(tmp_path / "film.ts", part("numbered", {}), clips.film(f"{name}.ts", other))
    said: list[tuple[str, str]] = []

    told = probe(path, Limits())
    list(sample_frames(path, WAYS["keyframes"], Limits(), notice=lambda code, detail: said.append((code, detail))))

    assert [each.detail for each in told.warnings if each.code == "further_streams"] == [expected]
    assert ("further_streams", expected) in said


def test_a_part_that_begins_behind_what_is_probed_is_told(tmp_path: Path) -> None:
    """FFmpeg looks for streams in the first 5 MB."""
    content = part("numbered", {}).read_bytes()
    long = tmp_path / "long.ts"
    long.write_bytes(content * (6_000_000 // len(content)))
    path = joined(tmp_path / "film.ts", long, part("numbered another programme", NUMBERS["another programme"]))

    told = [each.detail for each in probe(path, Limits()).warnings if each.code == "further_streams"]

    assert told == ["pictures are not shown of stream 500 (H.264)"]
    assert [each for each in probe(long, Limits()).warnings if each.code == "further_streams"] == []


def test_a_part_that_was_cut_within_a_packet_hides_none_behind_it(tmp_path: Path) -> None:
    first = tmp_path / "cut.ts"
    first.write_bytes(part("numbered", {}).read_bytes()[:-100])
    other = Film(pictures=Pictures(codec="mpeg2video", count=10), container="mpegts")
    path = joined(tmp_path / "film.ts", first, clips.film("another code of the same stream.ts", other))

    assert [each.code for each in probe(path, Limits()).warnings].count("further_streams") == 1


def test_programmes_side_by_side_are_no_line(tmp_path: Path) -> None:
    """Packets of two recordings in turn, as a broadcast has them: a player shows one."""
    other = "another programme"
    contents = [part("numbered", {}).read_bytes(), part(f"numbered {other}", NUMBERS[other]).read_bytes()]
    parts = [[content[at : at + 188] for at in range(0, len(content), 188)] for content in contents]
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(packet for pair in zip(*parts, strict=False) for packet in pair))

    assert [each for each in probe(path, Limits()).warnings if each.code == "further_streams"] == []
    with open_media(path, Limits()) as container:
        stream = picture_stream(container)
        assert len(successors_of(path, stream, Limits())) == 1


def test_a_stream_that_lies_beside_any_of_a_line_is_none_of_it() -> None:
    spans = {0: (0, 10), 1: (20, 30), 2: (25, 40), 3: (-9, -1), 4: (5, 6)}

    assert in_turn(0, spans, spans) == [3, 0, 1]
    assert in_turn(2, spans, spans) == [3, 0, 2]
