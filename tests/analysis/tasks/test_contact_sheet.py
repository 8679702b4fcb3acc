"""Contact sheet tasks."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_analysis.analysis.documents import ContactSheetDocument
from media_analysis.errors.media import NoPictures
from media_analysis.storage.category import Category
from tests.analysis.tasks.collecting import Collected, cells, run
from tests.media import clips
from tests.media.images import CASES
from tests.media.pictures import numbered, read_number


def numbers(collected: Collected, at: int = 0) -> list[int]:
    sheet, document = collected.pictures("contact_sheet")[at], collected.documents("contact_sheet")[at]
    return [read_number(cell) for cell in cells(sheet, document)]


@pytest.fixture
def stills(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"still {number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        numbered(number, 96, 64).save(path)
    return paths


def test_a_sheet_shows_sixteen_evenly_spaced_pictures_unless_asked_otherwise() -> None:
    collected = run("contact_sheet", clips.h264(), timestamps=False)

    shown = numbers(collected)
    (document,) = collected.documents("contact_sheet")
    assert len(shown) == 16
    assert shown == sorted(set(shown))
    assert shown[-1] - shown[0] > 40
    assert max(after - before for before, after in pairwise(shown)) <= 4
    assert (document["columns"], document["rows"]) == (4, 4)
    assert [picture["instant_seconds"] for picture in document["pictures"]] == pytest.approx(
        [number / 25 for number in shown], abs=1e-3
    )


def test_the_product_and_its_document_agree() -> None:
    collected = run("contact_sheet", clips.h264(), columns=3, rows=2, sheet_format="png", thumbnail_width=128)

    ((product, content),) = collected.of_role("contact_sheet")
    ((kind, document, source),) = collected.results
    (sheet,) = collected.pictures("contact_sheet")
    assert (product.category, product.ordinal, product.source) == (Category.CONTACT_SHEETS, 0, 0)
    assert (product.filename, product.media_type) == ("h264-contact-sheet.png", "image/png")
    assert (kind, source, sheet.format) == ("contact_sheet", 0, "PNG")
    assert (document["width"], document["height"]) == sheet.size
    assert (document["columns"], document["rows"], document["thumbnail_width"]) == (3, 2, 128)
    assert document["size_bytes"] == len(content)
    assert len(ContactSheetDocument.model_validate(document).pictures) == 6


def test_instants_are_shown_where_they_are_given() -> None:
    collected = run("contact_sheet", clips.h264(), instants=[0.4, 0.8, 1.2], timestamps=False)

    (document,) = collected.documents("contact_sheet")
    assert numbers(collected) == [10, 20, 30]
    assert (document["columns"], document["rows"]) == (3, 1)


def test_more_instants_than_the_grid_holds_are_thinned_out_evenly() -> None:
    instants = [number / 25 for number in range(0, 50, 2)]

    collected = run("contact_sheet", clips.h264(), instants=instants, columns=3, rows=1, timestamps=False)

    assert numbers(collected) == [0, 24, 48]


def test_a_frame_is_shown_once() -> None:
    collected = run("contact_sheet", clips.ultra_hd(), timestamps=False)

    assert numbers(collected) == [0, 1]


@pytest.mark.parametrize("degrees", [90, -90])
def test_a_portrait_stands_upright_in_upright_cells(degrees: int) -> None:
    collected = run("contact_sheet", clips.turned(degrees), columns=2, rows=2, timestamps=False)

    (document,) = collected.documents("contact_sheet")
    assert len(numbers(collected)) == 4
    assert (document["thumbnail_width"], document["thumbnail_height"]) == (320, 480)


def test_each_video_has_its_sheet_at_its_position() -> None:
    collected = run("contact_sheet", clips.h264(), clips.vp9(), columns=2, rows=1)

    products = [product for product, _ in collected.of_role("contact_sheet")]
    assert [(product.ordinal, product.source, product.filename) for product in products] == [
        (0, 0, "h264-contact-sheet.jpg"),
        (1, 1, "vp9-contact-sheet.jpg"),
    ]


def test_still_images_share_one_sheet(stills: list[Path]) -> None:
    collected = run("contact_sheet", stills[0], clips.h264(), *stills[1:], timestamps=False)

    products = [product for product, _ in collected.of_role("contact_sheet")]
    assert [(product.ordinal, product.source) for product in products] == [(1, 1), (0, None)]
    assert numbers(collected, at=1) == list(range(7))
    document = collected.documents("contact_sheet")[1]
    assert [picture["source"] for picture in document["pictures"]] == [0, 2, 3, 4, 5, 6, 7]
    assert {picture["instant_seconds"] for picture in document["pictures"]} == {None}
    assert (document["columns"], document["rows"]) == (4, 2)


def test_a_still_is_shown_once_whatever_instants_are_asked(stills: list[Path]) -> None:
    collected = run("contact_sheet", *stills[:3], instants=[0.1, 0.5, 2.0], timestamps=False)

    assert numbers(collected) == [0, 1, 2]


def test_more_stills_than_the_grid_holds_are_thinned_out_evenly(stills: list[Path]) -> None:
    collected = run("contact_sheet", *stills, columns=2, rows=2, timestamps=False)

    assert numbers(collected) == [0, 2, 4, 6]


def test_one_still_image_has_a_sheet_of_its_own(stills: list[Path]) -> None:
    collected = run("contact_sheet", stills[3], timestamps=False)

    ((product, _),) = collected.of_role("contact_sheet")
    assert (product.source, product.filename) == (0, "still_3-contact-sheet.jpg")
    assert numbers(collected) == [3]


def test_names_and_instants_are_written_unless_refused(stills: list[Path]) -> None:
    for paths in ([clips.h264()], stills[:1]):
        written, plain = (
            run("contact_sheet", *paths, columns=1, rows=1, timestamps=timestamps, sheet_format="png")
            for timestamps in (True, False)
        )
        assert written.pictures("contact_sheet")[0].tobytes() != plain.pictures("contact_sheet")[0].tobytes()


def test_a_sheet_without_header_is_its_grid() -> None:
    collected = run("contact_sheet", clips.h264(), columns=2, rows=1, header=False, timestamps=False)

    (sheet,), (document,) = collected.pictures("contact_sheet"), collected.documents("contact_sheet")
    assert len({read_number(cell) for cell in cells(sheet, document, header=False)}) == 2
    assert sheet.height == document["thumbnail_height"] + 40


def test_a_truncated_video_shows_what_decodes() -> None:
    collected = run("contact_sheet", clips.truncated(), timestamps=False)

    (document,) = collected.documents("contact_sheet")
    shown = numbers(collected)
    assert len(shown) > 1
    assert shown == sorted(set(shown))
    assert "truncated" in {remark["code"] for remark in document["warnings"]}


def test_a_video_that_tells_no_duration_is_spread_over_all_the_same() -> None:
    shown = numbers(run("contact_sheet", clips.no_duration(), columns=3, rows=2, timestamps=False))

    assert len(shown) == 6
    assert shown[0] < 10
    assert shown[-1] > 40


def test_sound_alone_has_no_sheet() -> None:
    with pytest.raises(NoPictures):
        run("contact_sheet", clips.audio("mp3"))


def test_any_name_may_stand_above_a_sheet() -> None:
    for name in ("\u202e\ud800\x00.mp4", "東京タワー\N{CLAPPER BOARD}.mp4", "x" * 255):
        collected = run("contact_sheet", clips.h264(), names=[name], columns=1, rows=1)
        assert len(collected.products) == 1


@pytest.mark.parametrize("name", ["bikes", "bigbuckbunny", "carphone_pristine"])
def test_real_videos_have_good_sheets(name: str) -> None:
    collected = run("contact_sheet", clips.sample(name))

    (sheet,), (document,) = collected.pictures("contact_sheet"), collected.documents("contact_sheet")
    assert len(document["pictures"]) == 16
    assert len({cell.resize((8, 8)).tobytes() for cell in cells(sheet, document)}) == 16
    assert max(sheet.size) < 1_500


def test_the_sheet_is_the_last_stage() -> None:
    collected = run("contact_sheet", clips.h264(), clips.vp9())

    assert collected.stages == ["probing", "decoding", "sheet"]
    assert [step[2:] for step in collected.steps if step[1] == "sheet"] == [
        (0, 2),
        (1, 2),
        (1, 2),
        (2, 2),
        (None, None),
    ]
    shares = [step[0] for step in collected.steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_pictures_on_sheets_are_not_larger_than_asked(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    Image.new("RGB", (4_000, 3_000), (10, 90, 160)).save(large)

    (document,) = run("contact_sheet", large, thumbnail_width=200).documents("contact_sheet")

    assert (document["thumbnail_width"], document["thumbnail_height"]) == (200, 150)


@pytest.mark.parametrize(("asked", "pages"), [({}, [1, 2, 3, 4]), ({"pages": [2, 4]}, [2, 4]), ({"rows": 1}, [1, 4])])
def test_pages_have_a_sheet_of_their_own(asked: dict[str, Any], pages: list[int], stills: list[Path]) -> None:
    collected = run("contact_sheet", CASES / "pages.tif", columns=2, **asked)
    beside = run("contact_sheet", stills[0], CASES / "pages.tif", stills[1])

    (document,) = collected.documents("contact_sheet")
    assert [(picture["page"], picture["instant_seconds"]) for picture in document["pictures"]] == [
        (page, None) for page in pages
    ]
    assert [[picture["source"] for picture in sheet["pictures"]] for sheet in beside.documents("contact_sheet")] == [
        [1, 1, 1, 1],
        [0, 2],
    ]
