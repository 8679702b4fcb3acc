"""Archives for tests: made as ours are, and made by hand as ours never are."""

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import sys
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final
from uuid import UUID

import pytest

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.encoding import encoder
from media_analysis.archive.format.manifest import ManifestFile, ManifestHead, ManifestWriter
from media_analysis.archive.format.packing import Packer, Placed
from media_analysis.archive.format.reading import verify

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECOMPRESS: Final[Mapping[Compression, Callable[[bytes], bytes]]] = {
    Compression.GZIP: gzip.decompress,
    Compression.BZ2: bz2.decompress,
    Compression.XZ: lzma.decompress,
    Compression.ZSTD: zstd.decompress,
}
"""What others read a whole archive with."""
FOLDER: Final = "20260304_235900_run"
NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
MEMORY_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Content:
    """What is to be archived of a file."""

    name: str
    body: bytes
    media_type: str = "image/jpeg"

    def described(self, number: int) -> ManifestFile:
        return ManifestFile(
            id=UUID(int=number + 1),
            name=self.name,
            filename=self.name.rpartition("/")[2],
            category=self.name.partition("/")[0],
            media_type=self.media_type,
            size_bytes=len(self.body),
            sha256=hashlib.sha256(self.body).digest(),
            parent_id=UUID(int=1) if number else None,
            role="frame",
            ordinal=number,
            instant_seconds=number / 2,
            created_at=NOON,
            stored_at=NOON,
            expires_at=None,
            expiry_explicit=False,
            min_retain_until=None,
        )


@dataclass(frozen=True)
class Packed:
    """An archive, and what its packer said of it."""

    compression: Compression
    raw: bytes
    pieces: Sequence[bytes]
    files: Sequence[ManifestFile]
    placed: Sequence[Placed]
    packer: Packer


def described(contents: Iterable[Content]) -> list[ManifestFile]:
    return [content.described(number) for number, content in enumerate(contents)]


def head_of(described: Sequence[ManifestFile], packed_as: Compression, /, **changes: Any) -> ManifestHead:
    true = ManifestHead(
        folder_name=FOLDER,
        segment=0,
        compression=packed_as.value,
        packed_at=NOON,
        files=len(described),
        size_bytes=sum(file.size_bytes for file in described),
        job={"name": "run", "parameters": {"every": 2.5}},
        sources=[UUID(int=7)],
    )
    return replace(true, **changes)


def manifest_of(
    head: ManifestHead, files: Iterable[ManifestFile], results: Iterable[Mapping[str, Any]] = ({"score": 0.5},)
) -> bytes:
    out = io.BytesIO()
    writer = ManifestWriter(out)
    writer.begin(head)
    for file in files:
        writer.add_file(file)
    for result in results:
        writer.add_result(result)
    writer.add_event({"type": "job.completed"})
    writer.end()
    return out.getvalue()


def pack(compression: Compression, contents: Sequence[Content]) -> Packed:
    files = described(contents)
    manifest = manifest_of(head_of(files, compression), files)
    pieces: list[bytes] = []
    packer = Packer(compression, FOLDER, lambda piece: pieces.append(bytes(piece)))
    packer.add_manifest("manifest.json", io.BytesIO(manifest), len(manifest))
    placed = [packer.add_file(file, io.BytesIO(content.body)) for file, content in zip(files, contents, strict=True)]
    packer.finish()
    return Packed(compression, b"".join(pieces), pieces, files, placed, packer)


def need_program(compression: Compression) -> None:
    """Skip a test where tar has nothing to decompress with."""
    program = {Compression.BZ2: "bzip2"}.get(compression, compression.value)
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def nowhere(piece: memoryview) -> None:
    """Take a piece of an archive and forget it."""


def spool() -> BinaryIO:
    return tempfile.TemporaryFile()


def read_all(raw: bytes) -> dict[str, bytes]:
    """Prove an archive and return what is in it."""
    with verify(io.BytesIO(raw), spool=spool) as proof:
        return {file.name: b"".join(content) for file, _, content in proof.files()}


def member(name: str, body: bytes = b"", **header: Any) -> bytes:
    """Return a tar member made by hand; `header` are fields of TarInfo."""
    entry = tarfile.TarInfo(name)
    entry.size = len(body)
    for field, value in header.items():
        setattr(entry, field, value)
    return entry.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def pax(records: Mapping[str, str]) -> bytes:
    body = b"".join(_record(keyword, value) for keyword, value in records.items())
    return member("pax", body, type=tarfile.XHDTYPE)


def _record(keyword: str, value: str) -> bytes:
    rest = f" {keyword}={value}\n".encode()
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


END: Final = bytes(1024)


def squeezed(compression: Compression, pieces: Iterable[bytes]) -> bytes:
    frame = encoder(compression, squeezed=True)
    return b"".join([*(frame.compress(piece) for piece in pieces), frame.flush()])


def gzipped(*pieces: bytes) -> io.BytesIO:
    return io.BytesIO(squeezed(Compression.GZIP, pieces))


def zeros(size_bytes: int) -> Iterator[bytes]:
    piece = bytes(1024 * 1024)
    return (piece for _ in range(size_bytes // len(piece)))


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Fail what takes more memory than an archive of any size may."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()
