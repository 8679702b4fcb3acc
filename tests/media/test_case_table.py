"""Every file of the table is told and shown as it is."""

from collections.abc import Sequence
from functools import cache

import pytest

from media_analysis.media.facts import ProbeDocument
from media_analysis.media.films.decoding import Film
from media_analysis.media.films.opening import open_media
from media_analysis.media.films.timeline import picture_stream, read_timeline
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe
from tests.media.case_table import CASES, FILMS, SOUNDS, STILLS, TABLE, Case

PICTURES = (*FILMS, *STILLS)


@cache
def told_of(case: Case) -> ProbeDocument:
    return probe(case.path, Limits(max_duration_seconds=60))


def names(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


def first_of(case: Case) -> Picture:
    return next(iter(sample_frames(case.path, SamplingOptions(instants=[0]), Limits())))


def test_the_table_has_every_file() -> None:
    assert sorted(names(TABLE)) == sorted(path.name for path in CASES.iterdir())


@pytest.mark.parametrize("case", TABLE, ids=names(TABLE))
def test_a_file_is_told_as_it_is(case: Case) -> None:
    told = told_of(case)

    assert (told.kind.value, told.media_type) == (case.family, case.media_type)
    assert (told.truncated, told.estimated_duration) == (case.truncated, False)
    assert tuple(warning.code for warning in told.warnings) == case.warnings
    assert case.size in {None, (told.width, told.height)}
    assert told.frame_rate == pytest.approx(case.rate, abs=0.001)


@pytest.mark.parametrize("case", [*FILMS, *SOUNDS], ids=names([*FILMS, *SOUNDS]))
def test_a_file_lasts_as_long_as_it_plays(case: Case) -> None:
    told = told_of(case)

    assert case.seconds is not None
    assert told.duration_seconds == pytest.approx(case.seconds, abs=0.0005)
    assert told.bit_rate == pytest.approx(8 * told.size_bytes / case.seconds, rel=0.02)
    if told.audio is not None:
        assert told.audio.duration_seconds in {None, told.duration_seconds}


@pytest.mark.parametrize("case", FILMS, ids=names(FILMS))
def test_every_picture_of_a_film_has_a_place_before_its_end(case: Case) -> None:
    with open_media(case.path, Limits()) as container:
        timeline = read_timeline(container, picture_stream(container), Limits())

    shown = [taken.seconds for taken in Film(path=case.path, limits=Limits(), timeline=timeline).all_frames()]

    assert len(shown) == case.pictures
    assert shown == sorted(set(shown))
    assert case.seconds is not None
    assert shown[-1] < case.seconds


@pytest.mark.parametrize("case", STILLS, ids=names(STILLS))
def test_pictures_of_an_image_are_counted(case: Case) -> None:
    told = told_of(case)

    assert max(told.frames or 0, told.pages or 0) == case.pictures


@pytest.mark.parametrize("case", PICTURES, ids=names(PICTURES))
def test_the_first_picture_has_its_colour(case: Case) -> None:
    image = first_of(case).image()

    found = image.convert("RGB").getpixel((int(0.3 * image.width), int(0.3 * image.height)))

    assert case.colour is None or found == pytest.approx(case.colour, abs=6)
