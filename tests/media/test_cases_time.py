"""How long small files play that tell it wrongly or not at all, and what of them is shown when."""

from fractions import Fraction
from pathlib import Path

import pytest

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.films.measuring import Budget, measure
from media_analysis.media.films.opening import open_media
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from media_analysis.media.sheets.heading import heading_of
from tests.media import clips
from tests.media.case_table import CASES, TABLE
from tests.media.encoding import Film, Pictures, write_film
from tests.media.pictures import read_number

BY_NAME = {case.name: case for case in TABLE}
JUMPS = {
    "ts_restart.ts": -2.0,
    "ts_jump60s.ts": 58.0,
    "ts_jump1h.ts": 3_598.0,
    "ts_jump25h.ts": 89_998.0,
    "pts_outlier.mkv": 36.0,
}
"""By how many seconds time stamps leave the line after the twentieth picture."""


def shown(name: str, options: SamplingOptions) -> tuple[list[float], list[str]]:
    codes: list[str] = []
    taken = sample_frames(CASES / name, options, Limits(), notice=lambda code, _: codes.append(code))
    return [picture.instant_seconds for picture in taken], codes


@pytest.mark.parametrize("name", JUMPS)
def test_every_selection_shares_one_line_and_says_where_time_stamps_do_not_go_on(name: str) -> None:
    told = probe(CASES / name, Limits())
    every = [number / 10 for number in range(40)]

    assert [(found.code, found.at_seconds) for found in told.warnings] == [("discontinuity", 2.0)]
    assert f"by {JUMPS[name]:+.3f} seconds" in told.warnings[0].detail
    assert shown(name, SamplingOptions(count=8))[0] == [0.2, 0.7, 1.2, 1.7, 2.2, 2.7, 3.2, 3.7]
    assert shown(name, SamplingOptions(keyframes=True))[0] == [0.0, 1.0, 2.0, 3.0]
    assert shown(name, SamplingOptions(instants=every)) == (every, ["discontinuity"])
    assert shown(name, SamplingOptions(scenes=0.000001))[0] == every


@pytest.mark.parametrize("name", ["mkv_1000s.mkv", "flv_30h.flv"])
def test_a_late_start_is_no_length(name: str) -> None:
    told = probe(CASES / name, Limits(max_duration_seconds=10))

    assert told.start_seconds in {1_000.0, 108_000.0}
    assert told.warnings == []
    assert heading_of(name, told).facts[0] == "2.0 s"
    assert len(list(sample_frames(CASES / name, SamplingOptions(count=2), Limits(max_duration_seconds=10)))) == 2


@pytest.mark.parametrize(("name", "seconds"), [("ts_restart.ts", 3.9), ("vbr3_noxing.mp3", 14.0), ("x.amr", 0.9)])
def test_limits_are_judged_by_what_plays(name: str, seconds: float) -> None:
    with pytest.raises(MediaLimitPassed, match="seconds"):
        probe(CASES / name, Limits(max_duration_seconds=seconds))


@pytest.mark.parametrize("name", ["vbr3_noxing.mp3", "ts_jump1h.ts", "x.vob"])
def test_what_is_too_large_to_be_measured_is_estimated(name: str) -> None:
    path = CASES / name
    with open_media(path, Limits()) as container:
        measured = measure(container, Limits(), budget=Budget(size_bytes=path.stat().st_size * 3 // 4))

    assert 0.6 < measured.share < 1
    assert measured.duration_seconds == pytest.approx(BY_NAME[name].seconds, rel=0.25)
    assert measured.streams == measured.packets == {}


def test_an_mp3_that_counts_its_frames_is_believed() -> None:
    told = probe(clips.audio("mp3"), Limits())

    assert (told.duration_seconds, told.estimated_duration) == (2.005333, False)


def test_a_film_that_is_refreshed_bit_by_bit_has_pictures_where_it_may_be_entered() -> None:
    """Source: ITU-T H.264, D.2.8, recovery points; `ffmpeg -f null` decodes 22 pictures, from 1.7 seconds on."""
    pictures, codes = shown("gdr_late.ts", SamplingOptions(keyframes=True))

    assert (pictures, codes) == ([1.9, 2.9], [])


@pytest.mark.parametrize(("name", "start"), [("late.asf", 100.0), ("late.flv", 30.0), ("late.mkv", 0.5)])
def test_headers_that_tell_of_an_end_are_not_believed(name: str, start: float) -> None:
    instants = [round(1_000 * start) + 40 * number for number in range(50)]
    codec = "msmpeg4" if name.endswith("asf") else "libx264"
    pictures = Pictures(codec=codec, instants=instants, time_base=Fraction(1, 1000))
    path = clips.film(f"told_{name}", Film(pictures=pictures))
    with open_media(path, Limits()) as container:
        end = (container.duration or 0) / 1_000_000

    told = probe(path, Limits(max_duration_seconds=2.1))

    assert end > 2.1 or name.endswith("flv")
    assert told.duration_seconds == pytest.approx(2.0, abs=0.05)


def test_pictures_before_zero_are_shown_though_matroska_loses_their_stamps(tmp_path: Path) -> None:
    """Ten pictures that begin 0.2 s before zero: what is stored of the first five are bytes alone."""
    pictures = Pictures(instants=range(-5, 5), keyframe_every=5, options={"x264-params": "bframes=0:log=-1"})
    options = {"avoid_negative_ts": "disabled"}
    path = write_film(tmp_path / "film.mkv", Film(pictures=pictures, container="matroska", options=options))

    told = probe(path, Limits())
    found = list(sample_frames(path, SamplingOptions(every_seconds=0.04), Limits()))

    assert told.duration_seconds == pytest.approx(0.4)
    assert told.frames == 10
    assert [read_number(picture.image()) for picture in found] == list(range(10))
    assert [picture.instant_seconds for picture in found] == pytest.approx([number / 25 for number in range(10)])
