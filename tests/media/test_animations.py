"""Frames of GIF and WebP are composed as players compose them."""

from pathlib import Path

from PIL import Image

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.stills.animations import read_animation

CLEAR, RED, BLUE = (0, 0, 0, 0), (255, 0, 0, 255), (0, 0, 255, 255)
HALF_BLUE = (0, 0, 255, 128)
LEFT, RIGHT = (0, 0, 4, 8), (4, 0, 8, 8)


def shown(path: Path) -> list[tuple[float, list[tuple[int, ...]]]]:
    """Return when each frame is shown, and its colours at the left and at the right."""
    starts = list(read_animation(path, Limits()).starts)
    found = []
    for picture in sample_frames(path, SamplingOptions(instants=starts), Limits()):
        image = picture.image().convert("RGBA")
        found.append((picture.instant_seconds, [image.getpixel((at, 4)) for at in (1, 6)]))
    return found  # type: ignore[return-value]


def in_palette(left: int, right: int) -> Image.Image:
    """Return two halves of a palette in which 0 is transparent, 1 red and 2 blue."""
    image = Image.new("P", (8, 8))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    image.paste(left, LEFT)
    image.paste(right, RIGHT)
    return image


def test_a_gif_may_begin_transparent_and_give_way_to_what_was_before(tmp_path: Path) -> None:
    """Source: GIF89a, section 23 (disposal 3 restores what was before); `ffmpeg` shows the same."""
    path = tmp_path / "moving.gif"
    first, *others = [in_palette(0, 1), in_palette(2, 0), in_palette(0, 2)]
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[100, 200, 300],
        disposal=[1, 3, 1],
        transparency=0,
        optimize=False,
    )

    assert shown(path) == [(0.0, [CLEAR, RED]), (0.1, [BLUE, RED]), (0.3, [CLEAR, BLUE])]
    assert read_animation(path, Limits()).duration_seconds == 0.6


def test_the_background_of_a_webp_is_not_painted(tmp_path: Path) -> None:
    """Source: the WebP container specification, ANIM: the colour may be ignored; browsers do."""
    path = tmp_path / "moving.webp"
    first, *others = [Image.new("RGBA", (8, 8), colour) for colour in (RED, HALF_BLUE, CLEAR)]
    first.save(
        path, save_all=True, append_images=others, duration=[100, 200, 300], lossless=True, background=(0, 255, 0, 255)
    )

    assert shown(path) == [(0.0, [RED] * 2), (0.1, [HALF_BLUE] * 2), (0.3, [CLEAR] * 2)]
