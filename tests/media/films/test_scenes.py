"""Where scenes begin."""

import pytest
from PIL import Image

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.frames import SIDE, CutDetector, changed_share, sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from tests.media import clips

DARK = Image.new("RGB", (SIDE, SIDE), (40, 40, 40))


def with_patch(share: float, colour: tuple[int, int, int]) -> Image.Image:
    picture = DARK.copy()
    picture.paste(colour, (0, 0, SIDE, round(SIDE * share)))
    return picture


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_measure_is_the_share_that_looks_different(share: float) -> None:
    assert changed_share(DARK, with_patch(share, (200, 40, 40))) == share


def test_noise_is_no_difference() -> None:
    assert changed_share(DARK, with_patch(1.0, (50, 30, 48))) == 0


def test_a_colour_of_the_same_brightness_is_a_difference() -> None:
    assert changed_share(DARK, with_patch(1.0, (80, 26, 20))) == 1


def test_the_first_frame_and_those_past_the_threshold_begin_scenes() -> None:
    detector = CutDetector(0.5)
    frames = [DARK, DARK, with_patch(0.4, (200, 0, 0)), DARK, with_patch(0.6, (200, 0, 0))]

    assert [detector.begins_scene(frame) for frame in frames] == [True, False, False, False, True]


def test_a_film_gives_the_first_frame_of_each_scene() -> None:
    pictures = sample_frames(clips.scenes(), SamplingOptions(scenes=0.4), Limits())

    assert [picture.instant_seconds for picture in pictures] == list(clips.SCENES_SECONDS)


def test_more_scenes_than_allowed_are_refused() -> None:
    pictures = sample_frames(clips.scenes(), SamplingOptions(scenes=0.4, max_frames=3), Limits())

    with pytest.raises(MediaLimitPassed, match="4 frames"):
        list(pictures)
