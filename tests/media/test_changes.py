"""Pictures that change on the way: each is shown as it says itself, whichever selection takes it."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
from av.bitstream import BitStreamFilterContext
from PIL import Image

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe
from tests.media.encoding import Film, Pictures, write_film

CASES = Path(__file__).parent / "cases"
REORDERING = {"x264-params": "bframes=3:b-adapt=0:scenecut=0:log=-1", "preset": "medium"}
EVERYTHING = {
    "scenes": SamplingOptions(scenes=1e-9),
    "every": SamplingOptions(every_seconds=0.04),
    "keyframes": SamplingOptions(keyframes=True),
    "instants": SamplingOptions(instants=[0.0, 0.32, 0.36, 0.4, 0.44, 0.76]),
    "one": SamplingOptions(instants=[0.4]),
}
"""Ways to take pictures of ten of one kind and ten of another, 25 a second."""


WIDE = Fraction(32, 27)


def plain(colour: tuple[int, ...]) -> Any:
    return lambda _number, width, height: Image.new("RGB", (width, height), colour)


def pictures(**changes: Any) -> Pictures:
    usual = Pictures(count=10, keyframe_every=5, options=REORDERING, width=96, height=64)
    return replace(usual, **changes)


def joined(path: Path, container: str, parts: Sequence[Pictures]) -> Path:
    """Write parts one behind the other, as `cat` does, in a format whose beginning may follow an end."""
    content = b""
    for number, part in enumerate(parts):
        piece = path.with_name(f"{number}.{path.suffix}")
        content += write_film(piece, Film(pictures=part, container=container)).read_bytes()
    path.write_bytes(content)
    return path


def sizes(path: Path, way: str) -> list[tuple[float, tuple[int, int]]]:
    return [(each.instant_seconds, each.size) for each in sample_frames(path, EVERYTHING[way], Limits())]


SHAPES = {
    "h264 in a transport stream": ("mpegts", pictures()),
    "h264 alone": ("h264", pictures()),
    "every picture a key": ("mpegts", pictures(keyframe_every=1)),
    "groups of two": ("mpegts", pictures(keyframe_every=2)),
    "hevc": ("hevc", pictures(codec="libx265", options={"x265-params": "log-level=none:bframes=3:keyint=5"})),
    "mpeg2": ("mpegts", pictures(codec="mpeg2video", options={"bf": "2", "b_strategy": "0"})),
    "mpeg2 in a program stream": ("mpeg", pictures(codec="mpeg2video", options={"bf": "2", "b_strategy": "0"})),
    "mpeg2 keys": ("mpeg2video", pictures(codec="mpeg2video", keyframe_every=1, options={})),
    "mpeg4": ("m4v", pictures(codec="mpeg4", options={})),
}


@pytest.mark.parametrize("way", EVERYTHING)
@pytest.mark.parametrize("clip", SHAPES)
def test_pixels_are_as_wide_as_each_picture_tells(clip: str, way: str, tmp_path: Path) -> None:
    container, part = SHAPES[clip]
    aspects = (Fraction(8, 9), Fraction(32, 27))
    path = joined(tmp_path / "film", container, [replace(part, aspect=aspect) for aspect in aspects])

    found = sizes(path, way)

    assert [size for at, size in found] == [(96, 72) if at < 0.4 else (114, 64) for at, _ in found]


@pytest.mark.parametrize("clip", SHAPES)
def test_the_probe_says_where_pixels_change(clip: str, tmp_path: Path) -> None:
    container, part = SHAPES[clip]
    path = joined(
        tmp_path / "film", container, [replace(part, aspect=aspect) for aspect in (Fraction(8, 9), Fraction(32, 27))]
    )

    told = probe(path, Limits())

    assert told.sample_aspect_ratio == "8:9"
    assert [each.at_seconds for each in told.warnings if each.code == "picture_change"] == [0.4]


@pytest.mark.parametrize("aspects", [(WIDE, None), (WIDE, Fraction(8, 9), WIDE)])
def test_pixels_of_which_nothing_is_told_are_square(aspects: Sequence[Fraction | None], tmp_path: Path) -> None:
    heights = {WIDE: (114, 64), None: (96, 64), Fraction(8, 9): (96, 72)}
    path = joined(tmp_path / "film", "mpegts", [pictures(aspect=aspect) for aspect in aspects])

    found = [size for _, size in sizes(path, "scenes")]

    assert found == [heights[aspect] for aspect in aspects for _ in range(10)]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_container_that_tells_the_shape_of_pixels_wins(container: str, tmp_path: Path) -> None:
    """Source: `ffmpeg -i` takes the container's aspect for all frames where there is one."""
    path = write_film(tmp_path / "film", Film(pictures=pictures(aspect=WIDE), container=container))

    assert {size for _, size in sizes(path, "scenes")} == {(114, 64)}


