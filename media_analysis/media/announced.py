"""Where files of one length end, by what their headers announce."""

from typing import IO, Final, Literal

from media_analysis.media.reading import read_at

Order = Literal["little", "big"]
MAX_CHUNKS: Final = 1_000
_UNSAID: Final = frozenset({0, 2**32 - 1, 2**64 - 1})
"""What writers put that do not know yet how much there will be."""
_W64: Final = b"riff\x2e\x91\xcf\x11"
_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES: Final = 2**16


def announced_end(file: IO[bytes], head: bytes) -> int | None:
    """Return where a file that begins with `head` says that it ends; None where it does not say."""
    if head.startswith((b"RIFF", b"RIFX", b"FORM")):
        size = int.from_bytes(head[4:8], "little" if head.startswith(b"RIFF") else "big")
        return None if size in _UNSAID else _end_of_riff(file, head, 8 + size)
    if head.startswith((b"RF64", b"BW64")) and head[12:16] == b"ds64":
        # EBU Tech 3306, 4: the size of 64 bits stands in a chunk of its own.
        return _said(8, head[20:28], "little")
    if head.startswith(_W64):
        return _said(0, head[16:24], "little")
    if head.startswith(b".snd"):
        return _said(int.from_bytes(head[4:8]), head[8:12], "big")
    if head.startswith(_ASF):
        return _end_of_asf(file)
    return _end_of_caf(file) if head.startswith(b"caff") else None


def _said(before: int, size: bytes, order: Order) -> int | None:
    found = int.from_bytes(size, order)
    return None if found in _UNSAID else before + found


def _end_of_riff(file: IO[bytes], head: bytes, end: int) -> int:
    """A long AVI is several, one behind the other (OpenDML AVI file format extensions 1.02, 3.0)."""
    following = read_at(file, end + end % 2, 12)
    for _ in range(MAX_CHUNKS):
        if not following.startswith(b"RIFF") or following[8:] != b"AVIX":
            break
        end += end % 2 + 8 + int.from_bytes(following[4:8], "little")
        following = read_at(file, end + end % 2, 12)
    return end - _padding(file, end, head)


def _padding(file: IO[bytes], end: int, head: bytes) -> int:
    """Return 1 if the last byte only fills up a last chunk of uneven length, which writers leave out at times."""
    order: Order = "little" if head.startswith(b"RIFF") else "big"
    at = 12
    for _ in range(MAX_CHUNKS):
        header = read_at(file, at, 8)
        size = int.from_bytes(header[4:], order)
        if len(header) < 8 or at + 8 + size >= end:  # noqa: PLR2004 - a name and a size
            return 0
        if at + 8 + size == end - 1:
            return size % 2
        at += 8 + size + size % 2
    return 0


def _end_of_asf(file: IO[bytes]) -> int | None:
    """Source: ASF specification, 3.2: the size of the whole, which a broadcast does not know."""
    header = read_at(file, 0, _ASF_HEADER_BYTES)
    at = header.find(_ASF_FILE)
    is_broadcast = at < 0 or not len(header) > at + 88 or header[at + 88] & 1
    return None if is_broadcast else _said(0, header[at + 40 : at + 48], "little")


def _end_of_caf(file: IO[bytes]) -> int | None:
    """Source: Apple Core Audio Format specification 1.0: chunks, of which sound may have no size yet."""
    at = 8
    for _ in range(MAX_CHUNKS):
        header = read_at(file, at, 12)
        if len(header) < 12:  # noqa: PLR2004 - a name and a size
            return None
        if header[:4] == b"data":
            return _said(at + 12, header[4:], "big")
        at += 12 + int.from_bytes(header[4:])
    return None
