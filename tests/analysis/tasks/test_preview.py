"""Preview tasks: what is shown of a file before it is played."""

import json
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_analysis.analysis.documents import PreviewDocument
from media_analysis.errors.media import CorruptMedia
from media_analysis.storage.category import Category
from tests.analysis.tasks.collecting import Collected, run
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound
from tests.media.pictures import numbered, read_number

OF_FILMS = ["poster", "hover", "storyboard", "storyboard_vtt", "storyboard_json"]
CUE = re.compile(r"(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\n")


def roles(collected: Collected) -> list[str]:
    return [product.role for product, _ in collected.products]


def codes(collected: Collected) -> list[str]:
    return [code for code, _ in collected.warnings]


def document_of(collected: Collected, at: int = 0) -> dict[str, Any]:
    found = collected.documents("preview")[at]
    PreviewDocument.model_validate(found)
    return found


def board_of(collected: Collected, at: int = 0) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(collected.of_role("storyboard_json")[at][1])
    return board


def tiles_of(collected: Collected, at: int = 0) -> list[Image.Image]:
    """Cut the sprites into their pictures, as the list says where they are."""
    board = board_of(collected, at)
    sprites = {
        f"../{{storyboard/{product.ordinal}}}/content": sprite
        for (product, _), sprite in zip(collected.of_role("storyboard"), collected.pictures("storyboard"), strict=True)
    }
    size = board["tile_width"], board["tile_height"]
    return [
        sprites[tile["sprite"]].crop((tile["x"], tile["y"], tile["x"] + size[0], tile["y"] + size[1]))
        for tile in board["tiles"]
    ]


