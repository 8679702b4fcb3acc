"""Proving an archive, taking one member out of it, and looking through those without a manifest."""

import hashlib
import io
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.manifest import ManifestFile
from media_analysis.archive.format.reading import read_member, scan, verify
from media_analysis.errors import ArchiveDamaged
from tests.archive.format.archives import (
    END,
    FOLDER,
    Content,
    described,
    gzipped,
    head_of,
    manifest_of,
    member,
    need_program,
    pack,
    read_all,
    spool,
)

CONTENTS: Final = [
    Content("frames/a.jpg", os.urandom(2_000_000)),
    Content("frames/b.jpg", b"b" * 700),
    Content("outputs/c.json", b"{}", "application/json"),
]
FILES: Final = described(CONTENTS)
EVERYTHING: Final = 1 << 30


def archive(
    listed: list[ManifestFile], contents: list[Content], /, *, manifest_name: str = "manifest.json", **head: Any
) -> io.BytesIO:
    """Return an archive whose manifest says what it is told to."""
    manifest = manifest_of(head_of(listed, Compression.GZIP, **head), listed)
    members = [member(f"{FOLDER}/{content.name}", content.body) for content in contents]
    return gzipped(member(f"{FOLDER}/{manifest_name}", manifest), *members, END)


def refusal(raw: io.BytesIO) -> ArchiveDamaged:
    with pytest.raises(ArchiveDamaged) as refused, verify(raw, spool=spool) as proof:
        proof.check()
    return refused.value


def test_a_whole_archive_is_proven_and_its_manifest_read_again() -> None:
    raw = archive(FILES, CONTENTS)

    with verify(raw, spool=spool) as proof:
        assert not proof.proven
        proof.check()
        manifest = proof.manifest()

        assert proof.proven
        assert proof.head == head_of(FILES, Compression.GZIP)
        assert list(manifest.results()) == [{"score": 0.5}]
        assert list(manifest.events()) == [{"type": "job.completed"}]


def test_an_archive_may_hold_nothing_but_its_manifest() -> None:
    assert read_all(archive([], []).getvalue()) == {}


def test_a_later_segment_has_a_manifest_with_its_number() -> None:
    with verify(archive(FILES, CONTENTS, manifest_name="manifest.2.json", segment=2), spool=spool) as proof:
        proof.check()

        assert proof.head.segment == 2


def test_content_is_checked_whether_or_not_the_caller_reads_it() -> None:
    wrong = replace(FILES[0], sha256=bytes(32))

    with verify(archive([wrong, *FILES[1:]], CONTENTS), spool=spool) as proof:
        files = proof.files()
        _, _, content = next(files)
        next(content)

        with pytest.raises(ArchiveDamaged, match="another SHA-256"):
            next(files)


def test_content_is_refused_at_its_end_while_it_is_copied() -> None:
    wrong = replace(FILES[0], sha256=bytes(32))

    with verify(archive([wrong, *FILES[1:]], CONTENTS), spool=spool) as proof:
        _, _, content = next(proof.files())

        with pytest.raises(ArchiveDamaged, match="another SHA-256"):
            list(content)


@pytest.mark.parametrize(
    ("files", "contents", "reason"),
    [
        (FILES, CONTENTS[:2], "the file is in the manifest and not in the archive"),
        (FILES, CONTENTS[1:], "another member is in its place"),
        (FILES[:2], CONTENTS, "the manifest does not name this member"),
        (FILES, [*CONTENTS, Content("frames/d.jpg", b"d")], "the manifest does not name this member"),
        (FILES, [CONTENTS[1], CONTENTS[0], CONTENTS[2]], "another member is in its place"),
        (FILES, [*CONTENTS[:2], CONTENTS[0]], "the member is in the archive twice"),
        (FILES, [replace(CONTENTS[0], body=b"short"), *CONTENTS[1:]], "the file has 5 bytes, not 2000000"),
        (FILES, [CONTENTS[0], replace(CONTENTS[1], body=b"B" * 700), CONTENTS[2]], "another SHA-256"),
    ],
)
def test_an_archive_that_differs_from_its_manifest_is_refused(
    files: list[ManifestFile], contents: list[Content], reason: str
) -> None:
    assert reason in refusal(archive(files, contents)).reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"files": 2}, "not as many or as large"),
        ({"size_bytes": 3}, "not as many or as large"),
        ({"folder_name": "other"}, "the archive's first member is not other/manifest.json"),
        ({"segment": 1}, f"the archive's first member is not {FOLDER}/manifest.1.json"),
        ({"compression": "zstd"}, "the archive is gzip, its manifest says zstd"),
    ],
)
def test_a_head_that_is_not_true_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal(archive(FILES, CONTENTS, **changes)).reason


