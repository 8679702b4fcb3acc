"""Analyze tasks: everything of one decode."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from media_analysis.analysis.documents import DOCUMENTS, ReportDocument
from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.options import Limits
from media_analysis.storage.category import Category
from tests.analysis.tasks.collecting import Collected, cells, run
from tests.media import clips, images
from tests.media.pictures import numbered, read_number

WATCHES: list[list[str]] = []


def note(event: str, facts: tuple[object, ...]) -> None:
    if event == "open":
        for opened in WATCHES:
            opened.append(str(facts[0]))


sys.addaudithook(note)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Everything this process opens by name meanwhile."""
    opened: list[str] = []
    WATCHES.append(opened)
    yield opened
    WATCHES.remove(opened)


def numbers(collected: Collected) -> list[int]:
    sheet, document = collected.pictures("contact_sheet")[0], collected.documents("contact_sheet")[0]
    return [read_number(cell) for cell in cells(sheet, document)]


def report_of(collected: Collected) -> dict[str, Any]:
    ((_, content),) = collected.of_role("report")
    report = json.loads(content)
    assert isinstance(report, dict)
    return report


def test_it_is_probe_and_frames_and_a_sheet_of_those_frames() -> None:
    alone = run("frames", clips.with_sound(), every_seconds=0.2)
    probed = run("probe", clips.with_sound())

    collected = run("analyze", clips.with_sound(), every_seconds=0.2, columns=4, timestamps=False)

    assert collected.of_role("frame") == alone.of_role("frame")
    assert collected.documents("frames") == alone.documents("frames")
    assert collected.documents("probe") == probed.documents("probe")
    assert numbers(collected) == [read_number(picture) for picture in alone.pictures("frame")]
    assert [(kind, source) for kind, _, source in collected.results] == [
        ("probe", 0),
        ("frames", 0),
        ("contact_sheet", 0),
    ]


def test_a_source_is_decoded_once() -> None:
    clip = clips.h264()
    with watched() as for_frames:
        run("frames", clip, every_seconds=0.2)

    with watched() as for_everything:
        run("analyze", clip, every_seconds=0.2)

    assert for_frames.count(str(clip)) > 0
    assert for_everything.count(str(clip)) == for_frames.count(str(clip))


def test_a_sheet_with_fewer_places_shows_evenly_picked_frames() -> None:
    collected = run("analyze", clips.h264(), every_seconds=0.04, columns=3, rows=2, timestamps=False)

    shown = numbers(collected)
    gaps = {after - before for before, after in pairwise(shown)}
    assert len(collected.of_role("frame")) == 50
    assert (shown[0], shown[-1], len(shown)) == (0, 49, 6)
    assert max(gaps) - min(gaps) <= 1


def test_so_does_one_of_frames_whose_number_nobody_knows_before() -> None:
    collected = run("analyze", clips.raw_h264(), keyframes=True, columns=2, rows=1, timestamps=False)

    assert [read_number(picture) for picture in collected.pictures("frame")] == [0, 12, 24, 36, 48]
    assert numbers(collected) == [0, 48]


def test_a_sheet_grows_with_its_pictures_to_sixteen_rows() -> None:
    few = run("analyze", clips.h264(), every_seconds=0.4, columns=2)
    many = run("analyze", clips.h264(), every_seconds=0.04, columns=2, thumbnail_width=64)

    assert [document["rows"] for document in few.documents("contact_sheet")] == [3]
    assert [document["rows"] for document in many.documents("contact_sheet")] == [16]


def test_sound_alone_is_probed_and_warned_of() -> None:
    collected = run("analyze", clips.audio("m4a"))

    assert [kind for kind, _, _ in collected.results] == ["probe"]
    assert [product.role for product, _ in collected.products] == ["report"]
    ((code, detail),) = collected.warnings
    assert code == "no_pictures"
    assert detail.startswith("audio.m4a: ")
    assert collected.steps[-1][0] == 1.0


