"""Frames being written: squeezed by a library, or stored with next to no work where the format has a form for it."""

import bz2
import lzma
import sys
from collections.abc import Iterator, Mapping
from typing import Final, Protocol, assert_never

from isal import isal_zlib

from media_analysis.archive.format.compression import Compression
from media_analysis.storage.store import Piece

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_BLOCK_BYTES: Final = 65_535
_GZIP_FULL_BLOCK: Final = b"\x00\xff\xff\x00\x00"
_GZIP_LAST_BLOCK: Final = b"\x01\x00\x00\xff\xff"
_GZIP_LEVEL: Final = 2
_GZIP_WINDOW: Final = 31
_ZSTD_HEADER: Final = Compression.ZSTD.magic + b"\x00\x38"
"""No content size, no checksum, a window of 128 KiB, which is also the most a block may have."""
_ZSTD_BLOCK_BYTES: Final = 128 * 1024
_ZSTD_LAST_BLOCK: Final = b"\x01\x00\x00"
_ZSTD_OPTIONS: Final[Mapping[int, int]] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}
_BZ2_LEVEL: Final = 9
_XZ_STORED: Final = 0
_XZ_SQUEEZED: Final = 6
_XZ_DICTIONARY_BYTES: Final = 1024 * 1024
"""A squeezed frame is seldom longer, and the encoder takes about twelve times as much."""


class FrameEncoder(Protocol):
    """Turns the chunks of one frame into compressed bytes."""

    def compress(self, chunk: Piece, /) -> bytes:
        """Return what is complete of the frame once it holds another chunk; may be nothing yet."""

    def flush(self) -> bytes:
        """Return the rest of the frame; nothing can be added to it any more."""


class StoredGzip:
    """A gzip member of stored blocks (RFC 1951, 3.2.4; RFC 1952); the last one is empty, for no length is known before.

    isal's level 0 is slow and not stored.
    """

    def __init__(self) -> None:
        self._header = _GZIP_HEADER
        self._crc = 0
        self._size_bytes = 0

    def compress(self, chunk: Piece, /) -> bytes:
        self._crc = isal_zlib.crc32(chunk, self._crc)
        self._size_bytes += len(chunk)
        header, self._header = self._header, b""
        return b"".join((header, *_gzip_blocks(chunk)))

    def flush(self) -> bytes:
        trailer = self._crc.to_bytes(4, "little") + (self._size_bytes & 0xFFFF_FFFF).to_bytes(4, "little")
        return self._header + _GZIP_LAST_BLOCK + trailer


class StoredZstd:
    """A zstd frame of raw blocks (RFC 8878, 3.1.1), ended by an empty one."""

    def __init__(self) -> None:
        self._header = _ZSTD_HEADER

    def compress(self, chunk: Piece, /) -> bytes:
        header, self._header = self._header, b""
        return b"".join((header, *_zstd_blocks(chunk)))

    def flush(self) -> bytes:
        return self._header + _ZSTD_LAST_BLOCK


def encoder(compression: Compression, *, squeezed: bool) -> FrameEncoder:
    """Begin a frame; bz2 and xz have no stored form, xz at least a quick one."""
    match compression:
        case Compression.GZIP:
            return isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW) if squeezed else StoredGzip()
        case Compression.BZ2:
            return bz2.BZ2Compressor(_BZ2_LEVEL)
        case Compression.XZ:
            return _xz(_XZ_SQUEEZED if squeezed else _XZ_STORED)
        case Compression.ZSTD:
            return zstd.ZstdCompressor(options=_ZSTD_OPTIONS) if squeezed else StoredZstd()
    assert_never(compression)


def _xz(preset: int) -> FrameEncoder:
    dictionary = {"dict_size": _XZ_DICTIONARY_BYTES} if preset else {}
    return lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": preset, **dictionary}])


def _gzip_blocks(chunk: Piece) -> Iterator[Piece]:
    for block in _blocks(chunk, _GZIP_BLOCK_BYTES):
        yield _GZIP_FULL_BLOCK if len(block) == _GZIP_BLOCK_BYTES else _gzip_block_header(len(block))
        yield block


def _gzip_block_header(size_bytes: int) -> bytes:
    return b"\x00" + size_bytes.to_bytes(2, "little") + (size_bytes ^ 0xFFFF).to_bytes(2, "little")


def _zstd_blocks(chunk: Piece) -> Iterator[Piece]:
    for block in _blocks(chunk, _ZSTD_BLOCK_BYTES):
        yield (len(block) << 3).to_bytes(3, "little")
        yield block


def _blocks(chunk: Piece, size: int) -> Iterator[memoryview]:
    view = memoryview(chunk)
    return (view[start : start + size] for start in range(0, len(chunk), size))
