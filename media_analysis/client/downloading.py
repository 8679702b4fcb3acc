"""Downloads: to a name of their own, resumed where they broke off, proven by their digest, and only then named."""

import fcntl
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from media_analysis.client.answers import File
from media_analysis.client.errors import ContentDiffers, NotUnderstood, Problem, TargetTaken, Unreachable, problem_of
from media_analysis.client.requests import API, fetch, get
from media_analysis.client.retrying import REFUSED, Patience, ask, passes
from media_analysis.client.sources import CHUNK_BYTES, Told, tell_nobody
from media_analysis.client.steps import Answer, Do, Open, Read, Request, Steps

LONGEST_NAME_BYTES: Final = 255
_UNSAFE: Final = re.compile("[/\\\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Separators of folders, and characters that steer whatever shows a name."""
_RANGE: Final = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+)")
_WHOLE, _PARTIAL, _ELSEWHERE = 200, 206, 307


def safe_name(filename: str, file_id: UUID) -> str:
    """Return what a file may be called in a folder, whatever its owner calls it: never a path, never hidden.

    Names of more bytes than a folder takes lose the end of their stem.
    """
    name = _UNSAFE.sub("_", filename).strip()
    if not name.strip("."):
        return str(file_id)
    if name.startswith("."):
        name = f"_{name[1:]}"
    stem, dot, ending = name.rpartition(".")
    kept = f"{dot}{ending}".encode() if stem and len(ending) < 16 else b""  # noqa: PLR2004 - the longest usual one
    head = (stem if kept else name).encode()[: LONGEST_NAME_BYTES - len(kept)]
    return head.decode(errors="ignore") + kept.decode()


def download_steps(
    file_id: UUID | str, target: Path, patience: Patience, *, overwrite: bool = False, told: Told | None = None
) -> Steps[Path]:
    """Store a file's bytes at `target`, or in it under a safe form of its own name, and return where."""
    file = yield from fetch(File, get(f"/files/{file_id}"), patience)
    path: Path = yield Do(lambda: target / safe_name(file.filename, file.id) if target.is_dir() else target)
    if not overwrite and (yield Do(partial(_is_there, path, file))):
        return path
    if not file.size_bytes:
        yield from ask(get(f"/files/{file.id}/content"), patience)  # or it is not to be had
    part = PartFile(path, file, told or tell_nobody)
    try:
        yield Do(part.open)
        yield from _fill(part, patience)
        if not part.is_sound:
            # What was left from before may be none of it.
            yield Do(partial(part.begin_at, 0))
            yield from _fill(part, patience)
        yield Do(partial(part.settle, overwrite=overwrite))
    finally:
        part.close()
    return path


def _fill(part: "PartFile", patience: Patience) -> Steps[None]:
    """Get what is missing, again and again from where it broke off."""
    while part.done_bytes < part.size_bytes:
        before = part.done_bytes
        try:
            yield from _go_on(part)
            error: Problem | Unreachable = Unreachable("the server ended a download before its end")
        except (Unreachable, Problem) as failure:
            if isinstance(failure, Problem) and not passes(failure):
                raise
            error = failure
        if part.done_bytes > before:
            patience.renew()
        if part.done_bytes < part.size_bytes:
            yield from patience.pause(error)


def _go_on(part: "PartFile") -> Steps[None]:
    headers = {"Range": f"bytes={part.done_bytes}-"} if part.done_bytes else {}
    if headers and part.tag:
        headers["If-Range"] = part.tag
    request = Request("GET", f"{API}/files/{part.file.id}/content", headers=headers)
    answer: Answer = yield Open(request)
    if answer.status >= REFUSED:
        raise problem_of(answer)
    if answer.status == _ELSEWHERE:
        answer = yield from _follow(answer, headers)
    part.tag = answer.headers.get("etag")
    yield Do(partial(part.begin_at, _begins_at(answer)))
    while chunk := (yield Read()):
        yield Do(partial(part.write, chunk))


