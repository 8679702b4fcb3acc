"""Packing: files become tar members in frames, in one pass and in bounded memory."""

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from media_analysis.archive.format.compression import Compression, is_squeezable
from media_analysis.archive.format.encoding import FrameEncoder, encoder
from media_analysis.archive.format.facts import MANIFEST_BYTES, ManifestFile
from media_analysis.errors import ArchiveDamaged
from media_analysis.storage.store import Piece

PIECE_BYTES: Final = 512 * 1024
"""What is read and passed on at once: it stays within a core's cache, and its memory is used again and again."""
_SQUEEZED_FRAME_BYTES: Final = 1024 * 1024
_STORED_FRAME_BYTES: Final = 4 * 1024 * 1024
"""What is decompressed to reach a member in its middle; stored bytes are passed over ten times as fast."""
_MANIFEST_TYPE: Final = "application/json"
_MODE: Final = 0o644
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
END_OF_ARCHIVE: Final = bytes(2 * tarfile.BLOCKSIZE)


class MemberSource(Protocol):
    """What a member's bytes are read from, such as an unbuffered file."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...
    def read(self, size: int, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a member lies: its frame, and how far into it, decompressed, its header is."""

    id: UUID
    frame_offset: int
    skip_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAmount:
    """How many bytes went in, and how many of the archive they take."""

    raw_bytes: int = 0
    packed_bytes: int = 0

    def plus(self, raw_bytes: int, packed_bytes: int) -> "PackedAmount":
        return PackedAmount(raw_bytes=self.raw_bytes + raw_bytes, packed_bytes=self.packed_bytes + packed_bytes)


class Packer:
    """Writes an archive of one folder to `sink`, in pieces; the memory of one is the packer's when the next returned.

    The manifest comes first, then the files in its order, then the end; the caller sees to that.
    """

    def __init__(self, compression: Compression, folder_name: str, sink: Callable[[memoryview], object]) -> None:
        self._compression = compression
        self._folder = folder_name
        self._out = _Gathering(sink)
        self._frame: _Frame | None = None
        self._input = memoryview(bytearray(PIECE_BYTES))
        self._packed: dict[str, PackedAmount] = {}

    @property
    def size_bytes(self) -> int:
        """How large the archive is so far; all of it has reached the sink only after `finish`."""
        return self._out.size_bytes

    @property
    def packed(self) -> Mapping[str, PackedAmount]:
        """What each media type took before and after, headers with it; what is in an open frame is not counted yet."""
        return self._packed

    def add_manifest(
        self, name: str, source: MemberSource, size_bytes: int, *, modified_at: datetime | None = None
    ) -> None:
        """Pack the manifest in a frame of its own.

        Raises:
            ArchiveDamaged: `source` has another size, or the manifest is too large to be read again.

        """
        if size_bytes > MANIFEST_BYTES:
            raise ArchiveDamaged(f"the manifest would have more than {MANIFEST_BYTES} bytes")
        self._close_frame()
        header = _header(f"{self._folder}/{name}", size_bytes, modified_at or _EPOCH)
        self._add(name, header, source, size_bytes, _MANIFEST_TYPE)
        self._close_frame()

    def add_file(self, file: ManifestFile, source: MemberSource) -> Placed:
        """Pack a file and return where it lies.

        Raises:
            ArchiveDamaged: `source` does not have the size that `file` says.

        """
        header = _header(f"{self._folder}/{file.name}", file.size_bytes, file.stored_at)
        frame = self._add(file.name, header, source, file.size_bytes, file.media_type)
        skip_bytes = frame.tar_bytes - len(header) - _padded(file.size_bytes)
        return Placed(id=file.id, frame_offset=frame.offset, skip_bytes=skip_bytes)

    def finish(self) -> None:
        """Write the end of the archive in a frame of its own, and everything to the sink."""
        self._close_frame()
        ending = encoder(self._compression, squeezed=True)
        self._out.write(ending.compress(END_OF_ARCHIVE))
        self._out.write(ending.flush())
        self._out.flush()

    def _add(self, name: str, header: bytes, source: MemberSource, size_bytes: int, media_type: str) -> "_Frame":
        frame = self._frame_for(len(header) + _padded(size_bytes), squeezed=is_squeezable(media_type))
        self._out.write(frame.add(header))
        for piece in _exactly(source, size_bytes, name, self._input):
            self._out.write(frame.add(piece))
        self._out.write(frame.add(bytes(_padded(size_bytes) - size_bytes)))
        frame.count(media_type, size_bytes, len(header) + _padded(size_bytes))
        return frame

    def _frame_for(self, tar_bytes: int, *, squeezed: bool) -> "_Frame":
        """Return the open frame if a member of this size may join it, a new one otherwise."""
        frame = self._frame
        if frame is None or frame.squeezed != squeezed or frame.tar_bytes + tar_bytes > frame.most_bytes:
            self._close_frame()
            frame = self._frame = _Frame(self._compression, squeezed=squeezed, offset=self._out.size_bytes)
        return frame

    def _close_frame(self) -> None:
        frame, self._frame = self._frame, None
        if frame is None:
            return
        self._out.write(frame.end())
        for media_type, raw_bytes, packed_bytes in frame.shares(self._out.size_bytes - frame.offset):
            self._packed[media_type] = self._packed.get(media_type, PackedAmount()).plus(raw_bytes, packed_bytes)


