"""One picture of a file is the one that jobs take, and of films little else is read for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from media_analysis.errors.media import InstantPastEnd, NoPictures
from media_analysis.media.films.decoding import Film
from media_analysis.media.films.seeking import Seeker
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, PictureOptions, SamplingOptions
from media_analysis.media.single_pictures import picture_at, representative_picture
from tests.media import clips, images, reordered
from tests.media.pictures import read_number

LIMITS = Limits()
SMALL = PictureOptions(max_width=96)
CASES = Path(__file__).parent / "cases"
INDEXED: dict[str, Callable[[], Path]] = {
    made.__name__: made
    for made in (
        clips.h264,
        clips.variable_frame_rate,
        clips.hdr,
        clips.fragmented,
        clips.late_start,
        clips.no_duration,
        reordered.open_groups,
        reordered.vp9_alternate,
    )
}
READ_WHOLE: dict[str, Callable[[], Path]] = {
    "transport_stream": clips.transport_stream,
    "raw_h264": clips.raw_h264,
    "truncated_matroska": clips.truncated_matroska,
    "cut_in": reordered.cut_in,
    "pts_outlier.mkv": lambda: CASES / "pts_outlier.mkv",
    "ts_restart.ts": lambda: CASES / "ts_restart.ts",
}
"""Without an index, or with one that leads astray."""


class IndexOnly(Seeker):
    """Refuses to read all of a film."""

    def _read(self) -> Film:
        pytest.fail("all of it was read")


@pytest.mark.parametrize("name", INDEXED | READ_WHOLE)
def test_a_picture_at_an_instant_is_that_of_a_job(name: str) -> None:
    path = (INDEXED | READ_WHOLE)[name]()
    last = list(sample_frames(path, SamplingOptions(count=3), LIMITS))[-1].instant_seconds
    instants = [0.0, 0.39 * last, 0.8 * last, last]

    wanted = list(sample_frames(path, SamplingOptions(instants=instants), LIMITS))
    found = [picture_at(path, seconds, LIMITS) for seconds in instants]

    assert [each.instant_seconds for each in found] == [each.instant_seconds for each in wanted]
    assert [each.encoded(SMALL) for each in found] == [each.encoded(SMALL) for each in wanted]


@pytest.mark.parametrize("name", INDEXED)
def test_a_film_with_an_index_is_sought(name: str) -> None:
    seeker = IndexOnly(path=INDEXED[name](), limits=LIMITS)

    exact, key = seeker.shown_at(0.3), seeker.shown_at(0.3, exact=False)

    assert 0 <= key.seconds <= exact.seconds <= 0.3
    assert key.frame.key_frame


@pytest.mark.parametrize(
    ("path", "end_seconds"), [(clips.h264(), 2.0), (clips.transport_stream(), 2.0), (images.jpeg(), 0)]
)
def test_the_last_picture_stays_until_the_end_and_no_longer(path: Path, end_seconds: float) -> None:
    last = picture_at(path, end_seconds, LIMITS)

    with pytest.raises(InstantPastEnd) as past:
        picture_at(path, end_seconds + 0.1, LIMITS)

    assert last.instant_seconds == max(0, end_seconds - 0.04)
    assert past.value.end_seconds == end_seconds


@pytest.mark.parametrize("of", [clips.audio_with_cover, lambda: CASES / "cover.mka"], ids=["mp3", "mka"])
def test_the_cover_stands_for_a_sound(of: Callable[[], Path]) -> None:
    cover = representative_picture(of(), LIMITS)

    assert (cover.instant_seconds, cover.size) == (0, (64, 64))


def test_a_cover_is_shown_as_it_was_drawn_and_one_that_cannot_be_decoded_is_none(tmp_path: Path) -> None:
    before, mark, drawn = clips.audio_with_cover().read_bytes().partition(b"\xff\xd8\xff")
    length = drawn.index(b"\xff\xd9")
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(before + mark + bytes(length) + drawn[length:])

    assert read_number(representative_picture(clips.audio_with_cover(), LIMITS).image()) == 7
    with pytest.raises(NoPictures):
        representative_picture(broken, LIMITS)


def test_a_large_jpeg_is_decoded_no_larger_than_it_is_wanted() -> None:
    whole, small = (representative_picture(images.jpeg(), LIMITS, width=width) for width in (None, 24))

    assert 24 <= small.size[0] < whole.size[0]
