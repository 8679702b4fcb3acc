"""`archive verify` and `archive download`: archives read to their last byte, in the store, on disk and on their way."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from media_analysis.units import round_size
from tests import processes
from tests.archive.archived import Run, add_file, archive, make_run, restore
from tests.cli.commands import clean, run
from tests.conftest import fetch
from tests.disks import disk_of


@pytest.fixture
async def made(runtime: Runtime) -> Run:
    """An archived run."""
    made = await make_run(runtime)
    await archive(runtime, made.id)
    return made


@pytest.fixture
async def segment(runtime: Runtime, made: Run, database: str) -> Path:
    """Where its archive lies."""
    (row,) = await fetch(database, f"SELECT key FROM media_files WHERE role = 'archive' AND job_id = '{made.id}'")
    return disk_of(runtime.store).path_of(row["key"])


@pytest.fixture
async def sound(runtime: Runtime) -> Run:
    """Another archived run."""
    sound = await make_run(runtime, {"frame.jpg": b"12345"})
    await archive(runtime, sound.id)
    return sound


@pytest.fixture
async def active(runtime: Runtime) -> Run:
    """A run that is not archived."""
    return await make_run(runtime, {"frame.jpg": b"12345"})


@pytest.fixture
async def grown(runtime: Runtime, made: Run) -> Run:
    """The archived run, restored, with another file, and archived again."""
    await restore(runtime, made.id)
    await add_file(runtime, made, "later.txt", b"something new")
    await archive(runtime, made.id)
    return made


def flip(path: Path, at: int) -> bytes:
    """Turn one byte into another, and return what was there before."""
    content = path.read_bytes()
    path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    return content


def byte_of_a_frame(content: bytes) -> int:
    """Return a place within a picture, which is stored as it is."""
    return content.index(bytes(range(256))) + 100


def test_a_whole_archive_is_said_to_be_whole(made: Run, segment: Path, environment: dict[str, str]) -> None:
    named = run("archive", "verify", str(made.id), **environment)
    every = run("archive", "verify", "--all", "--json", **environment)
    on_disk = run("archive", "verify", "--file", segment, **environment)

    assert (named.returncode, every.returncode, on_disk.returncode) == (0, 0, 0), named.stderr
    assert "1 of 1 archives are whole\n" in named.stdout
    (told,) = json.loads(every.stdout)
    assert (told["archive"], told["standing"], told["files"]) == (str(made.id), "whole", len(made.files))
    assert "1 of 1 archives are whole\n" in on_disk.stdout


def test_a_damaged_archive_is_named_with_its_member_and_the_others_are_read(
    made: Run, sound: Run, segment: Path, environment: dict[str, str]
) -> None:
    unknown = uuid4()
    content = flip(segment, byte_of_a_frame(segment.read_bytes()))

    named = run("archive", "verify", str(unknown), str(made.id), str(sound.id), **environment)
    every = run("archive", "verify", "--all", "--json", **environment)
    on_disk = run("archive", "verify", "--file", segment, **environment)
    segment.unlink()
    absent = run("archive", "verify", str(made.id), **environment)
    segment.write_bytes(content)

    assert (named.returncode, every.returncode, on_disk.returncode, absent.returncode) == (1, 1, 1, 1)
    assert f"media-analysis: {unknown}: no such job\n" in named.stderr
    assert f"media-analysis: {made.id} is damaged: " in named.stderr
    assert "1 of 3 archives are whole\n" in named.stdout
    standings = {each["archive"]: each["standing"] for each in json.loads(every.stdout)}
    assert standings == {str(made.id): "damaged", str(sound.id): "whole"}
    assert f"{segment} is damaged: " in on_disk.stderr
    assert f"{made.id} is damaged: the bytes of this file are missing from the store" in absent.stderr


def test_what_is_no_archive_of_ours_is_refused_in_words(tmp_path: Path, environment: dict[str, str]) -> None:
    plain, foreign = tmp_path / "plain.txt", tmp_path / "foreign.tar.gz"
    plain.write_bytes(b"some words")
    with tarfile.open(foreign, "w:gz") as tar:
        member = tarfile.TarInfo("folder/frame.jpg")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"12345"))

    refused = [run("archive", "verify", "--file", path, **environment) for path in (plain, foreign)]
    absent = run("archive", "verify", "--file", tmp_path / "absent", **environment)

    assert [each.returncode for each in refused] == [1, 1]
    assert "the archive is neither gzip, bz2, xz nor zstd" in refused[0].stderr
    assert f"{foreign} is damaged: " in refused[1].stderr
    assert "Traceback" not in refused[1].stderr
    assert absent.stderr == f"media-analysis: --file: {tmp_path / 'absent'} cannot be read: No such file or directory\n"


@pytest.mark.parametrize("asked", [[], ["--all", "--file", "x"], [str(uuid4()), "--all"]])
def test_exactly_one_kind_of_archive_is_verified(environment: dict[str, str], asked: list[str]) -> None:
    refused = run("archive", "verify", *asked, **environment)

    assert refused.returncode == 1
    assert "one of them" in refused.stderr


def test_an_archive_is_downloaded_under_its_name_and_replaces_nothing_unasked(
    made: Run, segment: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    place = tmp_path / "out"
    place.mkdir()

    done = run("archive", "download", str(made.id), "-o", place, **environment)
    target = place / f"{made.job.folder_name}.tar.gz"
    target.write_bytes(b"something else")
    refused = run("archive", "download", str(made.id), "-o", target, **environment)
    kept = target.read_bytes()
    forced = run("archive", "download", str(made.id), "-o", target, "--force", **environment)
    listed = subprocess.run(["tar", "tzf", target], check=True, capture_output=True, text=True).stdout

    assert (done.returncode, refused.returncode, forced.returncode) == (0, 1, 0), done.stderr + forced.stderr
    assert f"wrote {target}, {round_size(segment.stat().st_size)}\n" in done.stderr
    assert f"{target} is there already; --force replaces a file" in refused.stderr
    assert kept == b"something else"
    assert target.read_bytes() == segment.read_bytes()
    assert listed.startswith(f"{made.job.folder_name}/manifest.json\n")
    assert [path.name for path in place.iterdir()] == [target.name]


@pytest.mark.parametrize(("left", "kept"), [("beginning", True), ("something else", False), ("more", True)])
def test_a_download_goes_on_where_it_was_as_far_as_the_bytes_agree(
    made: Run, segment: Path, tmp_path: Path, environment: dict[str, str], left: str, *, kept: bool
) -> None:
    target, content = tmp_path / "archive.tar.gz", segment.read_bytes()
    parts = {"beginning": content[:-1], "something else": b"else" * 100, "more": content + b"more"}
    (tmp_path / "archive.tar.gz.part").write_bytes(parts[left])

    done = run("archive", "download", str(made.id), "-o", target, **environment)

    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == content
    assert ("of them from before" in done.stderr) is (kept and left == "more")
    assert not (tmp_path / "archive.tar.gz.part").exists()


def test_a_damaged_archive_is_not_left_under_its_name(
    made: Run, segment: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    content = flip(segment, byte_of_a_frame(segment.read_bytes()))

    refused = run("archive", "download", str(made.id), "-o", tmp_path / "out.tar.gz", **environment)
    segment.write_bytes(content)

    assert refused.returncode == 1
    assert refused.stderr == "media-analysis: the archive's bytes are not those that were stored\n"
    assert not list(tmp_path.glob("out.tar.gz*"))


def test_standard_output_gets_the_archive_and_nothing_else(
    made: Run, segment: Path, environment: dict[str, str]
) -> None:
    done = processes.run("archive", "download", str(made.id), "-o", "-", environment=clean(environment))

    assert done.returncode == 0
    assert done.stdout == segment.read_bytes()
    assert gzip.decompress(done.stdout)
    assert done.stderr == b""


def test_one_file_is_downloaded_from_inside(made: Run, tmp_path: Path, environment: dict[str, str]) -> None:
    name, place = "Übersicht 概要.json", tmp_path / "out"
    place.mkdir()

    done = run("archive", "download", str(made.id), "--member", str(made.files[name].id), "-o", place, **environment)

    assert done.returncode == 0, done.stderr
    (found,) = place.iterdir()
    assert hashlib.sha256(found.read_bytes()).digest() == made.files[name].sha256


def test_later_segments_are_told_of_and_downloaded_by_number(
    grown: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    first = run("archive", "download", str(grown.id), "-o", tmp_path / "first.tar.gz", **environment)
    second = run("archive", "download", str(grown.id), "--segment", "1", "-o", tmp_path / "1.tar.gz", **environment)
    third = run("archive", "download", str(grown.id), "--segment", "2", "-o", tmp_path / "2.tar.gz", **environment)

    assert (first.returncode, second.returncode, third.returncode) == (0, 0, 1), first.stderr + second.stderr
    assert "the archive has 1 more: --segment 1\n" in first.stderr
    with tarfile.open(tmp_path / "1.tar.gz") as tar:
        assert [name.rpartition("/")[2] for name in tar.getnames()] == ["manifest.1.json", "later.txt"]
    assert not (tmp_path / "2.tar.gz").exists()


def test_what_cannot_be_downloaded_is_refused_in_one_sentence(
    made: Run, active: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    out = ("-o", tmp_path / "out")
    asked = [
        ((str(uuid4()), *out), "no such job"),
        ((str(active.id), *out), "the job is not archived"),
        ((str(made.id), "--member", str(uuid4()), *out), "no such file in the archive"),
        ((str(made.id), "--member", str(uuid4()), "--segment", "0", *out), "--segment: "),
        ((str(made.id), "-o", tmp_path / "absent" / "out"), "cannot be written: No such file or directory"),
    ]

    for arguments, said in asked:
        refused = run("archive", "download", *arguments, **environment)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["var"]  # noqa: PTH208 - only the service's own


def test_two_downloads_of_one_file_do_not_meet(made: Run, tmp_path: Path, environment: dict[str, str]) -> None:
    target = tmp_path / "archive.tar.gz"
    part = tmp_path / "archive.tar.gz.part"

    with subprocess.Popen(["flock", part, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"held")
        holder.stdin.flush()
        holder.stdout.read(4)
        refused = run("archive", "download", str(made.id), "-o", target, **environment)
        holder.stdin.close()

    assert refused.returncode == 1
    assert f"another download writes {part}" in refused.stderr
