"""What an emitter takes of a task, read back from its pipe."""

import json
from io import BytesIO
from typing import Any

import pytest

from media_analysis.analysis.child.main import MAX_RESULTS, MAX_WARNINGS, PipeEmitter
from media_analysis.analysis.child.protocol import HEAD
from media_analysis.analysis.task import Emitter
from media_analysis.errors.analysis import OutputRefused
from media_analysis.errors.media import MediaLimitPassed
from tests.analysis.child.misbehaving import frame


def headers(pipe: BytesIO) -> list[dict[str, Any]]:
    """Return the headers of all frames in a pipe."""
    pipe.seek(0)
    found = []
    while head := pipe.read(HEAD.size):
        header_bytes, payload_bytes = HEAD.unpack(head)
        found.append(json.loads(pipe.read(header_bytes)))
        pipe.seek(payload_bytes, 1)
    return found


@pytest.fixture
def pipe() -> BytesIO:
    return BytesIO()


@pytest.fixture
def emitter(pipe: BytesIO) -> PipeEmitter:
    return PipeEmitter(pipe, sources=1, max_product_bytes=10)


def test_it_is_an_emitter(emitter: PipeEmitter) -> None:
    def take(emitter: Emitter) -> Emitter:
        return emitter

    assert take(emitter) is emitter


def test_a_product_beyond_the_limit_is_not_written(emitter: PipeEmitter, pipe: BytesIO) -> None:
    emitter.product(frame(0), b"x" * 10)

    with pytest.raises(MediaLimitPassed):
        emitter.product(frame(1), b"x")
    assert [header["product"]["ordinal"] for header in headers(pipe)] == [0]


def test_warnings_are_told_once_and_not_for_ever(emitter: PipeEmitter, pipe: BytesIO) -> None:
    for packet in range(MAX_WARNINGS + 50):
        emitter.warn("broken_packet", f"packet {packet}")
        emitter.warn("broken_packet", f"packet {packet}")

    assert len(headers(pipe)) == MAX_WARNINGS


def test_results_without_end_are_refused(emitter: PipeEmitter) -> None:
    for _ in range(MAX_RESULTS):
        emitter.result("loudness", {})

    with pytest.raises(OutputRefused):
        emitter.result("loudness", {})


def test_a_failure_comes_after_the_last_progress(emitter: PipeEmitter, pipe: BytesIO) -> None:
    emitter.progress(0.1, "reading")
    emitter.progress(0.2, "reading")
    emitter.end(code="corrupt_media", detail="")

    assert [(header["type"], header.get("share")) for header in headers(pipe)] == [
        ("progress", 0.1),
        ("progress", 0.2),
        ("failed", None),
    ]
