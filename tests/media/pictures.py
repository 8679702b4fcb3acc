"""Pictures that say which frame they are and which way is up, also after lossy codecs and shrinking."""

from typing import Final

from PIL import Image

COLUMNS: Final = 4
ROWS: Final = 4
MARKERS: Final = ((230, 30, 30), (30, 230, 30), (30, 30, 230), (230, 230, 30))
"""The top row from left to right: red, green, blue, yellow; below it twelve bits, most significant first."""
DARK: Final = (16, 16, 16)
LIGHT: Final = (235, 235, 235)


def numbered(number: int, width: int, height: int) -> Image.Image:
    """Draw a frame's number, 0 to 4095, as black and white blocks under a row of four colours."""
    bits = [(number >> shift) & 1 for shift in range(11, -1, -1)]
    tiny = Image.new("RGB", (COLUMNS, ROWS))
    tiny.putdata([*MARKERS, *(LIGHT if bit else DARK for bit in bits)])
    return tiny.resize((width, height), Image.Resampling.NEAREST)


def read_number(picture: Image.Image) -> int:
    """Read the number drawn by `numbered`; fails where the picture does not stand upright."""
    tiny = [_middle(picture, column, row) for row in range(ROWS) for column in range(COLUMNS)]
    assert [_channels(colour) for colour in tiny[:COLUMNS]] == ["r", "g", "b", "rg"], f"not upright: {tiny[:COLUMNS]}"
    return int("".join("1" if sum(colour) > 384 else "0" for colour in tiny[COLUMNS:]), 2)


def _middle(picture: Image.Image, column: int, row: int) -> tuple[int, ...]:
    width, height = picture.width / COLUMNS, picture.height / ROWS
    box = (
        round((column + 0.35) * width),
        round((row + 0.35) * height),
        round((column + 0.65) * width),
        round((row + 0.65) * height),
    )
    colour = picture.convert("RGB").crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(colour, tuple)
    return tuple(int(channel) for channel in colour)


def _channels(colour: tuple[int, ...]) -> str:
    return "".join(name for name, value in zip("rgb", colour, strict=True) if value > max(colour) / 2)
