"""Uploads: what is small in one request that may be repeated, what is large in pieces that go on where they broke off.

Source: tus 1.0 (https://tus.io/protocols/resumable-upload); `Idempotency-Key` and `Content-Digest` (RFC 9530).
"""

import base64
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from media_analysis.client.answers import File
from media_analysis.client.errors import (
    Conflict,
    ContentDiffers,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    NotUnderstood,
    Problem,
    SourceChanged,
    Unreachable,
)
from media_analysis.client.requests import API, fetch, get, put_bytes
from media_analysis.client.retrying import Patience, ask, passes
from media_analysis.client.sources import FileSource, Hashing, MemorySource, Part, Source, Told, tell_nobody
from media_analysis.client.steps import Answer, Do, Request, Steps, Wait
from media_analysis.client.wishes import Memory, NoMemory, Wanted

WHOLE_BYTES: Final = 2**20
"""Up to here a file is sent in one request."""
PIECE_BYTES: Final = 64 * 2**20
"""Proxies cut longer bodies off."""
SETTLE_SECONDS: Final = 0.3
UPLOADS: Final = f"{API}/uploads"
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_PIECE_TYPE: Final = {"Content-Type": "application/offset+octet-stream"}
_ELSEWHERE: Final = frozenset({"offset_mismatch", "upload_superseded"})


@dataclass(frozen=True, kw_only=True)
class Sending:
    """One upload, from its source to the file it becomes."""

    source: Source
    wanted: Wanted
    patience: Patience
    memory: Memory
    key: str
    told: Told

    def send(self, *, in_pieces: bool | None = None) -> Steps[File]:
        """Store it, and return the file; a session that may not do so in pieces sends all at once."""
        if in_pieces is None:
            in_pieces = self.source.size_bytes > WHOLE_BYTES
        if not in_pieces:
            return (yield from self._send_whole())
        try:
            return (yield from self._send_in_pieces())
        except Forbidden as error:
            if error.code != "session_limited":
                raise
        return (yield from self._send_whole())

    def _send_whole(self) -> Steps[File]:
        hashing, at_hand = Hashing(self.source), isinstance(self.source, MemorySource)
        digest: str = hashing.finish() if at_hand else (yield Do(hashing.finish))
        headers = {
            "Idempotency-Key": self.key,
            "Content-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:",
        }
        whole = Part(self.source, 0, self.source.size_bytes, told=self.told)
        body = self.source.content if isinstance(self.source, MemorySource) else whole
        try:
            file = yield from fetch(File, put_bytes("/files", body, headers, self.wanted.query()), self.patience)
        except Invalid as error:
            if error.code == "digest_mismatch":
                raise SourceChanged(f"{self.wanted.filename} changed while it was uploaded") from error
            raise
        self.told(self.source.size_bytes)
        return file

    def _send_in_pieces(self) -> Steps[File]:
        hashing = Hashing(self.source)
        upload_id, offset, file_id = yield from self._find_or_begin()
        try:
            while file_id is None:
                self.told(offset)
                yield Do(partial(hashing.reach, offset))
                offset, file_id = yield from self._send_piece(upload_id, offset, hashing)
        except SourceChanged:
            yield from self._give_up(upload_id)
            raise
        file = yield from fetch(File, get(f"/files/{file_id}"), self.patience)
        digest: str = yield Do(hashing.finish)
        yield Do(partial(self.memory.note, None))
        if file.sha256 != digest:
            yield from self._refuse(file)
        return file

    def _refuse(self, file: File) -> Steps[None]:
        """Take back what is not what was read."""
        said = f"what the server has of {self.wanted.filename} is not what was read"
        try:
            yield from ask(Request("DELETE", f"{API}/files/{file.id}"), self.patience)
        except Problem as error:
            raise ContentDiffers(f"{said}; it is still there as {file.id}: {error}") from error
        raise ContentDiffers(f"{said}; it was deleted")

    def _find_or_begin(self) -> Steps[tuple[str, int, str | None]]:
        """Return the upload that goes on, how far it is and the file it became; the server's word counts, not ours."""
        known: str | None = yield Do(self.memory.recall)
        if known is not None:
            try:
                offset, file_id, size_bytes = yield from self._ask_offset(known)
            except (NotFound, Gone):
                size_bytes = None  # it forgot
            if size_bytes == self.source.size_bytes:
                return known, offset, file_id
        return (yield from self._begin()), 0, None

    def _begin(self) -> Steps[str]:
        headers = {
            **_TUS,
            "Upload-Length": str(self.source.size_bytes),
            "Upload-Metadata": self.wanted.metadata(),
        }
        # Repeated, it leaves an empty upload behind that reserves nothing and ends by itself.
        answer = yield from ask(Request("POST", UPLOADS, headers=headers), self.patience)
        upload_id = _id_at(answer.headers.get("location", ""))
        yield Do(partial(self.memory.note, upload_id))
        return upload_id

    def _send_piece(self, upload_id: str, offset: int, hashing: Hashing) -> Steps[tuple[int, str | None]]:
        """Send bytes from there on; return how many are durable, and the id of the file once it is one."""
        size_bytes = min(PIECE_BYTES, self.source.size_bytes - offset)
        body = Part(self.source, offset, size_bytes, hashing, self.told)
        headers = {**_TUS, **_PIECE_TYPE, "Upload-Offset": str(offset)}
        request = Request("PATCH", f"{UPLOADS}/{upload_id}", headers=headers, body=body)
        try:
            # Never twice without asking: another offset may be the truth by then.
            answer = yield from ask(request, Patience(0))
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and not (passes(error) or error.code in _ELSEWHERE):
                raise
            # To ask ends what the server may still be reading of this piece.
            yield Wait(SETTLE_SECONDS)
            now, file_id, _ = yield from self._ask_offset(upload_id)
            if now <= offset and file_id is None:
                yield from self.patience.pause(error)
        else:
            now, file_id, _ = _progress(answer)
        if now > offset:
            self.patience.renew()
        return now, file_id

    def _ask_offset(self, upload_id: str) -> Steps[tuple[int, str | None, int | None]]:
        """Return what the server has, the file that it became, and how much there is to be in all."""
        answer = yield from ask(
            Request("HEAD", f"{UPLOADS}/{upload_id}", headers=_TUS), Patience(self.patience.seconds)
        )
        return _progress(answer)

    def _give_up(self, upload_id: str) -> Steps[None]:
        """Leave nothing on the server of a file that is not what it was."""
        yield Do(partial(self.memory.note, None))
        try:
            yield from ask(Request("DELETE", f"{UPLOADS}/{upload_id}", headers=_TUS), self.patience)
        except (NotFound, Gone, Conflict, Unreachable):
            return  # it ends by itself a day later