def waveform_of(collected: Collected, at: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(collected.of_role("waveform")[at][1])
    assert found["length"] == len(found["data"]) // 2
    return found


def test_a_film_with_sound_has_all_of_it_and_its_document_says_what() -> None:
    collected = run("preview", clips.with_sound())

    document = document_of(collected)
    assert roles(collected) == [*OF_FILMS, "waveform"]
    assert {product.category for product, _ in collected.products} == {Category.FRAMES}
    assert {product.source for product, _ in collected.products} == {0}
    assert [product.filename for product, _ in collected.products][2:] == [
        "sound-storyboard-000.jpg",
        "sound-storyboard.vtt",
        "sound-storyboard.json",
        "sound-waveform.json",
    ]
    assert [product.role for product, _ in collected.products if product.refers] == [
        "storyboard_vtt",
        "storyboard_json",
    ]
    poster, hover = collected.pictures("poster")[0], collected.pictures("hover")[0]
    assert (poster.format, poster.size) == ("JPEG", (document["poster"]["width"], document["poster"]["height"]))
    assert (hover.format, hover.n_frames) == ("WEBP", document["hover"]["frames"])  # type: ignore[attr-defined]
    assert document["waveform"]["size_bytes"] == len(collected.of_role("waveform")[0][1])
    assert document["warnings"] == []


def test_each_tile_shows_the_keyframe_from_which_its_cue_begins() -> None:
    collected = run("preview", clips.h264(), format="webp")

    board, tiles = board_of(collected), tiles_of(collected)
    numbers = [read_number(tile) for tile in tiles]
    assert numbers == [0, 24, 36, 48]
    assert [tile["instant_seconds"] for tile in board["tiles"]] == [number / 25 for number in numbers]
    assert [tile["start_seconds"] for tile in board["tiles"]] == [number / 25 for number in numbers]
    assert all(one["end_seconds"] == other["start_seconds"] for one, other in pairwise(board["tiles"]))
    assert board["tiles"][-1]["end_seconds"] == 2.0


def test_webvtt_says_the_same_as_json() -> None:
    collected = run("preview", clips.h264())

    ((product, content),) = collected.of_role("storyboard_vtt")
    text, board = content.decode(), board_of(collected)
    assert product.media_type == "text/vtt"
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.960\n../{storyboard/0}/content#xywh=0,0,192,128\n")
    cues = CUE.findall(text)
    assert [(address, int(x), int(y)) for _, _, address, x, y, _, _ in cues] == [
        (tile["sprite"], tile["x"], tile["y"]) for tile in board["tiles"]
    ]
    assert {(int(width), int(height)) for *_, width, height in cues} == {(board["tile_width"], board["tile_height"])}


def test_a_short_film_with_too_few_keyframes_is_shown_by_other_frames() -> None:
    one_key = clips.film("one-key.mp4", Film(pictures=Pictures(keyframe_every=250)))

    collected = run("preview", one_key)

    assert [read_number(tile) for tile in tiles_of(collected)] == [0, 12, 25, 37]


def test_however_long_a_film_is_its_tiles_are_as_many_as_asked() -> None:
    collected = run("preview", clips.h264(), every_seconds=0.1, max_tiles=2)

    assert [read_number(tile) for tile in tiles_of(collected)] == [0, 36]
    assert document_of(collected)["storyboard"]["longest_seconds"] == 1.44


def test_sprites_of_all_sources_are_numbered_through_and_the_rest_is_of_its_source() -> None:
    collected = run("preview", clips.h264(), clips.audio("flac"), clips.vp9())

    ordinals = [(product.role, product.ordinal, product.source) for product, _ in collected.products]
    assert [place for place in ordinals if place[0] == "storyboard"] == [("storyboard", 0, 0), ("storyboard", 1, 2)]
    assert [place for place in ordinals if place[0] == "poster"] == [("poster", 0, 0), ("poster", 2, 2)]
    assert ("waveform", 1, 1) in ordinals
    assert len(set(ordinals)) == len(ordinals)
    assert board_of(collected, 1)["tiles"][0]["sprite"] == "../{storyboard/1}/content"
    assert [source for _, _, source in collected.results] == [0, 1, 2]
    assert document_of(collected, 2)["storyboard"]["first_ordinal"] == 1


def test_a_silent_film_has_no_waveform_and_is_said_to_have_no_sound() -> None:
    collected = run("preview", clips.h264())

    assert roles(collected) == OF_FILMS
    assert document_of(collected)["waveform"] is None
    assert codes(collected) == ["no_sound"]


@pytest.mark.parametrize("extension", ["m4a", "mp3", "flac", "wav", "opus"])
def test_sound_alone_has_a_waveform_alone(extension: str) -> None:
    collected = run("preview", clips.audio(extension))

    waveform, told = waveform_of(collected), document_of(collected)["waveform"]
    assert roles(collected) == ["waveform"]
    assert codes(collected) == ["no_pictures"]
    assert {name: waveform[name] for name in ("version", "channels", "bits")} == {
        "version": 2,
        "channels": 1,
        "bits": 8,
    }
    assert {name: waveform[name] for name in told if name != "size_bytes"} == {
        name: value for name, value in told.items() if name != "size_bytes"
    }
    assert waveform["length"] == pytest.approx(2.0 * waveform["sample_rate"] / 512, abs=4)
    middle = waveform["data"][len(waveform["data"]) // 2 :][:2]
    assert middle == [pytest.approx(-31, abs=2), pytest.approx(31, abs=2)]


def test_a_cover_makes_no_film_of_a_song() -> None:
    assert roles(run("preview", clips.audio_with_cover())) == ["waveform"]


def test_a_still_image_has_a_poster_alone(tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    numbered(7, 2_000, 1_500).save(still)

    collected = run("preview", still)

    (poster,) = collected.pictures("poster")
    assert roles(collected) == ["poster"]
    assert (read_number(poster), poster.size) == (7, (1_280, 960))
    assert document_of(collected)["poster"]["instant_seconds"] is None
    assert collected.warnings == []


def test_the_poster_is_no_black_picture_where_there_is_another() -> None:
    def paint(number: int, width: int, height: int) -> Image.Image:
        return numbered(number, width, height) if 13 < number < 20 else Image.new("RGB", (width, height))

    film = clips.film("dark_first_cell.mp4", Film(pictures=Pictures(keyframe_every=5, paint=paint)))

    collected = run("preview", film)

    (poster,) = collected.pictures("poster")
    assert read_number(poster) == 15
    assert document_of(collected)["poster"]["instant_seconds"] == 0.6


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_portrait_stands_upright_and_is_no_higher_than_tiles_are_wide(degrees: int) -> None:
    collected = run("preview", clips.turned(degrees), tile_width=120, hover_width=90)

    assert {tile.size for tile in tiles_of(collected)} == {(80, 120)}
    assert read_number(tiles_of(collected)[0]) == 0
    assert [picture.size for picture in collected.pictures("hover")] == [(60, 90)]
    assert read_number(collected.pictures("poster")[0]) >= 0


def test_cues_follow_the_player_where_pictures_begin_behind_the_sound() -> None:
    instants = [1_000 + 40 * number for number in range(25)]
    pictures = Pictures(instants=instants, rate=Fraction(25), time_base=Fraction(1, 1_000), keyframe_every=13)
    film = clips.film("late-pictures.mkv", Film(pictures=pictures, sound=Sound()))

    tiles = board_of(run("preview", film))["tiles"]

    assert [tile["instant_seconds"] for tile in tiles] == [0.0, 0.52]
    assert [tile["start_seconds"] for tile in tiles] == [0.0, pytest.approx(1.52, abs=0.03)]


def test_what_breaks_off_is_shown_as_far_as_it_goes() -> None:
    collected = run("preview", clips.truncated_matroska())

    assert "truncated" in codes(collected)
    numbers = [read_number(tile) for tile in tiles_of(collected)]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], len(numbers)) == (0, document_of(collected)["storyboard"]["tiles"])


def test_one_frame_makes_one_tile_and_no_animation() -> None:
    collected = run("preview", clips.film("one.mp4", Film(pictures=Pictures(count=1))))

    assert [read_number(tile) for tile in tiles_of(collected)] == [0]
    assert document_of(collected)["hover"] is None


def test_varying_rates_move_no_cue() -> None:
    tiles = board_of(run("preview", clips.variable_frame_rate()))["tiles"]

    told = {milliseconds / 1_000 for milliseconds in clips.VARIABLE_MILLISECONDS}
    assert {tile["instant_seconds"] for tile in tiles} <= told
    assert [tile["start_seconds"] for tile in tiles] == sorted({tile["start_seconds"] for tile in tiles})


def test_what_neither_shows_nor_sounds_is_refused(tmp_path: Path) -> None:
    silence = tmp_path / "nothing.wav"
    silence.write_bytes(clips.audio("wav").read_bytes()[:80])

    with pytest.raises(CorruptMedia):
        run("preview", silence)


def test_a_film_whose_pictures_nothing_decodes_has_the_waveform_of_its_sound(tmp_path: Path) -> None:
    strange = tmp_path / "strange.mp4"
    strange.write_bytes(clips.with_sound().read_bytes().replace(b"avc1", b"zzz1"))

    collected = run("preview", strange)

    assert roles(collected) == ["waveform"]
    assert codes(collected) == ["no_pictures"]