def test_a_manifest_that_is_lacking_or_not_first_is_refused() -> None:
    manifest = manifest_of(head_of(FILES, Compression.GZIP), FILES)
    members = [member(f"{FOLDER}/{content.name}", content.body) for content in CONTENTS]

    lacking = refusal(gzipped(*members, END))
    last = refusal(gzipped(*members, member(f"{FOLDER}/manifest.json", manifest), END))

    assert lacking.reason.endswith(("is not one of ours", "it is too long", "it is cut off"))
    assert last.reason == lacking.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "the archive is empty"),
        (b"PK\x03\x04", "the archive is neither gzip, bz2, xz nor zstd"),
        (END, "neither gzip"),
    ],
)
def test_what_is_no_archive_is_refused(raw: bytes, reason: str) -> None:
    assert reason in refusal(io.BytesIO(raw)).reason


def test_an_archive_without_a_single_member_is_refused() -> None:
    assert refusal(gzipped(END)).reason == "the archive is empty"


@pytest.mark.parametrize("changes", [{"skip_bytes": 512}, {"frame_offset": 0, "skip_bytes": 0}, {"size_bytes": 1}])
def test_a_member_that_does_not_lie_there_is_refused_before_it_is_read(changes: dict[str, int]) -> None:
    packed = pack(Compression.GZIP, CONTENTS)
    place: dict[str, Any] = {
        "frame_offset": packed.placed[1].frame_offset,
        "skip_bytes": packed.placed[1].skip_bytes,
        "size_bytes": packed.files[1].size_bytes,
    }

    with pytest.raises(ArchiveDamaged):
        read_member(io.BytesIO(packed.raw), Compression.GZIP, name=f"{FOLDER}/frames/b.jpg", **(place | changes))


def test_a_member_whose_place_is_behind_the_end_is_refused() -> None:
    packed = pack(Compression.ZSTD, CONTENTS)

    with pytest.raises(ArchiveDamaged, match="the archive ends before it"):
        read_member(
            io.BytesIO(packed.raw), Compression.ZSTD, frame_offset=0, skip_bytes=1 << 40, name="x", size_bytes=1
        )


def test_a_member_with_another_content_is_refused_at_its_end() -> None:
    packed = pack(Compression.ZSTD, CONTENTS)
    raw = bytearray(packed.raw)
    raw[packed.placed[0].frame_offset + 100_000] ^= 1

    chunks = read_member(
        io.BytesIO(raw),
        Compression.ZSTD,
        frame_offset=packed.placed[0].frame_offset,
        skip_bytes=0,
        name=f"{FOLDER}/frames/a.jpg",
        size_bytes=2_000_000,
        sha256=packed.files[0].sha256,
    )

    with pytest.raises(ArchiveDamaged, match="another SHA-256 than is on record"):
        list(chunks)


@pytest.mark.parametrize("archive_format", ["gnu", "pax", "ustar"])
@pytest.mark.parametrize("compression", Compression)
def test_an_archive_of_system_tar_is_looked_through_and_read_from(
    compression: Compression, archive_format: str, tmp_path: Path
) -> None:
    need_program(compression)
    folder = tmp_path / "run"
    long = "l" * (60 if archive_format == "ustar" else 180)
    bodies = {f"./frames/{long}.jpg": os.urandom(5_000), "./größe.txt": b"text", "./empty": b""}
    for name, body in bodies.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    made = tmp_path / f"run.{compression.suffix}"
    command = [
        "tar",
        f"--format={archive_format}",
        "--auto-compress",
        "--create",
        "--file",
        str(made),
        "-C",
        str(folder),
        ".",
    ]
    subprocess.run(command, check=True)

    with made.open("rb") as raw:
        found = list(scan(raw, max_bytes=EVERYTHING))
        read = {
            entry.name: b"".join(
                read_member(
                    raw,
                    compression,
                    frame_offset=entry.frame_offset,
                    skip_bytes=entry.skip_bytes,
                    name=entry.name,
                    size_bytes=entry.size_bytes,
                    sha256=sha256,
                )
            )
            for entry, sha256 in found
        }

    assert read == {name.removeprefix("./"): body for name, body in bodies.items()}


def test_a_scan_tells_the_sha256_of_every_file_of_our_archives_too() -> None:
    packed = pack(Compression.XZ, CONTENTS)

    found = {entry.name: sha256 for entry, sha256 in scan(io.BytesIO(packed.raw), max_bytes=EVERYTHING)}

    assert {f"{FOLDER}/{file.name}": file.sha256 for file in FILES}.items() <= found.items()


def test_a_scan_stops_before_it_decompresses_more_than_it_may() -> None:
    raw = gzipped(member("a", bytes(50_000)), member("b", bytes(50_000)), END)

    found = scan(raw, max_bytes=90_000)

    assert next(found)[1] == hashlib.sha256(bytes(50_000)).digest()
    with pytest.raises(ArchiveDamaged, match="more than 90000 bytes"):
        next(found)
