"""Files as they were read back from a segment, in a spool: a run may have a hundred thousand."""

from collections.abc import Iterator, Sequence
from typing import IO, Final, NamedTuple
from uuid import UUID

import orjson

CHUNK: Final = 5_000


class Found(NamedTuple):
    """A file as it was read back from a segment."""

    file_id: UUID
    name: str
    size_bytes: int
    sha256: bytes
    frame_offset: int
    skip_bytes: int

    def line(self) -> bytes:
        """Return it as one line, for a spool."""
        told = [self.file_id.hex, self.name, self.size_bytes, self.sha256.hex(), self.frame_offset, self.skip_bytes]
        return orjson.dumps(told) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Found":
        """Return what `line` wrote."""
        file_id, name, size_bytes, sha256, frame_offset, skip_bytes = orjson.loads(line)
        return cls(UUID(file_id), name, size_bytes, bytes.fromhex(sha256), frame_offset, skip_bytes)


def chunks_of(found: IO[bytes]) -> Iterator[Sequence[Found]]:
    """Yield what a spool holds, some thousands at a time."""
    found.seek(0)
    chunk: list[Found] = []
    for line in found:
        chunk.append(Found.read(line))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
