"""A disk that cannot be written says so before an upload finds out."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.probing import measure, prove_writable
from tests.storage.test_disk_faults import mount

Spoil = Callable[[Path], None]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte and a few files."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=8", "tmpfs", str(directory))
    yield directory
    subprocess.run(["umount", directory], check=True)


def make_read_only(root: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)


def use_up_inodes(root: Path) -> None:
    for number in range(measure(root).free_inodes):
        (root / str(number)).touch()


def fill(root: Path) -> None:
    (root / "large").write_bytes(bytes(measure(root).free_bytes))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(make_read_only, "is read-only"), (use_up_inodes, "no free inodes"), (fill, "No space left on device")],
)
def test_a_disk_that_cannot_be_written_says_why(root: Path, spoil: Spoil, said: str) -> None:
    prove_writable([root])
    spoil(root)

    with pytest.raises(StoreUnavailable, match=said):
        prove_writable([root])


def test_a_probe_leaves_nothing_behind(root: Path) -> None:
    before = measure(root)

    prove_writable([root, root])

    assert measure(root) == before
    assert list(root.iterdir()) == []
