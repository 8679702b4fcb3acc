"""Every picture is shown once and in order, whatever became of its time stamps."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media_analysis.media.films.decoding import Film as OpenFilm
from media_analysis.media.films.opening import open_media
from media_analysis.media.films.timeline import Timeline, picture_stream, read_timeline
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound
from tests.media.references import all_shown, pixels_of
from tests.media.restamping import CLOCK, CONTAINERS, WRAP, Container, restamped

COUNT = 20
FRAME = CLOCK // 25
LENGTH = COUNT / 25
HOUR = 3600 * CLOCK
HOURS = 10 * 3600 * 1000
"""In milliseconds; twice that is no more than a film may last."""
offsets = st.one_of(st.integers(0, WRAP - 1), st.integers(0, 20 * CLOCK), st.sampled_from([0, HOUR, WRAP - CLOCK]))


def segment(*, reordered: bool) -> bytes:
    return segment_file(reordered=reordered).read_bytes()


@cache
def segment_file(*, reordered: bool) -> Path:
    """Twenty pictures of H.264 in a transport stream, the first shown two frames after zero."""
    options = {"preset": "medium", "bf": "3" if reordered else "0", "b_strategy": "0"}
    film = Film(pictures=Pictures(count=COUNT, keyframe_every=10, options=options), options={"muxdelay": "0"})
    return clips.film(f"segment_{reordered}.ts", film)


def moved(content: bytes, ticks: int) -> bytes:
    return restamped(content, lambda _, decoded, shown: (decoded + ticks, shown + ticks))


def strayed(content: bytes, place: int, ticks: int, *, alone: bool) -> bytes:
    def change(number: int, decoded: int, shown: int) -> tuple[int, int]:
        stray = ticks if number == place else 0
        return decoded + (0 if alone else stray), shown + stray

    return restamped(content, change)


def written(path: Path, *contents: bytes) -> Path:
    path.write_bytes(b"".join(contents))
    return path


def timeline_of(path: Path) -> Timeline:
    with open_media(path, Limits()) as container:
        return read_timeline(container, picture_stream(container), Limits())


def assert_all_shown(path: Path, alone: Sequence[str], segments: int = 1) -> None:
    """Every picture of so many segments, once and in order, whichever way it is asked for, and before the end."""
    timeline = timeline_of(path)
    film = OpenFilm(path=path, limits=Limits(), timeline=timeline)
    every = [(each.seconds, pixels_of(each.frame)) for each in film.all_frames()]
    seconds, pixels = [at for at, _ in every], [shown for _, shown in every]

    assert pixels == [*alone] * segments
    assert seconds == sorted(set(seconds))
    assert seconds[-1] < timeline.duration_seconds
    assert taken(path, SamplingOptions(instants=seconds)) == every
    keys = taken(path, SamplingOptions(keyframes=True))
    assert len(keys) == len(timeline.keys)
    assert set(keys) <= set(every)


def taken(path: Path, options: SamplingOptions) -> list[tuple[float, str]]:
    pictures = sample_frames(path, options, Limits())
    return [(each.instant_seconds, pixels_of(each.exposure.raster.decoded.frame)) for each in pictures]  # type: ignore[attr-defined]


@cache
def pictures_of(path: Path) -> Sequence[str]:
    """What a file shows whose time stamps are right."""
    return [shown.pixels for shown in all_shown(path)]


@cache
def part(container: Container, *, reordered: bool, heard: bool) -> Path:
    """Twenty pictures in a container, beside sound or alone."""
    options = {"preset": "medium", "bf": "3" if reordered else "0", "b_strategy": "0"}
    pictures = Pictures(count=COUNT, keyframe_every=10, options=options)
    sound = Sound(seconds=LENGTH, rate=44_100) if heard else None
    film = Film(pictures=pictures, sound=sound, container=container.name, options=dict(container.options))
    return clips.film(f"part_{reordered}_{heard}.{container.name}", film)


@settings(max_examples=15)
@given(starts=st.lists(offsets, min_size=1, max_size=3), reordered=st.booleans())
@example(starts=[0, 0], reordered=True)
@example(starts=[HOUR, 0, 26 * HOUR], reordered=True)
def test_glued_segments_are_shown_one_after_another(
    tmp_path_factory: pytest.TempPathFactory, starts: list[int], *, reordered: bool
) -> None:
    content = segment(reordered=reordered)
    path = written(tmp_path_factory.mktemp("glued") / "film.ts", *(moved(content, start) for start in starts))

    assert_all_shown(path, pictures_of(segment_file(reordered=reordered)), len(starts))


@settings(max_examples=15)
@given(
    place=st.integers(0, COUNT - 2),
    ticks=st.one_of(st.integers(-WRAP // 2, WRAP // 2), st.integers(-20 * CLOCK, 20 * CLOCK)),
    alone=st.booleans(),
    reordered=st.booleans(),
)
@example(place=7, ticks=11 * CLOCK, alone=True, reordered=True)
@example(place=7, ticks=-5 * CLOCK, alone=False, reordered=True)
def test_one_absurd_time_stamp_costs_no_picture(
    tmp_path_factory: pytest.TempPathFactory, place: int, ticks: int, *, alone: bool, reordered: bool
) -> None:
    # A picture shown less than ten seconds off its decoding may be meant so.
    alone = alone and abs(ticks) > 11 * CLOCK
    content = strayed(moved(segment(reordered=reordered), HOUR), place, ticks, alone=alone)
    path = written(tmp_path_factory.mktemp("strayed") / "film.ts", content)

    assert_all_shown(path, pictures_of(segment_file(reordered=reordered)))


@settings(max_examples=15)
@given(
    container=st.sampled_from(CONTAINERS),
    starts=st.lists(
        st.integers(0, 20).map(lambda frames: frames * 40)
        | st.integers(0, HOURS // 40).map(lambda frames: frames * 40),
        min_size=1,
        max_size=3,
    ),
    reordered=st.booleans(),
    heard=st.booleans(),
)
@example(container=CONTAINERS[0], starts=[0, 0, 0], reordered=True, heard=True)
@example(container=CONTAINERS[0], starts=[0, 60_000], reordered=True, heard=False)
@example(container=CONTAINERS[1], starts=[0, 760, 0], reordered=True, heard=True)
@example(container=CONTAINERS[2], starts=[50_000_000, 0, 1_000], reordered=True, heard=False)
def test_parts_of_a_file_that_begin_anywhere_are_shown_one_after_another(
    tmp_path_factory: pytest.TempPathFactory,
    container: Container,
    starts: list[int],
    *,
    reordered: bool,
    heard: bool,
) -> None:
    heard = heard and container.is_interleaved
    source = part(container, reordered=reordered, heard=heard)
    shifts = [lambda _, start=start: start for start in starts]
    path = written(tmp_path_factory.mktemp("parts") / "film", container.glued(source.read_bytes(), *shifts))

    assert_all_shown(path, pictures_of(source), len(starts))


@settings(max_examples=15)
@given(
    container=st.sampled_from(CONTAINERS),
    place=st.integers(1, COUNT - 4),
    stray=st.integers(-HOURS, -11_000) | st.integers(11_000, HOURS),
    reordered=st.booleans(),
)
@example(container=CONTAINERS[0], place=9, stray=60_000, reordered=True)
@example(container=CONTAINERS[2], place=9, stray=60_000, reordered=True)
def test_one_absurd_time_stamp_among_milliseconds_costs_no_picture(
    tmp_path_factory: pytest.TempPathFactory, container: Container, place: int, stray: int, *, reordered: bool
) -> None:
    source = part(container, reordered=reordered, heard=False)
    content = container.glued(source.read_bytes(), lambda number: HOURS + (stray if number == place else 0))
    path = written(tmp_path_factory.mktemp("strayed") / "film", content)

    assert_all_shown(path, pictures_of(source))


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.name)
def test_one_absurd_time_stamp_makes_no_rate_vary(container: Container, tmp_path: Path) -> None:
    content = part(container, reordered=True, heard=False).read_bytes()
    strayed = container.glued(content, lambda number: 60_000 * (number == 9))

    told = probe(written(tmp_path / "film", strayed), Limits())

    assert (told.frame_rate, told.variable_frame_rate) == (25, False)


@pytest.mark.parametrize("start", [WRAP - FRAME * 9 - 1, WRAP - 1])
def test_a_clock_that_wraps_goes_on(start: int, tmp_path: Path) -> None:
    """33 bits are 26.5 hours (ISO/IEC 13818-1)."""
    path = written(tmp_path / "film.ts", moved(segment(reordered=True), start))

    told = timeline_of(path)

    assert told.duration_seconds == pytest.approx(LENGTH)
    assert told.discontinuities == []
    assert_all_shown(path, pictures_of(segment_file(reordered=True)))


@pytest.mark.parametrize("ticks", [3 * CLOCK, 60 * CLOCK, -60 * CLOCK])
def test_a_stray_stands_where_it_was_expected(ticks: int, tmp_path: Path) -> None:
    content = moved(segment(reordered=True), HOUR)
    usual = timeline_of(written(tmp_path / "usual.ts", content))

    strayed_ = timeline_of(written(tmp_path / "film.ts", strayed(content, 9, ticks, alone=False)))

    assert list(strayed_.instants) == list(usual.instants)
    assert [found.step_seconds for found in strayed_.discontinuities] == [ticks / CLOCK]


def test_a_pause_is_no_jump_where_clocks_do_not(tmp_path: Path) -> None:
    """Source: ffmpeg judges steps ahead by 10 seconds only of formats with AVFMT_TS_DISCONT."""
    instants = [0, 40, 80, 60_000, 60_040]
    paused = clips.film("paused.mkv", Film(pictures=Pictures(instants=instants, time_base=Fraction(1, 1000))))

    told = timeline_of(paused)

    assert told.discontinuities == []
    assert told.seconds_at(told.shown[-1]) == pytest.approx(60.04)
    assert timeline_of(written(tmp_path / "usual.ts", segment(reordered=False))).discontinuities == []


@pytest.mark.parametrize("overlap", [1, 2, 3])
@pytest.mark.parametrize("reordered", [False, True])
def test_segments_that_overlap_by_little_are_shown_one_after_another(
    overlap: int, tmp_path: Path, *, reordered: bool
) -> None:
    content = segment(reordered=reordered)
    path = written(tmp_path / "film.ts", content, moved(content, (COUNT - overlap) * FRAME))

    assert timeline_of(path).duration_seconds == pytest.approx(2 * LENGTH)
    assert_all_shown(path, pictures_of(segment_file(reordered=reordered)), 2)


def test_sound_and_pictures_of_glued_files_go_on_together(tmp_path: Path) -> None:
    film = Film(pictures=Pictures(count=25), sound=Sound(seconds=1.0))
    content = clips.film("seconds.ts", film).read_bytes()
    alone = probe(written(tmp_path / "alone.ts", content), Limits())

    told = probe(written(tmp_path / "glued.ts", content * 5), Limits())

    assert told.duration_seconds == pytest.approx(alone.duration_seconds + 4, abs=0.001)  # type: ignore[operator]
    assert [warning.at_seconds for warning in told.warnings] == pytest.approx([1, 2, 3, 4])
    assert told.frames == 125


def test_parts_of_a_chained_theora_file_are_shown_by_their_own_headers(tmp_path: Path) -> None:
    """Source: Theora specification, 6.1: headers are no pictures; twenty in two seconds, and ten others in one."""
    parts = [Path(__file__).parents[1] / "cases" / name for name in ("x.ogv", "small.ogv", "x.ogv")]
    path = written(tmp_path / "film.ogv", *(part.read_bytes() for part in parts))

    told = probe(path, Limits())
    shown = taken(path, SamplingOptions(scenes=1e-9))
    keys = taken(path, SamplingOptions(keyframes=True))

    assert (told.frames, told.frame_rate) == (50, 10)
    assert told.duration_seconds == pytest.approx(5.0)
    assert [(each.code, each.at_seconds) for each in told.warnings] == [
        (code, at) for at in (2.0, 3.0) for code in ("discontinuity", "picture_change")
    ]
    assert [at for at, _ in shown] == pytest.approx([number / 10 for number in range(50)])
    assert [pixels for _, pixels in shown] == [pixels for part in parts for pixels in pictures_of(part)]
    assert set(keys) <= set(shown)
    assert taken(path, SamplingOptions(instants=[2.9, 4.9])) == [shown[29], shown[49]]
