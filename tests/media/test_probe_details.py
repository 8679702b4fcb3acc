"""A probe tells what videos and sounds are, in the words of its published document."""

from pathlib import Path
from typing import Any

import pytest

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.facts import ProbeDocument
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips


def facts(path: Path) -> ProbeDocument:
    return probe(path, Limits())


@pytest.mark.parametrize(
    ("transfer", "kind", "name"), [(16, "hdr10", "smpte2084"), (18, "hlg", "arib-std-b67"), (14, None, "bt2020-10")]
)
def test_high_dynamic_range_is_told_by_its_transfer(transfer: int, kind: str | None, name: str) -> None:
    told = facts(clips.hdr(transfer))

    assert (told.hdr, told.hdr_kind) == (kind is not None, kind)
    assert told.colour is not None
    assert told.colour.model_dump() == {
        "primaries": "bt2020",
        "transfer": name,
        "matrix": "bt2020nc",
        "range": "limited",
    }
    assert (told.pixel_format, told.bit_depth) == ("yuv420p10le", 10)


def test_fields_coded_apart_are_interlaced() -> None:
    assert facts(clips.interlaced()).interlaced is True


def test_chapters_and_what_is_written_inside_are_listed() -> None:
    told = facts(clips.chapters())

    assert [chapter.model_dump() for chapter in told.chapters] == [
        {"start_seconds": 0.0, "end_seconds": 1.0, "title": "Beginning"},
        {"start_seconds": 1.0, "end_seconds": 2.0, "title": "Das Ende, Größe"},
    ]
    assert told.metadata.items() >= {"title": "A film", "comment": "of blocks"}.items()


def test_a_first_timestamp_that_is_not_zero_is_told() -> None:
    assert facts(clips.late_start()).start_seconds == 5.0


def test_an_empty_file_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()

    with pytest.raises(CorruptMedia, match="empty"):
        facts(path)


def test_the_published_schema_explains_its_fields() -> None:
    schema: dict[str, Any] = ProbeDocument.model_json_schema()

    assert {"duration_seconds", "width", "height", "video_codec", "frame_rate"} <= set(schema["properties"])
    assert "Pixels after turning upright" in schema["properties"]["width"]["description"]
