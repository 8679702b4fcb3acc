"""Packing: frames, placements, what was stored and what was squeezed, and what other programs make of it."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.names import Names
from media_analysis.archive.format.packing import PIECE_BYTES, Packer
from media_analysis.archive.format.reading import read_member, verify
from media_analysis.errors import ArchiveDamaged
from tests.archive.format.archives import (
    DECOMPRESS,
    FOLDER,
    Content,
    Packed,
    bounded_memory,
    described,
    need_program,
    nowhere,
    pack,
    read_all,
    spool,
)

JPEG: Final = "image/jpeg"
JSON: Final = "application/json"
TEXT: Final = "".join(f'{{"frame": {number}, "label": "person"}}\n' for number in range(2_000)).encode()
MIXED: Final = [
    Content("frames/frame-000001.jpg", os.urandom(70_000)),
    Content("frames/größe.jpg", os.urandom(512)),
    Content(f"frames/{'long' * 45}.jpg", b""),
    Content("outputs/result.json", TEXT, JSON),
    Content("outputs/empty.json", b"", JSON),
    Content("frames/frame-000002.jpg", os.urandom(65_535)),
]
sizes = st.one_of(st.integers(0, 1100), st.sampled_from([65_535, 65_536, 131_072, 1_048_064, 1_048_576, 1_100_000]))
every_compression = pytest.mark.parametrize("compression", Compression)


class Endless(io.RawIOBase):
    """A file of zeros that says nothing of its length."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return len(buffer)


def member(packed: Packed, number: int) -> bytes:
    """Read one member where it was placed."""
    file, place = packed.files[number], packed.placed[number]
    chunks = read_member(
        io.BytesIO(packed.raw),
        packed.compression,
        frame_offset=place.frame_offset,
        skip_bytes=place.skip_bytes,
        name=f"{FOLDER}/{file.name}",
        size_bytes=file.size_bytes,
        sha256=file.sha256,
    )
    return b"".join(chunks)


