"""Frames: written stored or squeezed, read back with the place of every byte."""

import io
import lzma
import os
import struct
from itertools import accumulate
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.encoding import encoder
from media_analysis.archive.format.frames import FrameReader
from media_analysis.errors import ArchiveDamaged
from tests.archive.format.archives import DECOMPRESS, bounded_memory, squeezed, zeros

SIZES: Final = [0, 1, 65_534, 65_535, 65_536, 131_071, 131_072, 131_073, 3_000_000]
Chunks = list[bytes]


def written(compression: Compression, chunks: Chunks, *, squeezed: bool) -> bytes:
    frame = encoder(compression, squeezed=squeezed)
    return b"".join([*map(frame.compress, chunks), frame.flush()])


def read(frames: FrameReader, piece_bytes: int = 1 << 20) -> bytes:
    return b"".join(iter(lambda: frames.read(piece_bytes), b""))


class Dripping(io.BytesIO):
    """A file that gives three bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002
        return super().read(3)


every_compression = pytest.mark.parametrize("compression", Compression)


@pytest.mark.parametrize("squeezed", [True, False])
@pytest.mark.parametrize("size", SIZES)
@every_compression
def test_other_programs_read_a_frame_of_any_size(compression: Compression, size: int, *, squeezed: bool) -> None:
    content = os.urandom(size)

    frame = written(compression, [content[:100_000], content[100_000:]], squeezed=squeezed)

    assert DECOMPRESS[compression](frame) == content
    assert read(FrameReader(io.BytesIO(frame), compression)) == content


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_a_stored_frame_is_hardly_longer_than_what_it_holds(compression: Compression) -> None:
    content = os.urandom(4_000_000)

    frame = written(compression, [content], squeezed=False)

    assert len(content) < len(frame) < len(content) * 1.0002
    assert content[1000:2000] in frame


@every_compression
def test_a_squeezed_frame_of_text_is_short(compression: Compression) -> None:
    text = "".join(f'{{"frame": {number}, "label": "person"}}\n' for number in range(20_000)).encode()

    assert len(written(compression, [text], squeezed=True)) < len(text) / 4


def test_a_squeezed_gzip_frame_says_nothing_of_when_it_was_made() -> None:
    assert struct.unpack("<I", written(Compression.GZIP, [b"text"], squeezed=True)[4:8]) == (0,)


frames_of_chunks = st.lists(
    st.tuples(st.booleans(), st.lists(st.binary(max_size=300), max_size=4)), min_size=1, max_size=6
)


@given(compression=st.sampled_from(Compression), frames=frames_of_chunks, piece_bytes=st.integers(1, 400))
def test_every_byte_is_found_again_from_the_start_of_its_frame(
    compression: Compression, frames: list[tuple[bool, Chunks]], piece_bytes: int
) -> None:
    parts = [written(compression, chunks, squeezed=squeezed) for squeezed, chunks in frames]
    raw = b"".join(parts)
    reader = FrameReader(io.BytesIO(raw), compression, base=1000)
    content = b"".join(b"".join(chunks) for _, chunks in frames)
    starts = {1000 + start for start in accumulate((len(part) for part in parts), initial=0)}

    while reader.position < len(content):
        position, offset, skip = reader.position, reader.frame_offset, reader.skip_bytes
        piece = reader.read(piece_bytes)

        assert piece == content[position : position + len(piece)]
        assert offset in starts
        rest = read(FrameReader(io.BytesIO(raw[offset - 1000 :]), compression))
        assert rest[skip:] == content[position:]
    assert reader.read(1) == b""
    assert reader.frame_offset == 1000 + len(raw)
    assert reader.skip_bytes == 0


@every_compression
def test_the_byte_behind_a_frame_belongs_to_the_next_one(compression: Compression) -> None:
    first, second = (written(compression, [body], squeezed=True) for body in (b"first", b"second"))
    reader = FrameReader(io.BytesIO(first + second), compression)

    reader.read(len(b"first"))

    assert (reader.frame_offset, reader.skip_bytes) == (len(first), 0)


@pytest.mark.parametrize("squeezed", [True, False])
@every_compression
def test_frames_come_from_a_file_in_pieces_of_any_size(compression: Compression, *, squeezed: bool) -> None:
    frames = b"".join(written(compression, [body], squeezed=squeezed) for body in (b"a" * 999, b"", b"b" * 5))

    assert read(FrameReader(Dripping(frames), compression), 7) == b"a" * 999 + b"b" * 5


@every_compression
def test_what_was_squeezed_a_thousandfold_is_read_in_bounded_memory(compression: Compression) -> None:
    bomb = io.BytesIO(squeezed(compression, zeros(256 * 1024 * 1024)))

    with bounded_memory():
        reader = FrameReader(bomb, compression)
        while reader.read(1 << 30):
            pass

    assert reader.position == 256 * 1024 * 1024


@pytest.mark.parametrize("squeezed", [True, False])
@every_compression
def test_frames_cut_off_anywhere_are_refused(compression: Compression, *, squeezed: bool) -> None:
    frame = written(compression, [b"content " * 20], squeezed=squeezed)

    for length in range(len(frame)):
        with pytest.raises(ArchiveDamaged):
            read(FrameReader(io.BytesIO(frame[:length]), compression))
        with pytest.raises(ArchiveDamaged):
            read(FrameReader(io.BytesIO(frame + frame[: length or 1]), compression))


@pytest.mark.parametrize("rest", [b"\x00", bytes(512), b"garbage", b"\x1f\x8b"])
@every_compression
def test_what_follows_the_last_frame_is_refused(compression: Compression, rest: bytes) -> None:
    frame = written(compression, [b"content"], squeezed=True)

    with pytest.raises(ArchiveDamaged, match=f"after {len(frame)} bytes follows something that is not {compression}"):
        read(FrameReader(io.BytesIO(frame + rest), compression))


@every_compression
def test_nothing_is_no_frame(compression: Compression) -> None:
    with pytest.raises(ArchiveDamaged, match="the archive is empty"):
        FrameReader(io.BytesIO(), compression).read(1)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.BZ2, Compression.XZ])
def test_a_wrong_checksum_is_refused(compression: Compression) -> None:
    frame = bytearray(written(compression, [b"content " * 20], squeezed=True))
    frame[{Compression.GZIP: -6, Compression.BZ2: 12, Compression.XZ: 10}[compression]] ^= 1

    with pytest.raises(ArchiveDamaged, match="cannot be decompressed"):
        read(FrameReader(io.BytesIO(frame), compression))


def test_a_stored_gzip_frame_that_says_another_sum_is_refused() -> None:
    frame = bytearray(written(Compression.GZIP, [b"content"], squeezed=False))
    frame[20] ^= 1

    with pytest.raises(ArchiveDamaged, match="cannot be decompressed"):
        read(FrameReader(io.BytesIO(frame), Compression.GZIP))


def test_xz_that_wants_a_large_dictionary_is_refused() -> None:
    greedy = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 * 1024 * 1024}]
    raw = lzma.compress(b"content", filters=greedy)

    with pytest.raises(ArchiveDamaged, match="emory"):
        read(FrameReader(io.BytesIO(raw), Compression.XZ))


def test_zstd_that_wants_a_large_window_is_refused() -> None:
    raw = Compression.ZSTD.magic + b"\x00" + bytes([(27 - 10) << 3]) + b"\x01\x00\x00"

    with pytest.raises(ArchiveDamaged, match="cannot be decompressed"):
        read(FrameReader(io.BytesIO(raw), Compression.ZSTD))
