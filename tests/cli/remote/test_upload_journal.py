"""What an upload notes to go on from, where nothing more can be written."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from media_analysis.cli.exits import CommandRefused
from media_analysis.cli.upload_items import Wishes
from media_analysis.cli.upload_journal import Journal

URL = "http://127.0.0.1:8000"
WISHES = Wishes("uploads", {}, None)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_at_the_beginning_and_stops_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    with full_disk(), pytest.raises(CommandRefused, match="nothing can be noted in "):
        Journal.open(URL, WISHES, ())
    journal = Journal.open(URL, WISHES, ())
    with full_disk():
        journal.note("key", "file")

    assert journal.done == {"key": "file"}
    journal.close(is_over=True)
