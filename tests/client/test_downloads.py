"""Downloads: whole and proven under their final name, or not there."""

import os
import random
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_analysis.client import Client, Gone, TargetTaken
from media_analysis.client.downloading import LONGEST_NAME_BYTES, safe_name
from tests.client.line import line_to
from tests.client.server import Served

LARGE = random.Random(20).randbytes(6_000_000)
ID = UUID("01900000-0000-7000-8000-000000000001")


def test_a_download_goes_on_where_the_line_broke_and_is_named_at_its_end(
    server: Served, alice: Client, tmp_path: Path
) -> None:
    file = alice.upload(LARGE, filename="large.bin")
    seen: list[bool] = []

    with line_to(server.url, down_cuts=[1_000_000, 4_000_000]) as line, server.client(url=line.url) as client:
        path = client.download(file.id, tmp_path, told=lambda _: seen.append((tmp_path / "large.bin").exists()))

    assert line.cuts == 2
    assert line.down_bytes < 1.3 * len(LARGE)
    assert path == tmp_path / "large.bin"
    assert path.read_bytes() == LARGE
    assert not any(seen), "the name is there at the end only"
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".part")] == []


def test_what_another_attempt_left_is_gone_on_with_and_what_is_none_of_it_is_not_kept(
    server: Served, alice: Client, tmp_path: Path
) -> None:
    file = alice.upload(LARGE, filename="large.bin")
    part = tmp_path / f".{file.id}.part"

    part.write_bytes(LARGE[:5_000_000])
    with line_to(server.url) as line, server.client(url=line.url) as client:
        resumed = client.download(file.id, tmp_path / "resumed")
    part.write_bytes(bytes(5_000_000))
    mended = alice.download(file.id, tmp_path / "mended")
    part.write_bytes(LARGE + b"more")
    cut = alice.download(file.id, tmp_path / "cut")

    assert line.down_bytes < 1_100_000
    assert [path.read_bytes() == LARGE for path in (resumed, mended, cut)] == [True, True, True]
    assert not part.exists()


def test_nothing_that_is_there_is_replaced_unless_that_is_wanted(alice: Client, tmp_path: Path) -> None:
    file, other = alice.upload(b"some bytes", filename="a.txt"), alice.upload(b"", filename="empty")
    target = tmp_path / "a.txt"
    target.write_bytes(b"other bytes")
    (tmp_path / "leads away").symlink_to(tmp_path / "nowhere")

    with pytest.raises(TargetTaken, match="is there already, and is another file"):
        alice.download(file.id, tmp_path)
    with pytest.raises(TargetTaken):
        alice.download(file.id, tmp_path / "leads away")
    before = target.read_bytes()
    alice.download(file.id, tmp_path, overwrite=True)
    again = alice.download(file.id, tmp_path)
    alice.download(other.id, tmp_path)

    assert before == b"other bytes"
    assert (again, again.read_bytes()) == (target, b"some bytes")
    assert (tmp_path / "empty").read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


def test_what_is_gone_is_told_with_its_tombstone_and_nothing_is_written(alice: Client, tmp_path: Path) -> None:
    file = alice.upload(b"some bytes", filename="a.txt")
    alice.delete_file(file.id)

    with pytest.raises(Gone) as refused:
        alice.download(file.id, tmp_path / "a.txt")

    tombstone = refused.value.tombstone
    assert (tombstone.rule, tombstone.file_id) == ("requested", file.id)
    assert tombstone.gone_at is not None
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("at-sea.mp4", "at-sea.mp4"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("..\\..\\autorun.inf", "_._.._autorun.inf"),
        ("..", str(ID)),
        (".", str(ID)),
        (".bashrc", "_bashrc"),
        ("a\x1b[2J\u202egnp.exe", "a_[2J_gnp.exe"),
        ("é" * 300 + ".mp4", "é" * 125 + ".mp4"),
        ("Bilder für alle.jpg", "Bilder für alle.jpg"),
    ],
)
def test_a_name_of_somebody_else_is_a_name_in_the_folder(filename: str, safe: str) -> None:
    assert safe_name(filename, ID) == safe


@settings(max_examples=30)
@given(st.text(max_size=300))
def test_no_name_leaves_its_folder(filename: str) -> None:
    name = safe_name(filename, ID)

    assert name
    assert name not in {".", ".."}
    assert not name.startswith(".")
    assert os.sep not in name
    assert "\0" not in name
    assert len(name.encode()) <= LONGEST_NAME_BYTES