def _follow(answer: Answer, headers: Mapping[str, str]) -> Steps[Answer]:
    """Open what the server says is to be had of its bucket; if that refuses, the server knows more the next time."""
    place = answer.headers.get("location", "")
    parts = urlsplit(place)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NotUnderstood("the server's answer leads nowhere")
    try:
        found: Answer = yield Open(Request("GET", place, headers=headers))
    except Unreachable as error:
        raise Unreachable(f"the bytes are at {parts.hostname}: {error}") from error
    if found.status >= REFUSED:
        raise Unreachable(f"{parts.hostname}, which has the bytes, answered {found.status}")
    return found


def _begins_at(answer: Answer) -> int:
    if answer.headers.get("content-encoding", "identity") == "identity":
        if answer.status == _WHOLE:
            return 0
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        if answer.status == _PARTIAL and found is not None:
            return int(found[1])
    raise NotUnderstood("the server's answer has not the bytes as they are")


@dataclass
class PartFile:
    """What has come of a download, hidden beside where it is to be; another attempt goes on with it."""

    path: Path
    file: File
    told: Told
    done_bytes: int = 0
    tag: str | None = None
    """The entity tag of the bytes that are there."""
    _descriptor: int = -1
    _running: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def size_bytes(self) -> int:
        """How many there are to be."""
        return self.file.size_bytes or 0

    @property
    def part(self) -> Path:
        """Where they are until all are there."""
        return self.path.with_name(f".{self.file.id}.part")

    def open(self) -> None:
        """Take up what is there.

        Raises:
            TargetTaken: another download of the file runs.

        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self.part, flags, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetTaken(f"another download writes {self.part}") from error
        while self.done_bytes < self.size_bytes and (chunk := os.pread(self._descriptor, CHUNK_BYTES, self.done_bytes)):
            self._count(chunk[: self.size_bytes - self.done_bytes])

    def begin_at(self, offset: int) -> None:
        """Go on there, which is the end of what is there, or the beginning."""
        if offset == self.done_bytes:
            return
        if offset != 0:
            raise NotUnderstood("the server answered another range than was asked for")
        self.done_bytes, self._running = 0, hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            ContentDiffers: there are more than the server says.

        """
        if self.done_bytes + len(chunk) > self.size_bytes:
            raise ContentDiffers(f"more came of {self.file.id} than the server says it has")
        left, position = memoryview(chunk), self.done_bytes
        while left:
            count = os.pwrite(self._descriptor, left, position)
            left, position = left[count:], position + count
        self._count(chunk)

    @property
    def is_sound(self) -> bool:
        """Whether what is there hashes to what the server says; of imported files it may not know that."""
        return self.file.sha256 in {None, self._running.hexdigest()}

    def settle(self, *, overwrite: bool) -> None:
        """Give the bytes their name, all of them synced.

        Raises:
            ContentDiffers: they are not those of the file; nothing is left of them.
            TargetTaken: something else got the name meanwhile.

        """
        if not self.is_sound:
            self.part.unlink()
            raise ContentDiffers(f"the bytes that came of {self.file.id} are not those that the server has")
        os.ftruncate(self._descriptor, self.size_bytes)
        os.fsync(self._descriptor)
        if overwrite:
            self.part.replace(self.path)
        else:
            _name_once(self.part, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Leave what is there to another attempt."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _count(self, chunk: bytes) -> None:
        self._running.update(chunk)
        self.done_bytes += len(chunk)
        self.told(self.done_bytes)


def _name_once(part: Path, path: Path) -> None:
    """Give a file its name unless something has it."""
    try:
        path.hardlink_to(part)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise _taken(path) from None
        part.replace(path)
    else:
        part.unlink()


def _is_there(path: Path, file: File) -> bool:
    """Say whether the file itself is there already.

    Raises:
        TargetTaken: something else is.

    """
    if not os.path.lexists(path):
        return False
    if path.is_file() and path.stat().st_size == file.size_bytes and file.sha256 is not None:
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256:
                return True
    raise _taken(path)


def _taken(path: Path) -> TargetTaken:
    return TargetTaken(f"{path} is there already, and is another file")