class _Frame:
    """A frame being written, and what is in it by media type."""

    def __init__(self, compression: Compression, *, squeezed: bool, offset: int) -> None:
        self._encoder: FrameEncoder = encoder(compression, squeezed=squeezed)
        self._raw: dict[str, int] = {}
        self._tar: dict[str, int] = {}
        self.squeezed = squeezed
        self.most_bytes = _SQUEEZED_FRAME_BYTES if squeezed else _STORED_FRAME_BYTES
        self.offset = offset
        self.tar_bytes = 0

    def add(self, piece: Piece) -> bytes:
        self.tar_bytes += len(piece)
        return self._encoder.compress(piece) if piece else b""

    def end(self) -> bytes:
        return self._encoder.flush()

    def count(self, media_type: str, raw_bytes: int, tar_bytes: int) -> None:
        self._raw[media_type] = self._raw.get(media_type, 0) + raw_bytes
        self._tar[media_type] = self._tar.get(media_type, 0) + tar_bytes

    def shares(self, packed_bytes: int) -> Iterator[tuple[str, int, int]]:
        """Yield each media type with its bytes before and after; what the frame takes is shared out in full."""
        before = 0
        for media_type, tar_bytes in self._tar.items():
            share = (before + tar_bytes) * packed_bytes // self.tar_bytes - before * packed_bytes // self.tar_bytes
            before += tar_bytes
            yield media_type, self._raw[media_type], share


class _Gathering:
    """Passes on pieces of one size: one memory is filled while the sink has the other."""

    def __init__(self, sink: Callable[[memoryview], object]) -> None:
        self._sink = sink
        self._filling, self._passed = (memoryview(bytearray(PIECE_BYTES)) for _ in range(2))
        self._filled = 0
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        rest = memoryview(piece)
        while rest:
            taken = rest[: PIECE_BYTES - self._filled]
            self._filling[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            rest = rest[len(taken) :]
            if self._filled == PIECE_BYTES:
                self.flush()

    def flush(self) -> None:
        if self._filled:
            self._sink(self._filling[: self._filled])
            self._filling, self._passed = self._passed, self._filling
            self._filled = 0


def _header(name: str, size_bytes: int, modified_at: datetime) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    member.mode = _MODE
    member.mtime = int(modified_at.timestamp())
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _exactly(source: MemberSource, size_bytes: int, name: str, memory: memoryview) -> Iterator[memoryview]:
    left = size_bytes
    while left:
        read = source.readinto(memory[: min(left, len(memory))])
        if not read:
            raise ArchiveDamaged(f"the stored object has only {size_bytes - left} of {size_bytes} bytes", member=name)
        left -= read
        yield memory[:read]
    if source.read(1):
        raise ArchiveDamaged(f"the stored object has more than {size_bytes} bytes", member=name)
