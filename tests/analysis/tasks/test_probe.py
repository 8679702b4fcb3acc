"""Probe tasks."""

from pathlib import Path

import pytest

from media_analysis.analysis.documents import DOCUMENTS
from media_analysis.errors.media import CorruptMedia, UnsupportedMedia
from tests.analysis.tasks.collecting import run
from tests.media import clips


def test_each_source_gets_its_document_in_order() -> None:
    collected = run("probe", clips.h264(), clips.audio("mp3"), clips.turned(90))

    assert [(kind, source) for kind, _, source in collected.results] == [("probe", 0), ("probe", 1), ("probe", 2)]
    video, audio, turned = collected.documents("probe")
    assert (video["width"], video["height"], video["video_codec"], video["frame_rate"]) == (192, 128, "h264", 25.0)
    assert video["duration_seconds"] == pytest.approx(2.0, abs=0.1)
    assert audio["kind"] == "audio"
    assert (turned["width"], turned["height"]) == (128, 192)
    assert collected.products == []


def test_documents_agree_with_their_published_schema() -> None:
    collected = run("probe", clips.with_sound(), clips.audio("flac"))

    for kind, document, _ in collected.results:
        assert DOCUMENTS[kind].model_validate(document).model_dump(mode="json") == document


def test_progress_counts_sources() -> None:
    collected = run("probe", clips.h264(), clips.audio("wav"))

    assert [(stage, done, total) for _, stage, done, total in collected.steps] == [
        ("probing", 1, 2),
        ("probing", 2, 2),
        ("probing", None, None),
    ]
    assert collected.steps[-1][0] == 1.0


@pytest.mark.parametrize(("content", "error"), [(b"words, nothing more", UnsupportedMedia), (None, CorruptMedia)])
def test_a_source_that_cannot_be_read_fails_the_task(
    content: bytes | None, error: type[Exception], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clips.index_missing().read_bytes() if content is None else content)

    with pytest.raises(error):
        run("probe", clips.h264(), broken)


def test_a_truncated_file_is_warned_of() -> None:
    collected = run("probe", clips.truncated(), clips.h264())

    ((code, detail),) = collected.warnings
    assert code == "truncated"
    assert detail.startswith("truncated.mp4: ")
