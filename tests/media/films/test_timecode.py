"""Time codes, as `ffprobe` and `exiftool` tell them of the same files."""

from fractions import Fraction

import pytest

from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound

NTSC = Fraction(30_000, 1_001)
START = {"timecode": "01:02:03:04"}
CODED = Pictures(codec="mpeg2video", options={"gop_timecode": "01:02:03:04"})
CODED_DROPPING = Pictures(
    codec="mpeg2video", rate=NTSC, options={"gop_timecode": "01:02:03;04", "drop_frame_timecode": "1"}
)
FILMS = {
    "clock.mov": (Film(pictures=Pictures(), sound=Sound(), metadata=START), "01:02:03:04"),
    "clock.mp4": (Film(pictures=Pictures(), metadata=START), "01:02:03:04"),
    "dropping.mov": (Film(pictures=Pictures(rate=NTSC), metadata={"timecode": "01:02:03;04"}), "01:02:03;04"),
    "clock.mxf": (Film(pictures=Pictures(codec="mpeg2video"), metadata=START), "01:02:03:04"),
    "clock.mkv": (Film(pictures=Pictures(), metadata=START), "01:02:03:04"),
    "clock.mpg": (Film(pictures=CODED), "01:02:03:04"),
    "clock.ts": (Film(pictures=CODED), "01:02:03:04"),
    "dropping.ts": (Film(pictures=CODED_DROPPING), "01:02:03;04"),
    "none.ts": (Film(pictures=Pictures(codec="mpeg2video")), None),
    "none.mp4": (Film(pictures=Pictures()), None),
    "words.mkv": (Film(pictures=Pictures(), metadata={"timecode": "at noon"}), None),
}


@pytest.mark.parametrize("name", FILMS)
def test_the_time_code_of_the_first_frame_is_told(name: str) -> None:
    made, expected = FILMS[name]

    told = probe(clips.film(f"timecode_{name}", made), Limits())

    assert told.timecode == expected


def test_the_track_of_a_time_code_is_listed_and_is_neither_picture_nor_sound() -> None:
    made, _ = FILMS["clock.mov"]

    told = probe(clips.film("timecode_clock.mov", made), Limits())

    assert [stream.kind for stream in told.streams] == ["video", "audio", "data"]
    assert told.duration_seconds == pytest.approx(2.0, abs=0.03)
    assert told.frames == 50