def test_pictures_are_as_large_as_each_is(tmp_path: Path) -> None:
    path = joined(tmp_path / "film", "mpegts", [pictures(), pictures(width=128, height=96)])
    said: dict[str, str] = {}

    options = SamplingOptions(keyframes=True)
    found = [each.size for each in sample_frames(path, options, Limits(), notice=said.__setitem__)]

    told = probe(path, Limits())
    change = "pictures change at 0.400 seconds: size 128x96 instead of 96x64"
    assert found == [(96, 64)] * 2 + [(128, 96)] * 2
    assert (told.width, told.height) == (96, 64)
    assert change in [each.detail for each in told.warnings if each.code == "picture_change"]
    assert said["picture_change"] == change


SIZES = {
    "h264": ("mpegts", pictures()),
    "hevc": ("hevc", pictures(codec="libx265", options={"x265-params": "log-level=none"})),
    "mpeg2": ("mpegts", pictures(codec="mpeg2video", options={})),
    "mjpeg": ("mjpeg", pictures(codec="mjpeg", options={}, pixel_format="yuvj420p")),
}


@pytest.mark.parametrize("way", EVERYTHING)
@pytest.mark.parametrize("clip", SIZES)
def test_limits_of_pixels_hold_on_the_way(clip: str, way: str, tmp_path: Path) -> None:
    container, part = SIZES[clip]
    path = joined(tmp_path / "film", container, [part, replace(part, width=320, height=240)])
    limits = Limits(max_pixels=320 * 240 - 1)

    assert len(list(sample_frames(path, EVERYTHING[way], Limits(max_pixels=320 * 240)))) > 0
    with pytest.raises(MediaLimitPassed, match="pixels"):
        list(sample_frames(path, EVERYTHING[way], limits))
    with pytest.raises(MediaLimitPassed, match="pixels"):
        probe(path, limits)


RED = (200, 60, 40)
RED_OF_601_BY_709 = (212, 72, 37)
"""What becomes of it as BT.601 where it is taken for BT.709 (the equations of ITU-T H.273, 8.3)."""
COLOURS = {
    "full range after limited": (pictures(), pictures(pixel_format="yuvj420p"), RED, RED),
    "limited range after full": (pictures(pixel_format="yuvj420p"), pictures(colours=(1, 1, 6)), RED, RED),
    "709 after 601": (pictures(colours=(1, 1, 6)), pictures(colours=(1, 1, 1)), RED, RED_OF_601_BY_709),
    # A signal of 0.58 is 203 cd/m2 in BT.2100, which are shown as 250 of 255.
    "perceptual quantizer after standard": (
        pictures(colours=(1, 1, 1)),
        pictures(colours=(1, 16, 1)),
        (148,) * 3,
        (250,) * 3,
    ),
}


def colour_at_middle(picture: Picture) -> tuple[int, ...]:
    image = picture.image()
    found = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(found, tuple)
    return found[:3]


