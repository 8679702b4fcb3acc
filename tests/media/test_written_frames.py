"""Frames as they are written are those of a plain decode, by how little they differ."""

import math
from io import BytesIO
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, PictureFormat, PictureOptions, SamplingOptions
from tests.media.references import all_shown
from tests.media.test_frame_accuracy import CLIPS

CHANGED = {
    *("hdr", "hdr_hlg", "bt2020_sdr.mp4", "hlg_bars.mp4", "pq_bars.mp4"),
    *("crop_top20.mkv", "interlaced.mpg", "sar_change.ts"),
}
"""A plain conversion leaves these dull, uncropped, combed or of another shape; how they look right is tested beside."""
LEAST_DECIBELS = 27
"""Numbered frames beside each other are at 13; stretching oblong pixels in another way costs down to 29."""


def decibels(one: Image.Image, other: Image.Image) -> float:
    """Return the peak signal-to-noise ratio of two pictures."""
    squares = ImageStat.Stat(ImageChops.difference(one, other)).sum2
    mean = sum(squares) / (3 * one.width * one.height)
    return 10 * math.log10(255**2 / mean) if mean else math.inf


def plainly_converted(path: Path, number: int) -> Image.Image:
    """Decode everything up to a frame, and return it upright."""
    with av.open(str(path)) as container:
        for place, frame in enumerate(container.decode(video=0)):
            if place == number:
                lying: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
                return lying.rotate(frame.rotation, expand=True)
    raise AssertionError("there is no such frame")


@pytest.mark.parametrize("share", [0.0, 0.37, 0.73])
@pytest.mark.parametrize("clip", sorted(CLIPS.keys() - CHANGED))
def test_a_written_frame_looks_like_the_one_of_a_plain_decode(clip: str, share: float) -> None:
    path = CLIPS[clip]()
    number = int(share * len(all_shown(path)))
    instants = [all_shown(path)[number].seconds]

    (picture,) = sample_frames(path, SamplingOptions(instants=instants), Limits())
    written = Image.open(BytesIO(picture.encoded(PictureOptions(format=PictureFormat.PNG)))).convert("RGB")

    expected = plainly_converted(path, number)
    assert decibels(written, expected.resize(written.size, Image.Resampling.BICUBIC)) > LEAST_DECIBELS
