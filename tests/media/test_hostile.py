"""Hostile files make no more than their limits allow, and fail in one of three ways only."""

import zlib
from pathlib import Path

import pytest

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from tests.media import bombs


@pytest.mark.parametrize(
    "bomb",
    [
        bombs.png(100_000, 100_000, zlib.compress(bytes(1_000_000))),
        bombs.png(2**31 - 1, 2**31 - 1, b""),
        bombs.png(20_000, 6_711, zlib.compress(bytes(100))),
        bombs.gif(65_535, 65_535),
        bombs.bmp(100_000, 100_000),
        bombs.tiff(2**31, 2**31),
    ],
    ids=["png", "png_huge", "png_just_above", "gif", "bmp", "tiff"],
)
def test_declared_pixels_are_counted_before_any_is_made(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb)

    with pytest.raises(MediaLimitPassed) as refused:
        probe(path, Limits())

    assert refused.value.what == "pixels"


@pytest.mark.parametrize(("frames", "what"), [(1_100, "pixels_of_all_frames"), (5_001, "frames")])
def test_a_long_animation_is_refused_before_it_is_decoded(frames: int, what: str, tmp_path: Path) -> None:
    path = tmp_path / "long.gif"
    path.write_bytes(bombs.moving_gif(8_000, 8_000, frames))

    with pytest.raises(MediaLimitPassed) as refused:
        next(sample_frames(path, SamplingOptions(), Limits(max_packets=5_000)))

    assert refused.value.what == what
