"""Frames being read: a concatenation of them as one run of bytes that knows where each frame starts."""

import bz2
import lzma
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, Protocol, assert_never

from isal import igzip_lib

from media_analysis.archive.format.compression import Compression
from media_analysis.errors import ArchiveDamaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES: Final = 256 * 1024
"""The most that lies decompressed and unread; larger pieces are memory fetched anew each time, at half the speed."""
_INPUT_BYTES: Final = 256 * 1024
_FIRST_STEP_BYTES: Final = 16 * 1024
_XZ_MEMORY_BYTES: Final = 64 * 1024 * 1024
_ZSTD_OPTIONS: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
_REFUSALS: Final[tuple[Any, ...]] = (
    igzip_lib.IsalError,  # which its stub takes for an instance
    lzma.LZMAError,
    zstd.ZstdError,
    OSError,
    ValueError,
    EOFError,
)


class _Decoder(Protocol):
    """One frame's decompressor, as bz2, lzma, zstd and igzip_lib have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Any, /, max_length: int = -1) -> bytes: ...


class FrameReader:
    """Reads what lies compressed in the frames from the place `raw` is at, in bounded memory.

    `base` is that place; every frame offset counts from it.
    """

    def __init__(self, raw: BinaryIO, compression: Compression, *, base: int = 0) -> None:
        self._raw = raw
        self._compression = compression
        self._input = b""
        self._taken = 0
        self._input_offset = base
        self._decoder: _Decoder | None = None
        self._step = _FIRST_STEP_BYTES
        self._frame_offset = base
        self._frame_position = 0
        self._ready = b""
        self._served = 0
        self._begun = False
        self.position = 0
        """How many decompressed bytes have been read."""

    def read(self, size_bytes: int) -> bytes:
        """Return the next bytes, at most `size_bytes` of one frame, and none only at the end of the last frame.

        Raises:
            ArchiveDamaged: the frames are cut off, do not fit their checksums, or something else follows them.

        """
        if not self._fill():
            return b""
        whole = self._served == 0 and len(self._ready) <= size_bytes
        piece = self._ready if whole else self._ready[self._served : self._served + size_bytes]
        self._served += len(piece)
        self.position += len(piece)
        return piece

    @property
    def frame_offset(self) -> int:
        """Where the frame of the next byte starts; at the end of all frames, their end."""
        self._fill()
        return self._frame_offset

    @property
    def skip_bytes(self) -> int:
        """How many decompressed bytes lie between that and the next byte."""
        self._fill()
        return self.position - self._frame_position

    def _fill(self) -> bool:
        """Have a byte ready, in whatever frame it is; tell whether there is one."""
        while self._served == len(self._ready):
            decoder = self._decoder or self._begin_frame()
            if decoder is None:
                return False
            self._ready, self._served = self._decompress(decoder), 0
        return True

    def _begin_frame(self) -> _Decoder | None:
        head = self._peek(len(self._compression.magic))
        self._frame_offset = self._input_offset - len(self._input) + self._taken
        self._frame_position = self.position
        if not head and self._begun:
            return None
        if head != self._compression.magic:
            raise ArchiveDamaged(self._not_a_frame(head))
        self._decoder = _decoder(self._compression)
        self._step = _FIRST_STEP_BYTES
        self._begun = True
        return self._decoder

    def _not_a_frame(self, head: bytes) -> str:
        if self._begun:
            return f"after {self._frame_offset} bytes follows something that is not {self._compression}"
        return f"the archive is not {self._compression}" if head else "the archive is empty"

    def _decompress(self, decoder: _Decoder) -> bytes:
        given = self._next_input() if decoder.needs_input else memoryview(b"")
        if decoder.needs_input and not given:
            raise ArchiveDamaged("the archive ends within a frame")
        try:
            piece = decoder.decompress(given, PIECE_BYTES)
        except _REFUSALS as error:
            raise ArchiveDamaged(f"the frame at {self._frame_offset} cannot be decompressed: {error}") from error
        if decoder.eof:
            self._taken -= len(decoder.unused_data)
            self._decoder = None
        return piece

    def _next_input(self) -> memoryview:
        """Return some more compressed bytes: few at a frame's start, for a decoder copies those behind its end."""
        if self._taken == len(self._input):
            self._read_input(b"")
        given = memoryview(self._input)[self._taken : self._taken + self._step]
        self._taken += len(given)
        self._step = _INPUT_BYTES
        return given

    def _peek(self, size: int) -> bytes:
        while len(self._input) - self._taken < size:
            if not self._read_input(self._input[self._taken :]):
                break
        return self._input[self._taken : self._taken + size]

    def _read_input(self, rest: bytes) -> bool:
        more = self._raw.read(_INPUT_BYTES)
        self._input_offset += len(more)
        self._input, self._taken = rest + more, 0
        return len(more) > 0


def _decoder(compression: Compression) -> _Decoder:
    match compression:
        case Compression.GZIP:
            return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        case Compression.BZ2:
            return bz2.BZ2Decompressor()
        case Compression.XZ:
            return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)
        case Compression.ZSTD:
            return zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
    assert_never(compression)
