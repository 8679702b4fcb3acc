"""Frames taken the quick way are those a decode of everything shows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import pytest

from media_analysis.media.films.decoding import Film, Taken
from media_analysis.media.films.opening import open_media
from media_analysis.media.films.timeline import Timeline, picture_stream, read_timeline
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from tests.media import clips, reordered
from tests.media.case_table import FILMS
from tests.media.references import Shown, all_shown, pixels_of, shown_at

CLIPS: dict[str, Callable[[], Path]] = {
    made.__name__: made
    for made in (
        clips.h264,
        clips.variable_frame_rate,
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
        clips.truncated,
        clips.index_behind_film,
        clips.truncated_matroska,
        clips.late_start,
        clips.anamorphic,
        clips.interlaced,
        clips.ultra_hd,
        clips.hdr,
        clips.scenes,
        clips.chapters,
        clips.with_sound,
        reordered.pyramid,
        reordered.open_groups,
        reordered.rolling_refresh,
        reordered.bytestream,
        reordered.fields,
        reordered.long_group,
        reordered.hevc_groups,
        reordered.hevc_layers,
        reordered.mpeg4_in_avi,
        reordered.h264_in_avi,
        reordered.mpeg2,
        reordered.vp8,
        reordered.vp9_alternate,
        reordered.cut_in,
        reordered.two_sizes,
    )
} | {
    "turned": lambda: clips.turned(90),
    "turned_180": lambda: clips.turned(180),
    "turned_270": lambda: clips.turned(-90),
    "hdr_hlg": lambda: clips.hdr(18),
    "bikes": lambda: clips.sample("bikes"),
    "bigbuckbunny": lambda: clips.sample("bigbuckbunny"),
    "carphone_pristine": lambda: clips.sample("carphone_pristine"),
    **{case.name: partial(attrgetter("path"), case) for case in FILMS},
}
WITHOUT_PICTURES = {"audio", "audio_with_cover", "index_behind_sound", "index_missing", "no_frames"}
"""Clips of which nothing is to be shown; that they are refused is tested beside."""
WITHOUT_KEYFRAMES = {"gdr_late.ts"}
"""Nothing in it decodes alone; where it may be entered instead is tested beside."""
NO_CLIPS = {"clip_directory", "sample"}
UNTRUSTED = {"raw_h264", "vp8", "mpeg4_in_avi", "h264_in_avi", "two_sizes", "x.ivf"}
"""Their packets do not tell when which frame is shown, so everything is decoded."""


class Sparing(Film):
    """A film that refuses to decode everything."""

    def all_frames(self) -> Iterator[Taken]:
        pytest.fail("everything was decoded")


def timeline_of_file(path: Path) -> Timeline:
    with open_media(path, Limits()) as container:
        return read_timeline(container, picture_stream(container), Limits())


def taken(path: Path, options: SamplingOptions) -> list[tuple[float, str]]:
    pictures = sample_frames(path, options, Limits())
    return [(picture.instant_seconds, pixels_of(picture.exposure.raster.decoded.frame)) for picture in pictures]  # type: ignore[attr-defined]


def assert_shown(path: Path, instants: list[float]) -> None:
    assert_same(taken(path, SamplingOptions(instants=instants)), [shown_at(path, seconds) for seconds in instants])


def assert_same(found: list[tuple[float, str]], expected: Sequence[Shown]) -> None:
    assert [pixels for _, pixels in found] == [frame.pixels for frame in expected]
    assert [seconds for seconds, _ in found] == pytest.approx([frame.seconds for frame in expected], abs=2e-6)


@pytest.mark.parametrize("module", [clips, reordered])
def test_no_clip_is_left_out(module: ModuleType) -> None:
    """Every cached function of these modules makes a clip."""
    made = {name for name, function in vars(module).items() if hasattr(function, "cache_info")}

    assert made - NO_CLIPS - WITHOUT_PICTURES <= CLIPS.keys()


@pytest.mark.parametrize("clip", CLIPS)
def test_frames_at_exactly_their_instants(clip: str) -> None:
    path = CLIPS[clip]()
    instants = [frame.seconds for frame in all_shown(path)[::7]]

    assert_shown(path, instants)


@pytest.mark.parametrize("clip", CLIPS)
def test_frames_between_instants_and_outside_of_it(clip: str) -> None:
    path = CLIPS[clip]()
    last = all_shown(path)[-1].seconds
    instants = [0.0, last / 3, last / 2 + 0.011, last - 0.001 if last else 0.0, last, last + 5]

    assert_shown(path, instants)


@pytest.mark.parametrize("clip", CLIPS)
def test_one_frame_near_the_end(clip: str) -> None:
    path = CLIPS[clip]()
    instants = [all_shown(path)[-1].seconds * 0.8]

    assert_shown(path, instants)


@pytest.mark.parametrize("clip", CLIPS)
def test_every_single_frame(clip: str) -> None:
    path = CLIPS[clip]()
    instants = [frame.seconds for frame in all_shown(path)]

    assert_shown(path, instants)


@pytest.mark.parametrize("clip", sorted(CLIPS.keys() - WITHOUT_KEYFRAMES))
def test_keyframes_are_those_the_decoder_calls_so(clip: str) -> None:
    path = CLIPS[clip]()

    found = taken(path, SamplingOptions(keyframes=True))

    assert_same(found, [frame for frame in all_shown(path) if frame.is_key])


@pytest.mark.parametrize("clip", CLIPS)
def test_only_untrusted_packets_cost_a_full_decode(clip: str) -> None:
    timeline = timeline_of_file(CLIPS[clip]())

    assert timeline.exact == (clip not in UNTRUSTED)


@pytest.mark.parametrize("clip", ["h264", "pyramid", "open_groups", "bytestream", "hevc_groups", "bikes"])
def test_frames_nobody_needs_are_not_decoded(clip: str) -> None:
    path = CLIPS[clip]()
    timeline = timeline_of_file(path)
    film = Sparing(path=path, limits=Limits(), timeline=timeline)

    found = list(film.shown_at([0.0, timeline.duration_seconds / 2, timeline.duration_seconds]))

    assert len(found) == 3
    assert sum(timeline.is_disposable(place) for place in range(len(timeline.instants))) > len(timeline.instants) / 4


@pytest.mark.parametrize("clip", ["h264", "pyramid", "hevc", "vp9", "av1", "avi", "mpeg2"])
def test_packets_wrongly_called_keys_cost_time_and_change_no_picture(clip: str) -> None:
    path = CLIPS[clip]()
    timeline = timeline_of_file(path)
    lying = replace(timeline, keys=range(0, len(timeline.instants), 3))
    film = Film(path=path, limits=Limits(), timeline=lying)
    instants = [frame.seconds for frame in all_shown(path)[5::17]]

    found = [(each.seconds, pixels_of(each.frame)) for each in film.shown_at(instants)]

    assert_same(found, [shown_at(path, seconds) for seconds in instants])