def upload_steps(
    source: Path | bytes,
    wanted: Wanted,
    patience: Patience,
    *,
    memory: Memory | None = None,
    key: str | None = None,
    told: Told | None = None,
    in_pieces: bool | None = None,
) -> Steps[File]:
    """Store a file or bytes and return the file it became."""
    at_hand: Source = MemorySource(source) if isinstance(source, bytes) else (yield Do(partial(_open, source)))
    try:
        sending = Sending(
            source=at_hand,
            wanted=wanted,
            patience=patience,
            memory=memory or NoMemory(),
            key=key or secrets.token_hex(16),
            told=told or tell_nobody,
        )
        return (yield from sending.send(in_pieces=in_pieces))
    finally:
        at_hand.close()


def _open(path: Path) -> Source:
    """Return a file held open, or all of a small one."""
    opened = FileSource.open(path)
    if opened.size_bytes > WHOLE_BYTES:
        return opened
    try:
        content = opened.read(0, opened.size_bytes)
        opened.require_unchanged()
        if len(content) < opened.size_bytes:
            raise SourceChanged(f"{path} became shorter while it was uploaded")
    finally:
        opened.close()
    return MemorySource(content)


def _progress(answer: Answer) -> tuple[int, str | None, int | None]:
    offset, size_bytes = answer.headers.get("upload-offset", ""), answer.headers.get("upload-length", "")
    if not (offset.isascii() and offset.isdigit()):
        raise NotUnderstood("the server does not say how much of the upload it has")
    return int(offset), answer.headers.get("file-id"), int(size_bytes) if size_bytes.isdigit() else None


def _id_at(location: str) -> str:
    try:
        return str(UUID(location.rstrip("/").rpartition("/")[2]))
    except ValueError as error:
        raise NotUnderstood("the server does not say where the upload goes on") from error
