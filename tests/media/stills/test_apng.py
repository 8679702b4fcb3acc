"""Animated PNGs are shown as browsers show them.

Source of what is right: PNG, third edition, sections 4.9 and 11.3.6, and `ffmpeg -f apng`, which shows the same.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from media_analysis.media.stills.animations import read_animation

Colour = tuple[int, int, int, int]
RED, GREEN, BLUE, WHITE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (255, 255, 255, 255)
HALF_BLUE, CLEAR = (0, 0, 255, 128), (0, 0, 0, 0)
SIDE = 8
COLOURED, IN_PALETTE = 6, 3
NONE, BACKGROUND, PREVIOUS = 0, 1, 2
SOURCE, OVER = 0, 1


@dataclass(frozen=True)
class Part:
    """A square of one colour, and what becomes of it."""

    colour: Colour | int
    side: int = SIDE
    place: tuple[int, int] = (0, 0)
    delay: tuple[int, int] = (100, 1000)
    disposal: int = NONE
    blend: int = SOURCE


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


def pixels(colour: Colour | int, side: int) -> bytes:
    pixel = bytes([colour]) if isinstance(colour, int) else bytes(colour)
    return zlib.compress((b"\0" + pixel * side) * side)


def apng(path: Path, parts: Sequence[Part], *, default: Colour | None = None, told: int | None = None) -> Path:
    """Write an animation, whose default image is its first part unless a `default` of its own is given."""
    kind = IN_PALETTE if isinstance(parts[0].colour, int) else COLOURED
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II5B", SIDE, SIDE, 8, kind, 0, 0, 0))
    if kind == IN_PALETTE:
        colours = [RED, GREEN, BLUE]
        content += chunk(b"PLTE", bytes(value for colour in colours for value in colour[:3]))
        content += chunk(b"tRNS", bytes([255, 255, 128]))
    content += chunk(b"acTL", struct.pack(">II", len(parts) if told is None else told, 0))
    if default is not None:
        content += chunk(b"IDAT", pixels(default, SIDE))
    sequence = 0
    for number, part in enumerate(parts):
        control = (sequence, part.side, part.side, *part.place, *part.delay, part.disposal, part.blend)
        content += chunk(b"fcTL", struct.pack(">IIIIIHHBB", *control))
        sequence += 1
        if number == 0 and default is None:
            content += chunk(b"IDAT", pixels(part.colour, part.side))
        else:
            content += chunk(b"fdAT", struct.pack(">I", sequence) + pixels(part.colour, part.side))
            sequence += 1
    path.write_bytes(content + chunk(b"IEND", b""))
    return path


def shown(path: Path) -> list[tuple[float, list[Colour]]]:
    """Return when each frame is shown, and its colours at (0, 0), (3, 3) and (6, 6)."""
    starts = list(read_animation(path, Limits()).starts)
    found = []
    for picture in sample_frames(path, SamplingOptions(instants=starts), Limits()):
        image = picture.image().convert("RGBA")
        found.append((picture.instant_seconds, [image.getpixel((at, at)) for at in (0, 3, 6)]))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("default", [None, WHITE], ids=["one of the frames", "of its own"])
def test_a_default_image_is_a_frame_only_where_it_says_so(default: Colour | None, tmp_path: Path) -> None:
    parts = [Part(RED), Part(GREEN, delay=(200, 1000)), Part(BLUE, delay=(3, 10))]
    path = apng(tmp_path / "three.png", parts, default=default)
    told = probe(path, Limits())

    assert told.frames == 3
    assert told.image is not None
    assert told.image.animated
    assert shown(path) == [(0.0, [RED] * 3), (0.1, [GREEN] * 3), (0.3, [BLUE] * 3)]
    assert read_animation(path, Limits()).duration_seconds == pytest.approx(0.6)


def test_of_one_frame_and_a_default_image_the_frame_is_the_picture(tmp_path: Path) -> None:
    path = apng(tmp_path / "one.png", [Part(RED)], default=WHITE)
    told = probe(path, Limits())

    assert (told.frames, told.image and told.image.animated) == (1, False)
    assert shown(path) == [(0.0, [RED] * 3)]


def test_frames_are_disposed_of_and_blended(tmp_path: Path) -> None:
    parts = [
        Part(RED),
        Part(GREEN, side=4, disposal=BACKGROUND, blend=OVER),
        Part(BLUE, side=4, place=(4, 4)),
        Part(GREEN, side=4, disposal=PREVIOUS),
        Part(HALF_BLUE, side=2, blend=OVER),
    ]

    assert [colours for _, colours in shown(apng(tmp_path / "disposed.png", parts))] == [
        [RED, RED, RED],
        [GREEN, GREEN, RED],
        [CLEAR, CLEAR, BLUE],
        [GREEN, GREEN, BLUE],
        [HALF_BLUE, CLEAR, BLUE],
    ]


def test_what_is_blended_over_opaque_colours_stays_opaque(tmp_path: Path) -> None:
    coloured = apng(tmp_path / "coloured.png", [Part(RED), Part(HALF_BLUE, blend=OVER), Part(HALF_BLUE)])
    in_palette = apng(tmp_path / "palette.png", [Part(0), Part(2, blend=OVER), Part(2)])

    for path in (coloured, in_palette):
        assert [colours[0] for _, colours in shown(path)] == [RED, (127, 0, 128, 255), HALF_BLUE]


def test_the_first_frame_gives_way_to_nothing(tmp_path: Path) -> None:
    path = apng(tmp_path / "first.png", [Part(RED, disposal=PREVIOUS), Part(GREEN, side=4)], default=WHITE)

    assert shown(path)[1][1] == [GREEN, GREEN, CLEAR]


@pytest.mark.parametrize(("delay", "seconds"), [((5, 0), 0.05), ((0, 0), 0.1), ((1, 1000), 0.1), ((1, 50), 0.02)])
def test_delays_are_those_of_browsers(delay: tuple[int, int], seconds: float, tmp_path: Path) -> None:
    """A denominator of 0 is 100; what is shown no longer than 10 ms is shown for 100."""
    path = apng(tmp_path / "delay.png", [Part(RED, delay=delay), Part(GREEN)])

    assert read_animation(path, Limits()).starts[1] == pytest.approx(seconds)


def test_a_profile_and_an_orientation_count_for_every_frame(tmp_path: Path) -> None:
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("RGB", (20, 10), (200, 60, 40)), Image.new("RGB", (20, 10), (60, 200, 40))]
    with Image.open(Path(__file__).parents[1] / "cases" / "p3.png") as image:
        profile = image.info["icc_profile"]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, exif=exif, icc_profile=profile)

    pictures = [
        (picture.size, picture.image().convert("RGB").getpixel((5, 5)))
        for picture in sample_frames(path, SamplingOptions(instants=[0, 0.1]), Limits())
    ]

    assert [size for size, _ in pictures] == [(10, 20)] * 2
    assert pictures[0][1] == pytest.approx((217, 42, 23), abs=2)
    assert (probe(path, Limits()).width, probe(path, Limits()).height) == (10, 20)


def test_frames_that_are_missing_are_said_to_be(tmp_path: Path) -> None:
    path = apng(tmp_path / "short.png", [Part(RED), Part(GREEN)], told=5)
    said: list[str] = []

    pictures = list(sample_frames(path, SamplingOptions(count=2), Limits(), notice=lambda code, _: said.append(code)))

    assert (len(pictures), said) == (2, ["truncated"])


@pytest.mark.parametrize("part", [Part(RED, place=(1, 0)), Part(RED, side=9)])
def test_a_frame_outside_of_the_picture_is_the_end(part: Part, tmp_path: Path) -> None:
    path = apng(tmp_path / "outside.png", [Part(GREEN), part])

    assert read_animation(path, Limits()).broken


def test_any_damage_is_refused_and_nothing_else(tmp_path: Path) -> None:
    content = apng(tmp_path / "whole.png", [Part(RED), Part(GREEN, side=4)], default=WHITE).read_bytes()
    path = tmp_path / "damaged.png"
    for place in range(8, len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            shown(path)
        except (CorruptMedia, MediaLimitPassed):
            continue
