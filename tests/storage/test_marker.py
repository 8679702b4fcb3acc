"""Which store a database accepts as its own."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.storage.marker import MARKER_NAME, Marker, adopt_store, read_marker, require_marker

OURS = UUID(int=1)


def test_a_fresh_database_marks_an_absent_root(tmp_path: Path) -> None:
    root = tmp_path / "far" / "store"

    adopt_store(root, OURS, fresh_database=True)

    assert read_marker(root) == Marker(OURS)
    assert [entry.name for entry in root.iterdir()] == [MARKER_NAME]


@pytest.mark.parametrize("others", [OURS, UUID(int=2)], ids=["one database", "two databases"])
def test_of_those_who_begin_at_once_all_are_served_who_mean_the_same_database(tmp_path: Path, others: UUID) -> None:
    def begin(root: Path, instance_id: UUID, ready: Barrier) -> UUID | None:
        ready.wait(60)
        try:
            adopt_store(root, instance_id, fresh_database=True)
        except MarkerMismatch:
            return None
        (root / "uploads").mkdir(exist_ok=True)
        return instance_id

    with ThreadPoolExecutor(4) as threads:
        for number in range(20):
            root, ready = tmp_path / f"{number}", Barrier(4)
            begun = [threads.submit(begin, root, known, ready) for known in (OURS, others) * 2]
            served = {one.result(60) for one in begun}
            marker = read_marker(root)
            assert marker is not None
            assert served == ({OURS} if others == OURS else {marker.instance_id, None})


@pytest.mark.parametrize("leftover", [".media-analysis.part", ".media-analysis.before", "lost+found"])
def test_a_fresh_database_marks_a_root_with_what_a_crash_or_a_file_system_leaves(tmp_path: Path, leftover: str) -> None:
    (tmp_path / leftover).touch()

    adopt_store(tmp_path, OURS, fresh_database=True)

    assert read_marker(tmp_path) == Marker(OURS)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_store_that_carries_our_marker_is_ours(tmp_path: Path, *, fresh: bool) -> None:
    adopt_store(tmp_path, OURS, fresh_database=True)
    (tmp_path / "uploads").mkdir()

    adopt_store(tmp_path, OURS, fresh_database=fresh)

    require_marker(tmp_path, OURS)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_store_of_another_database_is_refused_and_keeps_its_marker(tmp_path: Path, *, fresh: bool) -> None:
    theirs = uuid4()
    adopt_store(tmp_path, theirs, fresh_database=True)

    with pytest.raises(MarkerMismatch, match="another database"):
        adopt_store(tmp_path, OURS, fresh_database=fresh)

    assert read_marker(tmp_path) == Marker(theirs)


def test_a_database_that_knows_files_never_marks_an_empty_root(tmp_path: Path) -> None:
    with pytest.raises(MarkerMismatch, match="is the volume mounted"):
        adopt_store(tmp_path, OURS, fresh_database=False)

    assert list(tmp_path.iterdir()) == []


def test_a_fresh_database_never_takes_files_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "somebody's.mp4").touch()

    with pytest.raises(MarkerMismatch, match="not empty"):
        adopt_store(tmp_path, OURS, fresh_database=True)

    assert read_marker(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"instance_id": "x"}', b'{"instance_id": 7}'])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_marker_that_cannot_be_read_is_refused_and_left_alone(tmp_path: Path, content: bytes, *, fresh: bool) -> None:
    (tmp_path / MARKER_NAME).write_bytes(content)

    with pytest.raises(MarkerMismatch):
        adopt_store(tmp_path, OURS, fresh_database=fresh)

    assert (tmp_path / MARKER_NAME).read_bytes() == content


def test_a_directory_in_the_markers_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / MARKER_NAME).mkdir()

    with pytest.raises(MarkerMismatch):
        require_marker(tmp_path, OURS)


def test_a_pipe_in_the_markers_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MARKER_NAME)

    with pytest.raises(MarkerMismatch, match="cannot be read"):
        require_marker(tmp_path, uuid4())