def test_truncated_sound_is_warned_of_too(tmp_path: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(clips.audio("wav").read_bytes()[:50_000])

    collected = run("analyze", cut)

    assert [code for code, _ in collected.warnings] == ["no_pictures", "truncated"]


@pytest.mark.parametrize("kind", ["probe", "frames", "contact_sheet", "analyze"])
def test_a_truncated_image_is_warned_of_once(kind: str, tmp_path: Path) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(images.png().read_bytes()[:-100])

    collected = run(kind, cut)

    assert [code for code, _ in collected.warnings] == ["truncated"]
    assert len(collected.of_role("frame")) == (kind in {"frames", "analyze"})
    assert len(collected.of_role("contact_sheet")) == (kind in {"contact_sheet", "analyze"})


@pytest.mark.parametrize("kind", ["probe", "frames", "contact_sheet", "analyze"])
@pytest.mark.parametrize("clip", [clips.truncated, clips.truncated_matroska])
def test_a_truncated_video_is_called_so_once(kind: str, clip: Callable[[], Path]) -> None:
    collected = run(kind, clip())

    codes = [code for code, _ in collected.warnings]
    assert codes.count("truncated") == 1
    assert set(codes) <= {"truncated", "damaged"}


def test_sources_of_all_sorts_go_together(tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    numbered(9, 64, 48).save(still)

    collected = run("analyze", clips.audio("mp3"), clips.h264(), still, clips.turned(180), every_seconds=1)

    frames = [product for product, _ in collected.of_role("frame")]
    assert [(product.ordinal, product.source) for product in frames] == [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3)]
    assert sorted(product.ordinal for product, _ in collected.of_role("contact_sheet")) == [1, 2, 3]
    assert [source for kind, _, source in collected.results if kind == "probe"] == [0, 1, 2, 3]
    assert [source for kind, _, source in collected.results if kind == "frames"] == [1, 2, 3]
    assert [code for code, _ in collected.warnings] == ["no_pictures"]


def test_the_report_holds_the_whole_run() -> None:
    collected = run("analyze", clips.audio("mp3"), clips.truncated(), clips.vp9(), every_seconds=0.5)

    report = report_of(collected)
    ((product, _),) = collected.of_role("report")
    assert (product.ordinal, product.category, product.filename) == (0, Category.OUTPUTS, "report.json")
    assert (product.media_type, product.source) == ("application/json", None)
    assert ReportDocument.model_validate(report).model_dump(mode="json") == report
    assert [each["probe"] for each in report["sources"]] == collected.documents("probe")
    assert [each["frames"] for each in report["sources"]] == [None, *collected.documents("frames")]
    taken = [entry for each in report["sources"] for entry in each["taken"]]
    assert [
        (entry["ordinal"], entry["instant_seconds"], entry["filename"], entry["size_bytes"]) for entry in taken
    ] == [
        (product.ordinal, product.instant_seconds, product.filename, len(content))
        for product, content in collected.of_role("frame")
    ]
    assert [sheet["document"] for sheet in report["contact_sheets"]] == collected.documents("contact_sheet")
    assert [(each["code"], each["detail"]) for each in report["warnings"]] == collected.warnings


def test_the_report_of_one_source_is_derived_from_it() -> None:
    ((product, _),) = run("analyze", clips.h264(), count=1).of_role("report")

    assert product.source == 0


def test_all_documents_agree_with_their_published_schemas() -> None:
    collected = run("analyze", clips.with_sound(), clips.truncated_matroska())

    for kind, document, _ in collected.results:
        assert DOCUMENTS[kind].model_validate(document).model_dump(mode="json") == document
        assert DOCUMENTS[kind].model_json_schema()["additionalProperties"] is False


def test_facts_come_before_the_first_frame() -> None:
    collected = run("analyze", clips.h264(), clips.vp9())

    assert [kind for kind, _, _ in collected.results[:2]] == ["probe", "probe"]


def test_a_source_that_cannot_be_read_fails_everything() -> None:
    with pytest.raises(CorruptMedia):
        run("analyze", clips.h264(), clips.index_missing())


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        ({"every_seconds": 0.04, "max_frames": 49}, Limits()),
        ({"every_seconds": 0.04}, Limits(max_product_bytes=10_000)),
        ({}, Limits(max_pixels=192 * 128 - 1)),
        ({}, Limits(max_duration_seconds=1.5)),
    ],
)
def test_limits_hold(asked: dict[str, Any], limits: Limits) -> None:
    with pytest.raises(MediaLimitPassed):
        run("analyze", clips.h264(), limits=limits, **asked)


def test_progress_goes_through_all_stages() -> None:
    collected = run("analyze", clips.h264(), clips.audio("wav"), every_seconds=0.2)

    shares = [share for share, _, _, _ in collected.steps]
    assert collected.stages == ["probing", "decoding", "sheet"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
