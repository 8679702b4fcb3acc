"""What packets say of when they are shown is believed, but for what cannot be."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet

from media_analysis.media.films.stamps import Stamps
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips
from tests.media.encoding import Film, Pictures


def begun_late(path: Path, source: Path, seconds: float) -> Path:
    """Copy an MP4 with an edit list that begins the film so many seconds in (ISO/IEC 14496-12, 8.6.6)."""
    with av.open(str(source)) as film, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as output:
        stream = output.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(film.streams.video[0]):
            if packet.pts is not None and packet.dts is not None:
                packet.pts -= round(seconds / packet.time_base)
                packet.dts -= round(seconds / packet.time_base)
                packet.stream = stream
                output.mux(packet)
    return path


def test_pictures_in_front_of_where_an_edit_list_begins_are_not_played(tmp_path: Path) -> None:
    """Source: `ffmpeg -f null` and `ffprobe` tell of 1.48 seconds and 37 pictures."""
    source = clips.film("one_keyframe.mp4", Film(pictures=Pictures(count=50, keyframe_every=50)))
    path = begun_late(tmp_path / "late.mp4", source, 0.52)

    told = probe(path, Limits())

    assert told.duration_seconds == pytest.approx(1.48, abs=0.001)


def test_a_duration_that_went_below_zero_is_that_of_the_packet_before() -> None:
    """As FFmpeg tells of the last packet of joined Ogg Vorbis: 2^32 samples less some, a day and more."""
    stamps = Stamps()
    for number, duration in enumerate((1_024, 2**32 - 43_712)):
        packet = Packet(b"sound")
        packet.pts = packet.dts = 1_024 * number
        packet.duration, packet.time_base = duration, Fraction(1, 44_100)
        stamps.add(packet)

    assert list(stamps.durations) == [1_024, 1_024]