@settings(deadline=None, max_examples=40)
@given(
    compression=st.sampled_from(Compression),
    drawn=st.lists(st.tuples(st.text(max_size=60), sizes, st.sampled_from([JPEG, JSON])), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_any_files_come_back_whole_and_one_by_one(
    compression: Compression, drawn: list[tuple[str, int, str]], order: Random
) -> None:
    names = Names()
    contents = [
        Content(
            names.choose("frames", name),
            hashlib.sha256(name.encode(errors="replace")).digest() * (size // 32) + b"x" * (size % 32),
            media_type,
        )
        for name, size, media_type in drawn
    ]

    packed = pack(compression, contents)

    assert read_all(packed.raw) == {content.name: content.body for content in contents}
    for number in order.sample(range(len(contents)), len(contents)):
        assert member(packed, number) == contents[number].body


@every_compression
def test_system_tar_lists_and_unpacks_an_archive(compression: Compression, tmp_path: Path) -> None:
    need_program(compression)
    packed = pack(compression, MIXED)
    archive = tmp_path / f"{FOLDER}.{compression.suffix}"
    archive.write_bytes(packed.raw)

    listed = subprocess.run(
        ["tar", "--list", "--quoting-style=literal", "--file", archive], capture_output=True, check=True, text=True
    )
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", tmp_path], check=True)

    assert listed.stdout.splitlines() == [f"{FOLDER}/manifest.json", *(f"{FOLDER}/{each.name}" for each in MIXED)]
    assert listed.stderr == ""
    for content in MIXED:
        assert (tmp_path / FOLDER / content.name).read_bytes() == content.body
    manifest = json.loads((tmp_path / FOLDER / "manifest.json").read_bytes())
    assert [file["name"] for file in manifest["files"]] == [content.name for content in MIXED]


@every_compression
def test_other_libraries_decompress_all_of_it_and_find_a_tar(compression: Compression) -> None:
    tar = DECOMPRESS[compression](pack(compression, MIXED).raw)

    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        found = {
            entry.name.removeprefix(f"{FOLDER}/"): content.read()
            for entry in opened
            if (content := opened.extractfile(entry)) is not None
        }
    assert {name: found[name] for name in found if name != "manifest.json"} == {each.name: each.body for each in MIXED}


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_media_are_stored_and_text_is_squeezed_and_the_packer_says_so(compression: Compression) -> None:
    media, text = os.urandom(3_000_000), TEXT * 10

    packer = pack(compression, [Content("frames/a.jpg", media), Content("outputs/a.json", text, JSON)]).packer

    assert packer.packed[JPEG].raw_bytes == len(media)
    assert len(media) < packer.packed[JPEG].packed_bytes < len(media) * 1.002
    assert packer.packed[JSON].packed_bytes < packer.packed[JSON].raw_bytes / 4


@every_compression
def test_what_the_types_take_is_the_archive_but_for_its_end(compression: Compression) -> None:
    packed = pack(compression, [*MIXED, Content("outputs/log.txt", TEXT, "text/plain")])

    amounts = packed.packer.packed
    ending = len(packed.raw) - sum(amount.packed_bytes for amount in amounts.values())

    assert set(amounts) == {JPEG, JSON, "text/plain"}
    assert amounts["text/plain"].raw_bytes == len(TEXT)
    assert 0 < ending < 100
    assert packed.packer.size_bytes == len(packed.raw)


def test_small_members_share_a_frame_until_it_is_full() -> None:
    small = [Content(f"frames/{number}.jpg", os.urandom(1_000_000)) for number in range(6)]

    placed = pack(Compression.GZIP, small).placed

    starts = [place.frame_offset for place in placed]
    assert starts[0] == starts[1] == starts[2] == starts[3] < starts[4] == starts[5]
    assert [place.skip_bytes for place in placed[:4]] == [number * 1_000_960 for number in range(4)]
    assert placed[4].skip_bytes == 0


def test_a_large_member_has_a_frame_of_its_own() -> None:
    contents = [Content("frames/a.jpg", b"a"), Content("uploads/b.mp4", os.urandom(5_000_000), "video/mp4")]

    placed = pack(Compression.ZSTD, [*contents, Content("frames/c.jpg", b"c")]).placed

    assert [place.skip_bytes for place in placed] == [0, 0, 0]
    assert len({place.frame_offset for place in placed}) == 3


def test_stored_and_squeezed_members_share_no_frame() -> None:
    contents = [Content("frames/a.jpg", b"a"), Content("outputs/b.json", b"{}", JSON), Content("frames/c.jpg", b"c")]

    placed = pack(Compression.GZIP, contents).placed

    assert len({place.frame_offset for place in placed}) == 3


@every_compression
def test_the_proof_finds_every_file_where_the_packer_put_it(compression: Compression) -> None:
    packed = pack(compression, MIXED)

    with verify(io.BytesIO(packed.raw), spool=spool) as proof:
        found = [place for _, place, _ in proof.files()]

    assert found == packed.placed


def test_the_sink_gets_pieces_of_a_bounded_size() -> None:
    packed = pack(Compression.GZIP, [Content("uploads/a.mp4", os.urandom(9_000_000), "video/mp4"), *MIXED])

    assert max(map(len, packed.pieces)) <= PIECE_BYTES
    assert len(packed.pieces) == -(-len(packed.raw) // PIECE_BYTES)


def test_a_piece_stays_as_it_is_while_the_next_one_is_filled() -> None:
    content = Content("uploads/a.mp4", os.urandom(5_000_000), "video/mp4")
    (file,) = described([content])
    taken, kept = io.BytesIO(), memoryview(b"")

    def lag_behind(piece: memoryview) -> None:
        nonlocal kept
        taken.write(kept)
        kept = piece

    packer = Packer(Compression.GZIP, FOLDER, lag_behind)
    packer.add_file(file, io.BytesIO(content.body))
    packer.finish()
    taken.write(kept)

    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(taken.getvalue()))) as tar:
        member = tar.extractfile(f"{FOLDER}/{file.name}")
        assert member is not None
        assert member.read() == content.body


@pytest.mark.parametrize("size_change", [-1, 1, -512, 512, 2_000_000])
def test_a_stored_object_of_another_size_is_refused(size_change: int) -> None:
    content = Content("frames/a.jpg", os.urandom(3_000_000))
    file = described([content])[0]
    packer = Packer(Compression.GZIP, FOLDER, nowhere)

    with pytest.raises(ArchiveDamaged, match="the stored object has") as refused:
        packer.add_file(replace(file, size_bytes=file.size_bytes + size_change), io.BytesIO(content.body))

    assert refused.value.member == "frames/a.jpg"


def test_a_manifest_too_large_to_be_read_again_is_refused() -> None:
    packer = Packer(Compression.GZIP, FOLDER, nowhere)

    with pytest.raises(ArchiveDamaged, match="the manifest would have more"):
        packer.add_manifest("manifest.json", io.BytesIO(), 300 * 1024 * 1024)


@pytest.mark.parametrize("media_type", [JPEG, JSON])
@every_compression
def test_a_large_file_is_packed_in_bounded_memory(compression: Compression, media_type: str) -> None:
    file = replace(described([Content("uploads/a", b"", media_type)])[0], size_bytes=48 * 1024 * 1024)
    packer = Packer(compression, FOLDER, nowhere)

    with bounded_memory():
        with pytest.raises(ArchiveDamaged, match="has more than"):
            packer.add_file(file, Endless())
        packer.finish()


def test_a_header_for_more_than_eight_gigabytes_can_be_read() -> None:
    raw = io.BytesIO()
    packer = Packer(Compression.GZIP, FOLDER, raw.write)
    huge = replace(described([Content("uploads/a.mp4", b"", "video/mp4")])[0], size_bytes=9 * 1024**3)

    with pytest.raises(ArchiveDamaged, match="has only 0 of"):
        packer.add_file(huge, io.BytesIO())
    packer.finish()

    name = f"{FOLDER}/{huge.name}"
    chunks = read_member(raw, Compression.GZIP, frame_offset=0, skip_bytes=0, name=name, size_bytes=huge.size_bytes)

    with pytest.raises(ArchiveDamaged):
        list(chunks)
