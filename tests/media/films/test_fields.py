"""Pictures of two fields: each is shown as its first field, whole, whichever way it is taken."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_analysis.media.facts import FieldOrder
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Deinterlace, Limits, SamplingOptions
from media_analysis.media.probe import probe
from tests.analysis.tasks.collecting import cells, run
from tests.media.encoding import Film, Pictures, write_film

CASES = Path(__file__).parents[1] / "cases"
LINES = range(8, 56)
"""What is looked at of 64: borders are guesses."""
WAYS = {
    "every": SamplingOptions(every_seconds=0.04),
    "keyframes": SamplingOptions(keyframes=True),
    "instants": SamplingOptions(instants=[0.2, 0.36]),
}
CODERS: dict[str, dict[str, Any]] = {
    "h264 top": {"options": {"x264-params": "tff=1:log=-1", "crf": "5"}},
    "h264 bottom": {"options": {"x264-params": "bff=1:log=-1", "crf": "5"}},
    "mpeg2 top": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "20M"}},
    "prores bottom": {"codec": "prores_ks", "pixel_format": "yuv422p10le", "options": {"flags": "+ildct"}},
}


def bar_at(moment: int) -> int:
    """Return the column of a bar of eight pixels that moves eight with each field."""
    return 16 + 8 * (moment % 18)


def woven(top_first: bool) -> Any:  # noqa: FBT001 - a fact of the film
    """Paint pictures whose two fields are taken one after the other."""

    def paint(number: int, width: int, height: int) -> Image.Image:
        image = Image.new("RGB", (width, height))
        for line in range(height):
            at = bar_at(2 * number + (line % 2 == (1 if top_first else 0)))
            image.paste((255, 255, 255), (at, line, at + 8, line + 1))
        return image

    return paint


def interlaced(path: Path, coder: str, **changes: Any) -> Path:
    usual: dict[str, Any] = {"width": 192, "height": 64, "count": 12, "keyframe_every": 5} | CODERS[coder] | changes
    fields = "tff" if coder.endswith("top") else "bff"
    return write_film(path, Film(pictures=Pictures(paint=woven(fields == "tff"), **{"fields": fields, **usual})))


def columns(image: Image.Image) -> set[int]:
    """Return where the bar stands, of all lines, to the nearest eighth pixel."""
    bright = image.convert("L").point(lambda level: 255 * (level > 127))
    lines = [bright.crop((0, line, bright.width, line + 1)).getbbox() for line in LINES]
    return {8 * round(box[0] / 8) for box in lines if box is not None}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("coder", CODERS)
def test_a_picture_shows_its_first_field_whole(coder: str, way: str, tmp_path: Path) -> None:
    path = interlaced(tmp_path / "film.mov", coder)

    auto = list(sample_frames(path, WAYS[way], Limits()))
    never = list(sample_frames(path, WAYS[way].model_copy(update={"deinterlace": Deinterlace.NEVER}), Limits()))

    numbers = [round(picture.instant_seconds * 25) for picture in auto]
    assert [columns(picture.image()) for picture in auto] == [{bar_at(2 * number)} for number in numbers]
    assert [columns(picture.image()) for picture in never] == [
        {bar_at(2 * number), bar_at(2 * number + 1)} for number in numbers
    ]
    assert [picture.instant_seconds for picture in never] == [picture.instant_seconds for picture in auto]


@pytest.mark.parametrize("coder", CODERS)
def test_the_probe_tells_the_order_of_fields(coder: str, tmp_path: Path) -> None:
    told = probe(interlaced(tmp_path / "film.mov", coder), Limits())

    assert (told.interlaced, told.field_order) == (True, "tt" if coder.endswith("top") else "bb")


def test_the_probe_tells_what_second_opinions_tell() -> None:
    """Source: `ffprobe -show_streams`, and `ffprobe -show_frames` for DV, whose headers tell none."""
    names = {
        "interlaced.mpg": FieldOrder.TOP_TOP,
        "x.dv": FieldOrder.BOTTOM_BOTTOM,
        "x.vob": FieldOrder.PROGRESSIVE,
    }

    assert {name: probe(CASES / name, Limits()).field_order for name in names} == names


def test_only_pictures_that_are_flagged_are_deinterlaced(tmp_path: Path) -> None:
    """A film whose second half is of whole pictures keeps every line of them."""
    parts = [interlaced(tmp_path / f"{number}.ts", "h264 top", **changes) for number, changes in enumerate(({}, WHOLE))]
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))

    found = [len(columns(picture.image())) for picture in sample_frames(path, WAYS["every"], Limits())]

    assert found == [1] * 12 + [2] * 12


WHOLE = {"fields": None, "options": {"x264-params": "log=-1", "crf": "5"}}


@pytest.mark.parametrize(("option", "bars"), [({}, 1), ({"deinterlace": "never"}, 2)])
@pytest.mark.parametrize("kind", ["frames", "contact_sheet", "analyze"])
def test_all_kinds_that_draw_films_take_the_option(
    kind: str, option: dict[str, str], bars: int, tmp_path: Path
) -> None:
    path = interlaced(tmp_path / "film.mov", "h264 top")
    asked: dict[str, Any] = option | (
        {} if kind == "frames" else {"thumbnail_width": 192, "sheet_format": "png", "timestamps": False}
    )
    asked |= {} if kind == "contact_sheet" else {"every_seconds": 0.04, "format": "png"}

    collected = run(kind, path, **asked)

    drawn = collected.pictures("frame") if kind != "contact_sheet" else []
    if kind != "frames":
        (sheet,), (document,) = collected.pictures("contact_sheet"), collected.documents("contact_sheet")
        drawn += cells(sheet, document)
    assert {len(columns(picture)) for picture in drawn} == {bars}
