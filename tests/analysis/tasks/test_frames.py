"""Frame tasks."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_analysis.analysis.documents import FramesDocument
from media_analysis.errors.media import MediaLimitPassed, NoPictures
from media_analysis.media.options import Limits
from media_analysis.storage.category import Category
from tests.analysis.tasks.collecting import run
from tests.media import clips, images
from tests.media.pictures import numbered, read_number


def test_frames_are_products_in_time_order() -> None:
    collected = run("frames", clips.h264(), every_seconds=0.4)

    products = [product for product, _ in collected.of_role("frame")]
    assert [read_number(picture) for picture in collected.pictures("frame")] == [0, 10, 20, 30, 40]
    assert [product.ordinal for product in products] == [0, 1, 2, 3, 4]
    assert [product.instant_seconds for product in products] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])
    assert [product.filename for product in products[:2]] == ["h264-00000-0.000s.jpg", "h264-00001-0.400s.jpg"]
    assert {(product.category, product.media_type, product.source) for product in products} == {
        (Category.FRAMES, "image/jpeg", 0)
    }


def test_ordinals_count_over_all_sources() -> None:
    collected = run("frames", clips.h264(), clips.variable_frame_rate(), clips.turned(90), count=3)

    products = [product for product, _ in collected.of_role("frame")]
    assert [product.ordinal for product in products] == list(range(9))
    assert [product.source for product in products] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [document["first_ordinal"] for document in collected.documents("frames")] == [0, 3, 6]
    assert [source for _, _, source in collected.results] == [0, 1, 2]


def test_the_document_says_what_was_taken() -> None:
    collected = run("frames", clips.h264(), count=5, format="webp", max_width=96)

    (document,) = collected.documents("frames")
    frames = collected.of_role("frame")
    assert document == {
        "count": 5,
        "first_ordinal": 0,
        "first_instant_seconds": frames[0][0].instant_seconds,
        "last_instant_seconds": frames[-1][0].instant_seconds,
        "format": "webp",
        "width": 96,
        "height": 64,
        "size_bytes": sum(len(content) for _, content in frames),
        "sampling": {
            "every_seconds": None,
            "count": 5,
            "instants": None,
            "pages": None,
            "keyframes": None,
            "scenes": None,
        },
        "warnings": [],
    }
    assert {picture.size for picture in collected.pictures("frame")} == {(96, 64)}
    assert {picture.format for picture in collected.pictures("frame")} == {"WEBP"}
    assert FramesDocument.model_validate(document).count == 5


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, {"every_seconds": 1.0}),
        ({"instants": [0.5, 1.0]}, {"instants": [0.5, 1.0]}),
        ({"pages": [1]}, {"pages": [1]}),
        ({"keyframes": True}, {"keyframes": True}),
        ({"scenes": 0.3}, {"scenes": 0.3}),
    ],
)
def test_the_way_of_sampling_is_said_back(asked: dict[str, Any], said: dict[str, Any]) -> None:
    collected = run("frames", images.png() if "pages" in asked else clips.scenes(), **asked)

    (document,) = collected.documents("frames")
    assert {name: value for name, value in document["sampling"].items() if value is not None} == said


def test_what_decodes_of_a_truncated_file_is_kept_and_said() -> None:
    collected = run("frames", clips.truncated(), every_seconds=0.2)

    (document,) = collected.documents("frames")
    assert 3 <= document["count"] < 10
    assert [read_number(picture) for picture in collected.pictures("frame")] == [
        5 * index for index in range(document["count"])
    ]
    assert "truncated" in {code for code, _ in collected.warnings}
    assert [(remark["code"], remark["detail"]) for remark in document["warnings"]] == collected.warnings
    assert all(detail.startswith("truncated.mp4: ") for _, detail in collected.warnings)


def test_a_remark_made_twice_is_said_once() -> None:
    once = run("frames", clips.truncated(), count=1)
    again = run("frames", clips.truncated(), clips.truncated(), count=1)

    assert len(once.warnings) == len(set(once.warnings))
    assert [code for code, _ in once.warnings].count("truncated") == 1
    assert again.warnings == once.warnings * 2


def test_a_still_beside_a_video_is_a_small_part_of_the_way(tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    numbered(1, 64, 48).save(still)

    collected = run("frames", still, clips.h264(), every_seconds=1)

    first = next(share for share, stage, _, _ in collected.steps if stage == "decoding")
    assert first < 0.04


def test_a_still_image_gives_one_frame(tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    numbered(77, 64, 48).save(still)

    collected = run("frames", clips.h264(), still, every_seconds=1)

    assert [read_number(picture) for picture in collected.pictures("frame")] == [0, 25, 77]
    assert collected.of_role("frame")[-1][0].ordinal == 2


def test_sound_alone_has_no_frames() -> None:
    with pytest.raises(NoPictures):
        run("frames", clips.audio("m4a"))


def test_the_most_frames_hold_for_all_sources_together() -> None:
    with pytest.raises(MediaLimitPassed, match="frames"):
        run("frames", clips.h264(), clips.vp9(), count=5, max_frames=9)
    with pytest.raises(MediaLimitPassed, match="6 frames are more than the 5 allowed"):
        run("frames", clips.h264(), clips.vp9(), count=5, max_frames=5)

    assert len(run("frames", clips.h264(), clips.vp9(), count=5, max_frames=10).products) == 10


def test_the_bytes_of_products_are_limited() -> None:
    with pytest.raises(MediaLimitPassed, match="bytes of products"):
        run("frames", clips.h264(), count=20, limits=Limits(max_product_bytes=5_000))


def test_progress_rises_to_one_by_duration() -> None:
    collected = run("frames", clips.h264(), clips.scenes(), every_seconds=0.4)

    shares = [share for share, _, _, _ in collected.steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert collected.stages == ["probing", "decoding"]
    decoding = [(share, done, total) for share, stage, done, total in collected.steps if stage == "decoding"]
    assert [done for _, done, _ in decoding] == [*range(1, 6), *range(1, 11), None]
    first = next(share for share, done, _ in decoding if done == 5)
    assert first == pytest.approx(0.02 + 0.95 / 3, abs=0.02)  # 2 of 6 seconds


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("a\x00b\u202e/c\\d.mp4", "a_b__c_d"),
        ("...", "media"),
        (".mp4", "mp4"),
        ("東京.mov", "東京"),
        ("film", "film"),
        ("my film.final.mp4", "my_film.final"),
        ("\ud800.mp4", "media"),
        ("é" * 200 + ".mp4", "é" * 60),
    ],
)
def test_frames_are_called_after_their_source_safely(name: str, stem: str) -> None:
    collected = run("frames", clips.h264(), names=[name], count=1)

    (product,) = [product for product, _ in collected.of_role("frame")]
    assert product.filename.startswith(f"{stem}-00000-")
    assert len(product.filename.encode()) <= 255


def test_transparency_survives_where_the_format_has_it(tmp_path: Path) -> None:
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (32, 32), (200, 0, 0, 0)).save(clear)

    kept = run("frames", clear, format="png").pictures("frame")[0]
    flat = run("frames", clear, format="jpeg").pictures("frame")[0]

    assert kept.convert("RGBA").getpixel((16, 16)) == (200, 0, 0, 0)
    assert flat.mode == "RGB"


def test_pages_are_products_named_by_their_numbers() -> None:
    collected = run("frames", images.CASES / "pages.tif", images.png(), format="png")

    products = [product for product, _ in collected.of_role("frame")]
    names = [f"pages-0000{page - 1}-page{page}.png" for page in range(1, 5)]
    assert [product.filename for product in products] == [*names, "plain-00004-0.000s.png"]
    assert [picture.getpixel((20, 15)) for picture in collected.pictures("frame")][:4] == [
        (200, 0, 0),
        (0, 200, 0),
        (0, 0, 200),
        (9, 9, 9),
    ]
    assert [document["count"] for document in collected.documents("frames")] == [4, 1]
