"""An archive that lost or changed a single bit: refused, or every file is what it was."""

import io
from typing import Final

import pytest

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.reading import read_member, verify
from media_analysis.errors import ArchiveDamaged
from tests.archive.format.archives import DECOMPRESS, FOLDER, Content, Packed, pack, read_all, spool, squeezed

CONTENTS: Final = [
    Content("frames/a.jpg", bytes(range(256))),
    Content("frames/größe.jpg", b""),
    Content("outputs/c.json", b'{"a": 1}' * 20, "application/json"),
]
WHOLE: Final = {content.name: content.body for content in CONTENTS}
every_compression = pytest.mark.parametrize("compression", Compression)


def read_placed(packed: Packed, raw: bytes, number: int) -> bytes:
    file, place = packed.files[number], packed.placed[number]
    chunks = read_member(
        io.BytesIO(raw),
        packed.compression,
        frame_offset=place.frame_offset,
        skip_bytes=place.skip_bytes,
        name=f"{FOLDER}/{file.name}",
        size_bytes=file.size_bytes,
        sha256=file.sha256,
    )
    return b"".join(chunks)


@every_compression
def test_one_bit_changed_anywhere_is_refused_or_does_no_harm(compression: Compression) -> None:
    packed = pack(compression, CONTENTS)
    refused = 0

    for position in range(len(packed.raw)):
        changed = bytearray(packed.raw)
        changed[position] ^= 1 << position % 8
        try:
            assert read_all(bytes(changed)) == WHOLE
        except ArchiveDamaged:
            refused += 1

    assert refused > 0.9 * len(packed.raw)


@every_compression
def test_one_bit_changed_anywhere_does_not_change_a_member_read_by_itself(compression: Compression) -> None:
    packed = pack(compression, CONTENTS)

    for position in range(packed.placed[0].frame_offset, len(packed.raw)):
        changed = bytearray(packed.raw)
        changed[position] ^= 128 >> position % 8
        for number, content in enumerate(CONTENTS):
            try:
                assert read_placed(packed, bytes(changed), number) == content.body
            except ArchiveDamaged as damage:
                assert damage.reason  # noqa: PT017  # either of the two is right


@every_compression
def test_an_archive_cut_off_anywhere_is_refused(compression: Compression) -> None:
    raw = pack(compression, CONTENTS).raw

    for length in range(len(raw)):
        with pytest.raises(ArchiveDamaged), verify(io.BytesIO(raw[:length]), spool=spool) as proof:
            proof.check()


@every_compression
def test_a_tar_cut_off_at_any_block_and_compressed_again_is_refused(compression: Compression) -> None:
    tar = DECOMPRESS[compression](pack(compression, CONTENTS).raw)
    assert len(tar) % 512 == 0

    for length in range(0, len(tar), 512):
        again = squeezed(compression, [tar[:length]])
        with pytest.raises(ArchiveDamaged), verify(io.BytesIO(again), spool=spool) as proof:
            proof.check()


@every_compression
def test_what_follows_an_archive_is_refused(compression: Compression) -> None:
    raw = pack(compression, CONTENTS).raw

    for rest in (b"\x00", b"rest", raw, squeezed(compression, [b"rest"])):
        with pytest.raises(ArchiveDamaged), verify(io.BytesIO(raw + rest), spool=spool) as proof:
            proof.check()