@pytest.mark.parametrize("clip", COLOURS)
def test_colours_are_those_each_picture_tells(clip: str, tmp_path: Path) -> None:
    *parts, before, after = COLOURS[clip]
    parts = [replace(part, paint=plain(before)) for part in parts]
    path = joined(tmp_path / "film", "mpegts", parts)

    for way in ("scenes", "keyframes", "every"):
        for picture in sample_frames(path, EVERYTHING[way], Limits()):
            expected = before if picture.instant_seconds < 0.4 else after
            assert colour_at_middle(picture) == pytest.approx(expected, abs=4), (way, picture.instant_seconds)
    assert [each.at_seconds for each in probe(path, Limits()).warnings if each.code == "picture_change"] == [0.4]


TURNS = {
    "rotate=90": ((64, 96), "lower left"),
    "rotate=180": ((96, 64), "lower right"),
    "flip=vertical": ((96, 64), "lower left"),
    "flip=horizontal": ((96, 64), "upper right"),
}
"""Counterclockwise (ITU-T H.264, D.2.27): how large pictures are shown, and where what was in the upper left is."""


@pytest.mark.parametrize("way", ["every", "keyframes", "one"])
@pytest.mark.parametrize("turn", TURNS)
def test_pictures_are_turned_as_each_tells(turn: str, way: str, tmp_path: Path) -> None:
    """A remark of the display's orientation holds for the pictures of its group, not only for that it stands beside."""
    path = write_film(tmp_path / "film", Film(pictures=pictures(paint=corner), container="h264"))
    upright = path.read_bytes()
    path.write_bytes(upright + with_turn(upright, turn))

    found = {
        picture.instant_seconds: (picture.size, bright_corner(picture))
        for picture in sample_frames(path, EVERYTHING[way], Limits())
    }

    lying = (96, 64), "upper left"
    found.pop(0.76, None)  # FFmpeg's filter remarks it of the last picture, too.
    assert found == {at: TURNS[turn] if 0.4 <= at < 0.6 else lying for at in found}
    assert [each.at_seconds for each in probe(path, Limits()).warnings if each.code == "picture_change"] == [0.4, 0.6]


def bright_corner(picture: Picture) -> str:
    image = picture.image().convert("L").resize((2, 2), Image.Resampling.BOX)
    corners = ["upper left", "upper right", "lower left", "lower right"]
    return corners[list(image.tobytes()).index(max(image.tobytes()))]


def corner(number: int, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height))
    image.paste((255, 255, 255), (0, 0, width // 3, height // 3))
    return image


def with_turn(stream: bytes, turn: str) -> bytes:
    with av.open(BytesIO(stream), "r", format="h264") as container:
        film = container.streams.video[0]
        noting = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{turn}", film)
        return b"".join(
            bytes(noted) for packet in container.demux(film) for noted in noting.filter(packet if packet.size else None)
        )


@pytest.mark.parametrize("way", ["scenes", "every", "keyframes"])
def test_a_broadcast_that_turns_wide_is_shown_wide(way: str) -> None:
    """Source: `ffprobe -show_frames`: 24 pictures of 180 x 144 in pixels of 16:15, then 25 of 64:45."""
    found = sizes(CASES / "sar_change.ts", way)

    told = probe(CASES / "sar_change.ts", Limits())
    assert [size for _, size in found] == [(192, 144) if at < 1 else (256, 144) for at, _ in found]
    assert [each.at_seconds for each in told.warnings if each.code == "picture_change"] == [1.0]


@pytest.mark.parametrize("taken", [[0.0, 1.04], [0.96, 1.8]])
def test_a_change_is_told_where_it_is_and_not_where_the_next_picture_is_taken(taken: list[float]) -> None:
    said: dict[str, str] = {}

    list(sample_frames(CASES / "sar_change.ts", SamplingOptions(instants=taken), Limits(), notice=said.__setitem__))

    assert said["picture_change"] == "pictures change at 1.000 seconds: pixel aspect 64:45 instead of 16:15"
