"""A short film to show something with: a sailing boat from dawn to night, with sound."""

import math
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

WIDTH: Final = 1280
HEIGHT: Final = 720
HORIZON: Final = 470
RATE: Final = 24
SECONDS: Final = 6
SOUND_RATE: Final = 24_000
CHUNK: Final = 1024
NOTES_HERTZ: Final = (220.0, 277.2, 329.6, 440.0, 554.4, 659.3, 440.0, 329.6)
SKIES: Final[Sequence[tuple[Colour, Colour]]] = (
    ((38, 34, 84), (244, 148, 118)),
    ((86, 158, 226), (255, 214, 168)),
    ((58, 142, 224), (190, 226, 246)),
    ((92, 118, 200), (255, 196, 120)),
    ((66, 42, 108), (250, 110, 72)),
    ((10, 14, 44), (44, 48, 100)),
)
"""The colours of the sky, above and at the horizon, evenly spaced over the film."""


def make_film(path: Path) -> Path:
    """Write an MP4 of H.264 and AAC, 1280 x 720, and return its path; it takes some seconds of one core."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        container.metadata.update({"title": "A day at sea", "artist": "media-analysis demo"})
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "18", "g": "24"})
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        _encode_sound(container, audio)
        _encode_pictures(container, video)
    return path


def _encode_pictures(container: OutputContainer, stream: VideoStream) -> None:
    for number in range(SECONDS * RATE):
        frame = VideoFrame.from_image(paint(number / (SECONDS * RATE - 1)))  # type: ignore[no-untyped-call]
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _encode_sound(container: OutputContainer, stream: AudioStream) -> None:
    for start in range(0, SECONDS * SOUND_RATE, CHUNK):
        frame = AudioFrame(format="s16", layout="mono", samples=CHUNK)
        frame.planes[0].update(array("h", _samples(start)).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _samples(start: int) -> Iterator[int]:
    """Return a plucked note for each half of a second."""
    half = SOUND_RATE // 2
    for n in range(start, start + CHUNK):
        hertz = NOTES_HERTZ[n // half % len(NOTES_HERTZ)]
        yield round(9_000 * math.exp(-4 * (n % half) / half) * math.sin(math.tau * hertz * n / SOUND_RATE))


def paint(share: float) -> Image.Image:
    """Return the picture at a share of the film, 0 to 1."""
    above, at_horizon = _sky(share)
    night = max(0.0, (share - 0.8) / 0.2)
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    picture.paste(_gradient(above, at_horizon, HORIZON))
    if night:
        _draw_stars(picture, above, night)
    _draw_sun(picture, share)
    _draw_clouds(picture, share, night)
    _draw_hills(picture, at_horizon, share)
    _draw_sea(picture, above, at_horizon, share)
    _draw_boat(picture, share, night)
    return picture


def _sky(share: float) -> tuple[Colour, Colour]:
    place = share * (len(SKIES) - 1)
    index = min(int(place), len(SKIES) - 2)
    (above, below), (next_above, next_below) = SKIES[index], SKIES[index + 1]
    return _mix(above, next_above, place - index), _mix(below, next_below, place - index)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _gradient(above: Colour, below: Colour, height: int) -> Image.Image:
    column = Image.composite(Image.new("RGB", (1, height), below), Image.new("RGB", (1, height), above), _ramp(height))
    return column.resize((WIDTH, height), Image.Resampling.NEAREST)


@cache
def _ramp(height: int) -> Image.Image:
    return Image.linear_gradient("L").resize((1, height))


@cache
def _stars() -> Sequence[tuple[int, int, int]]:
    chance = Random(4)  # noqa: S311 - a picture, no secret
    return [(chance.randrange(WIDTH), chance.randrange(HORIZON - 60), chance.choice((1, 1, 2))) for _ in range(150)]


def _draw_stars(picture: Image.Image, sky: Colour, night: float) -> None:
    draw = ImageDraw.Draw(picture)
    for x, y, size in _stars():
        draw.ellipse((x, y, x + size, y + size), fill=_mix(sky, (255, 255, 255), night))


@cache
def _glow(radius: int, colour: Colour) -> Image.Image:
    side = 6 * radius
    disc = Image.new("RGBA", (side, side), (*colour, 0))
    ImageDraw.Draw(disc).ellipse((2 * radius, 2 * radius, 4 * radius, 4 * radius), fill=(*colour, 150))
    halo = disc.filter(ImageFilter.GaussianBlur(radius / 2))
    ImageDraw.Draw(halo).ellipse((2 * radius, 2 * radius, 4 * radius, 4 * radius), fill=(*colour, 255))
    return halo


def _draw_sun(picture: Image.Image, share: float) -> None:
    """Let the sun rise and set, and the moon follow."""
    for radius, colour, place in ((62, (255, 236, 170), share / 0.86), (38, (236, 240, 255), (share - 0.74) / 0.6)):
        disc = _glow(radius, colour)
        x = round(WIDTH * (0.06 + 0.88 * place)) - disc.width // 2
        y = round(HORIZON + 30 - 400 * math.sin(math.pi * place)) - disc.height // 2
        if -disc.height < y < HORIZON and place > 0:
            picture.paste(disc, (x, y), disc)


@cache
def _cloud() -> Image.Image:
    cloud = Image.new("RGBA", (720, 240), (255, 255, 255, 0))
    draw = ImageDraw.Draw(cloud)
    for x, y, radius in ((160, 140, 70), (270, 100, 92), (400, 110, 84), (510, 145, 66)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255, 210))
    draw.rounded_rectangle((90, 140, 580, 212), 36, fill=(255, 255, 255, 210))
    return cloud.filter(ImageFilter.GaussianBlur(7))


def _draw_clouds(picture: Image.Image, share: float, night: float) -> None:
    for offset, y, size in ((0.05, 70, 0.62), (0.5, 150, 0.42), (0.85, 40, 0.5)):
        cloud = _sized_cloud(size)
        x = round((offset + 0.35 * share) % 1.25 * (WIDTH + cloud.width)) - cloud.width
        faded = cloud.getchannel("A").point([round(value * (0.85 - 0.7 * night)) for value in range(256)])
        picture.paste(cloud, (x, y), faded)


@cache
def _sized_cloud(size: float) -> Image.Image:
    whole = _cloud()
    return whole.resize((round(whole.width * size), round(whole.height * size)))


@cache
def _ridge(seed: int, height: int) -> Image.Image:
    """Return the mask of a row of hills, smooth at its edge."""
    mask = Image.new("L", (2 * WIDTH, 2 * height), 0)
    waves = [(seed * 0.7 + wave, 1.0 / (wave + 1)) for wave in range(4)]
    outline = [
        (x, height * (1.1 - sum(part * math.sin(x / WIDTH * (3 + 2.3 * phase) + phase) for phase, part in waves) / 2.6))
        for x in range(0, 2 * WIDTH + 1, 8)
    ]
    ImageDraw.Draw(mask).polygon([(0, 2 * height), *outline, (2 * WIDTH, 2 * height)], fill=255)
    return mask.resize((WIDTH, height))


def _draw_hills(picture: Image.Image, at_horizon: Colour, share: float) -> None:
    dark = 0.35 + 0.5 * abs(2 * share - 0.9)
    for seed, height, base in ((1, 130, (96, 118, 150)), (5, 84, (58, 86, 108))):
        colour = _mix(_mix(base, (16, 18, 44), min(1.0, dark)), at_horizon, 0.25)
        picture.paste(colour, (0, HORIZON - height), _ridge(seed, height))


def _draw_sea(picture: Image.Image, above: Colour, at_horizon: Colour, share: float) -> None:
    near, far = _mix(above, (8, 26, 60), 0.55), _mix(at_horizon, (30, 70, 110), 0.5)
    picture.paste(_gradient(far, near, HEIGHT - HORIZON), (0, HORIZON))
    draw, glint = ImageDraw.Draw(picture), _mix(far, (255, 255, 255), 0.35)
    for row in range(14):
        y = HORIZON + 8 + row * row * 1.25
        for column in range(9):
            phase = row * 2.4 + column * 1.7
            x = (column * 157 + row * 61 + 60 * math.sin(6 * share + phase)) % (WIDTH + 120) - 60
            length = (10 + 5 * row) * (0.6 + 0.4 * math.sin(9 * share + phase))
            draw.line((x - length, y, x + length, y), fill=glint, width=1 + row // 6)


@cache
def _boat() -> Image.Image:
    boat = Image.new("RGBA", (880, 920), (0, 0, 0, 0))
    draw = ImageDraw.Draw(boat)
    draw.polygon([(452, 40), (452, 660), (760, 660)], fill=(250, 246, 236, 255))
    draw.polygon([(428, 120), (428, 660), (170, 660)], fill=(226, 92, 74, 255))
    draw.rectangle((434, 30, 446, 720), fill=(92, 62, 44, 255))
    draw.polygon([(446, 30), (446, 84), (540, 57)], fill=(244, 192, 64, 255))
    draw.polygon([(110, 710), (790, 710), (680, 850), (220, 850)], fill=(120, 62, 46, 255))
    draw.polygon([(110, 710), (790, 710), (770, 742), (132, 742)], fill=(240, 232, 216, 255))
    return boat.resize((220, 230))


def _draw_boat(picture: Image.Image, share: float, night: float) -> None:
    swing = math.sin(share * 28)
    boat = _boat().rotate(3.2 * swing, resample=Image.Resampling.BILINEAR)
    x, y = round(-60 + (WIDTH - 100) * share), round(HORIZON - 96 + 7 * math.cos(share * 28))
    shade = Image.new("RGB", boat.size, (12, 14, 40))
    darkened = Image.blend(boat.convert("RGB"), shade, 0.15 + 0.55 * night)
    picture.paste(darkened, (x, y), boat.getchannel("A"))
