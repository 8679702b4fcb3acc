"""Reading old archives in a thread: whether they are of ours, whether they are whole, and what is in each."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Final, NamedTuple, Self, cast

import orjson
from pydantic import TypeAdapter

from media_analysis.archive.format.compression import Compression, detect
from media_analysis.archive.format.facts import FORMAT
from media_analysis.archive.format.frames import FrameReader
from media_analysis.archive.format.manifest import ManifestFile, ManifestHead
from media_analysis.archive.format.reading import TarReader, verify
from media_analysis.archive.packing import OpenFile, Share, open_archive
from media_analysis.archive.progress import TaskProgress, spool
from media_analysis.errors import ArchiveDamaged
from media_analysis.imports.runs.facts import (
    JobFacts,
    ResultFacts,
    believable_type,
    read_result,
    require_file,
    result_line,
)
from media_analysis.media.types.sniff import HEAD_BYTES

CHUNK: Final = 2_000
_HEAD_BYTES: Final = 16
_MANIFEST: Final = re.compile(r"(?:.*/)?manifest(?:\.[0-9]+)?\.json", re.DOTALL)
_OURS: Final = f'{{"format": "{FORMAT}"'.encode()
_FILE: Final = TypeAdapter(ManifestFile)


class Member(NamedTuple):
    """A file that was read back from an archive, where it lies, and the media type its bytes bear out."""

    file: ManifestFile
    media_type: str
    frame_offset: int
    skip_bytes: int

    def line(self) -> bytes:
        """Return it as one line, for a spool."""
        place = orjson.dumps([self.media_type, self.frame_offset, self.skip_bytes])
        return place + b"\t" + _FILE.dump_json(self.file) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Member":
        """Return what `line` wrote."""
        place, _, file = line.partition(b"\t")
        return cls(_FILE.validate_json(file), *orjson.loads(place))


@dataclass(frozen=True, kw_only=True)
class OldContents:
    """A whole archive of ours: its head, its files and its results, of which a run may have very many."""

    head: ManifestHead
    job: JobFacts
    compression: Compression
    members: IO[bytes]
    results: IO[bytes]
    result_count: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.members.close()
        self.results.close()

    def chunks(self) -> Iterator[list[Member]]:
        """Yield the files, some thousands at a time."""
        self.members.seek(0)
        while chunk := [Member.read(line) for _, line in zip(range(CHUNK), self.members, strict=False)]:
            yield chunk

    def stats(self, packed_bytes: int, shares: Mapping[str, Share], began: float) -> dict[str, Any]:
        """Return what is told of an archive that took since `began` to import."""
        return {
            "files": self.head.files,
            "results": self.result_count,
            "size_bytes": self.head.size_bytes,
            "packed_bytes": packed_bytes,
            "media_types": {kind: asdict(share) for kind, share in sorted(shares.items())},
            "seconds": round(time.monotonic() - began, 3),
        }

    def read_results(self) -> Iterator[ResultFacts]:
        """Yield the results."""
        self.results.seek(0)
        return map(read_result, self.results)


def is_ours(path: Path) -> bool:
    """Say whether an archive begins with a manifest as we write it, damaged or not; blocks.

    Raises:
        ArchiveDamaged: it is no archive at all.

    """
    with open_archive(path) as raw:
        first = TarReader(FrameReader(raw, detected(raw)), lenient=True).next()
        if first is None or _MANIFEST.fullmatch(first.name) is None:
            return False
        return next(first.chunks(), b"").startswith(_OURS)


def read_head(path: Path, limit_bytes: int) -> tuple[ManifestHead, JobFacts]:
    """Return what an archive of ours says of itself, unproven; blocks.

    Raises:
        ArchiveDamaged: it does not begin as one, or says that it holds too much.

    """
    with open_archive(path) as raw, verify(raw, spool=_spool) as segment:
        if segment.head.size_bytes > limit_bytes:
            raise ArchiveDamaged(f"the archive has more than {limit_bytes} bytes when it is decompressed")
        return segment.head, JobFacts.of(segment.head)


def prove(source: OpenFile, progress: TaskProgress, limit_bytes: int) -> OldContents:
    """Read an archive of ours in full and compare all of it with its manifest; blocks.

    Raises:
        ArchiveDamaged: something differs, is missing, is too much, or cannot be a run's.
        Stopped: nobody waits for it.

    """
    with ExitStack() as opened:
        members, results = opened.enter_context(spool()), opened.enter_context(spool())
        raw = opened.enter_context(source())
        segment = opened.enter_context(verify(raw, spool=_spool))
        job, left, places = JobFacts.of(segment.head), limit_bytes, set[tuple[str, int | None]]()
        for file, place, chunks in segment.files():
            left -= file.size_bytes
            if left < 0:
                raise ArchiveDamaged(
                    f"the archive has more than {limit_bytes} bytes when it is decompressed", member=file.name
                )
            require_file(file, places)
            head = b""
            for chunk in chunks:
                head = head or chunk[:HEAD_BYTES]
                progress.advance(len(chunk))
            declared = believable_type(head, file.media_type)
            members.write(Member(file, declared, place.frame_offset, place.skip_bytes).line())
        count = 0
        for count, result in enumerate(segment.manifest().results(), 1):  # noqa: B007 - told below
            results.write(result_line(result))
        contents = OldContents(
            head=segment.head,
            job=job,
            compression=segment.compression,
            members=members,
            results=results,
            result_count=count,
        )
        segment.close()
        raw.close()
        opened.pop_all()
        return contents


def detected(raw: BinaryIO) -> Compression:
    """Return what an archive is compressed with, and go back to its beginning.

    Raises:
        ArchiveDamaged: nothing we know.

    """
    raw.seek(0)
    compression = detect(raw.read(_HEAD_BYTES))
    raw.seek(0)
    if compression is None:
        raise ArchiveDamaged("the archive is neither gzip, bz2, xz nor zstd")
    return compression


def _spool() -> BinaryIO:
    return cast("BinaryIO", spool())
