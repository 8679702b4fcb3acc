"""Peaks of sounds."""

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media import waveform
from media_analysis.media.options import Limits
from media_analysis.media.waveform import FINEST, Peaks, read_waveform
from tests.media import clips

RANDOM = random.Random(20)
NOISE = RANDOM.randbytes(20_000)


def data_of(path: Path, **limits: Any) -> list[int]:
    heard = read_waveform(path, Limits(**limits))
    assert heard is not None
    data: list[int] = json.loads(heard.content)["data"]
    return data


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4_000)), max_size=12), st.integers(16, 50)
)  # never more at once
def test_each_pixel_is_the_least_and_the_most_of_its_samples(parts: list[tuple[bool, int]], most: int) -> None:
    peaks, samples = Peaks(), b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waveform, "MOST_PIXELS", most)
        patch.setattr(waveform, "AT_ONCE", 1)
        for is_silence, length in parts:
            part = b"\x80" * length if is_silence else NOISE[:length]
            samples += part
            peaks.add_silence(length) if is_silence else peaks.add(part)
        pairs = list(peaks.pairs())

    width = peaks.samples_per_pixel
    pixels = [samples[start : start + width] for start in range(0, len(samples), width)]
    assert pairs == [extreme - 128 for pixel in pixels for extreme in (min(pixel), max(pixel))]
    assert peaks.samples == len(samples)
    assert len(pixels) <= most
    assert width == FINEST or -(-len(samples) // (width // 2)) > most


def test_a_day_of_silence_takes_no_longer_than_a_second_of_it() -> None:
    peaks = Peaks()
    peaks.add(b"\xff" * 100)

    peaks.add_silence(86_400 * 192_000)

    pairs = list(peaks.pairs())
    assert peaks.samples == 86_400 * 192_000 + 100
    assert pairs[:2] == [0, 127]
    assert set(pairs[2:]) == {0}
    assert len(pairs) // 2 == -(-peaks.samples // peaks.samples_per_pixel) <= waveform.MOST_PIXELS


def moved(path: Path, into: Path, *, behind_seconds: float, by_seconds: float) -> Path:
    """Copy sound into Matroska, what comes behind an instant so much later."""
    with av.open(str(path)) as source, av.open(str(into), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.pts * packet.time_base >= behind_seconds:
                ticks = round(Fraction(by_seconds) / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = stream
            target.mux(packet)
    return into


def test_a_pause_between_packets_is_silent(tmp_path: Path) -> None:
    paused = moved(clips.audio("flac"), tmp_path / "paused.mka", behind_seconds=1.0, by_seconds=3.0)

    data = data_of(paused)

    loud = [number for number, high in enumerate(data[1::2]) if high > 20]
    quiet = [number for number, high in enumerate(data[1::2]) if not high]
    assert len(data) // 2 == pytest.approx(5 * 48_000 / FINEST, abs=4)
    assert (min(quiet) * FINEST / 48_000, max(quiet) * FINEST / 48_000) == pytest.approx((1.0, 4.0), abs=0.15)
    assert len(loud) == pytest.approx(2 * 48_000 / FINEST, abs=12)


def test_sound_is_silent_until_it_begins_behind_the_pictures(tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    with av.open(str(clips.with_sound())) as source, av.open(str(late), "w") as target:
        streams = [target.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is None or packet.pts is None:
                continue
            if packet.stream.type == "audio":
                ticks = round(1 / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = streams[packet.stream.index]
            target.mux(packet)

    highs = data_of(late)[1::2]

    assert len(highs) == pytest.approx(3 * 48_000 / FINEST, abs=8)
    assert max(highs[:85]) == 0
    assert min(highs[100:180]) > 20


def test_what_lasts_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    paused = moved(clips.audio("flac"), tmp_path / "long.mka", behind_seconds=1.0, by_seconds=20.0)

    with pytest.raises(MediaLimitPassed, match="seconds"):
        data_of(paused, max_duration_seconds=10)


def test_a_film_without_sound_has_no_waveform() -> None:
    assert read_waveform(clips.h264(), Limits()) is None
