"""Storyboards: how tiles lie on sprites, and when each is shown."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media_analysis.media.storyboard import MOST_SIDE, Cue, Storyboard, Tile, as_vtt

COLOURS = [(10 * number, 255 - 10 * number, 40) for number in range(25)]


def board(size: tuple[int, int], count: int) -> tuple[Storyboard, list[Image.Image]]:
    sprites: list[Image.Image] = []
    made = Storyboard(finished=sprites.append)
    for number in range(count):
        made.add(Image.new("RGB", size, COLOURS[number % len(COLOURS)]), float(number))
    made.finish()
    return made, sprites


def test_every_tile_is_where_it_is_told_and_the_last_sprite_is_cut_to_its_tiles() -> None:
    made, sprites = board((600, 900), 25)

    assert (made.columns, made.rows, made.sprites) == (6, 4, 2)
    assert [sprite.size for sprite in sprites] == [(3_600, 3_600), (600, 900)]
    shown = [sprites[tile.sprite].getpixel((tile.left + 299, tile.top + 450)) for tile in made.tiles]
    assert shown == COLOURS


def test_no_sprite_is_larger_than_browsers_take() -> None:
    for size in ((640, 640), (640, 2), (1, 640), (33, 640)):
        _, sprites = board(size, 101)

        assert all(max(sprite.size) <= MOST_SIDE for sprite in sprites)


def test_a_picture_of_another_shape_fits_into_its_tile() -> None:
    sprites: list[Image.Image] = []
    made = Storyboard(finished=sprites.append)

    made.add(Image.new("RGB", (160, 90), "white"), 0.0)
    made.add(Image.new("RGB", (90, 160), "red"), 1.0)
    made.finish()

    (sprite,) = sprites
    assert sprite.size == (320, 90)
    assert [sprite.getpixel((x, 45)) for x in (161, 240, 318)] == [(0, 0, 0), (255, 0, 0), (0, 0, 0)]


@given(st.lists(st.floats(0, 86_400), min_size=1, max_size=50, unique=True), st.floats(0, 3_600), st.floats(0, 90_000))
def test_cues_lie_end_to_end_from_the_beginning(instants: list[float], begin: float, end: float) -> None:
    made = Storyboard(finished=lambda _sprite: None)
    for instant in sorted(instants):
        made.add(Image.new("RGB", (1, 1)), instant)

    cues = made.cues(begin_seconds=begin, end_seconds=end)

    assert cues[0].start_seconds == 0
    assert all(one.end_seconds == other.start_seconds for one, other in pairwise(cues))
    assert cues[-1].end_seconds > cues[-1].start_seconds


def test_hours_have_as_many_digits_as_they_need_and_no_cue_is_empty() -> None:
    tile = Tile(0, 0, 0, 0.0)
    cues = [Cue(tile, 0.0, 0.0004), Cue(tile, 3_599.9996, 360_000.5)]

    text = as_vtt(cues, (16, 9), str)

    assert text == "WEBVTT\n\n01:00:00.000 --> 100:00:00.500\n0#xywh=0,0,16,9\n"
