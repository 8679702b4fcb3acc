"""One request's bytes of an upload: written at their offset, and told to be there once they are durable."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database, retried
from media_analysis.errors import (
    LengthPassed,
    MediaAnalysisError,
    ObjectBusy,
    ObjectMissing,
    OffsetMismatch,
    UploadGone,
    UploadSuperseded,
    UploadTooLarge,
)
from media_analysis.failpoints import failpoint
from media_analysis.files.resumable import statements
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.resumable.pieces import Piece
from media_analysis.files.resumable.turns import Turn, Turns
from media_analysis.files.upload.bodies import Body, split_head, timed
from media_analysis.files.upload.service import RESERVE_CHECK_BYTES, UploadService
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.media.types.sniff import HEAD_BYTES
from media_analysis.storage.store import ObjectWriter

SYNC_BYTES: Final = 256 * 2**20
SYNC_SECONDS: Final = 5.0
"""A request that is cut off by a crash loses what came since; one whose client leaves loses nothing."""
LOOK_SECONDS: Final = 1.0
"""How soon a request hears that a newer one came to another process."""
BUSY_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Appender:
    """Writes the pieces of uploads; each request in its turn, under a fence that a newer one takes from it."""

    db: Database
    uploads: UploadService
    unfinished_seconds: float
    turns: Turns

    async def append(self, turn: Turn, known: KnownUpload, piece: Piece) -> bytes | None:
        """Write a piece and return the SHA-256 of all of the upload if nothing more is to come, else None.

        Whatever ends it, what was received counts and is durable, but for a piece that is checked as a whole.

        Raises:
            OffsetMismatch: the upload goes on elsewhere.
            LengthPassed, UploadTooLarge: more came than it was said to have, or than may be; what fits counts.
            UploadSuperseded: a newer request came.
            UploadGone: it was given up meanwhile.
            MediaTypeNotAccepted, QuotaReached, DiskReserveReached, DiskFull, InvalidRequest: as of any upload.

        """
        said = await self._claim(turn, known, piece)
        async with self._watched(said):
            return await self._append(said, piece)

    async def end(self, known: KnownUpload) -> bytes:
        """Return the SHA-256 of an upload all of whose bytes are durable.

        Raises:
            OffsetMismatch, UploadGone, ObjectBusy: as `append`.

        """
        said = await self._claim(Turn(), known, Piece(offset_bytes=known.offset_bytes))
        if known.key is None:
            said.known = await self._register(said.known, b"")
        writer = await self._resume(said)
        try:
            return await writer.sync()
        finally:
            writer.close()

    @retried
    async def _claim(self, turn: Turn, known: KnownUpload, piece: Piece) -> "_Written":
        async with self.db.transaction() as session:
            claim = await statements.claim_upload(
                session,
                known.id,
                offset_bytes=piece.offset_bytes,
                length_bytes=piece.length_bytes,
                unfinished_seconds=self.unfinished_seconds,
            )
        if claim is not None:
            fence, length_bytes = claim
            return _Written(turn, fence, replace(known, length_bytes=length_bytes))
        async with self.db.read_only() as session:
            found = (await statements.find_uploads(session, [known.id], owner=None)).get(known.id)
        if found is None or found.is_gone:
            raise UploadGone(known.id, ended_at=known.ends_at if found is None else found.ends_at)
        piece.require_next_of(found, max_bytes=self.uploads.limits.max_bytes)
        raise OffsetMismatch(offset_bytes=found.offset_bytes)

    @asynccontextmanager
    async def _watched(self, said: "_Written") -> AsyncIterator[None]:
        """Keep the upload, and end the turn of this request when another process has given it to a newer one."""

        async def watch() -> None:
            while not said.turn.is_over:
                await asyncio.sleep(LOOK_SECONDS)
                with suppress(Exception):  # whoever may not advance the upload hears of it there
                    if not await self._keep(said):
                        said.turn.stop(loses=True)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    @retried
    async def _keep(self, said: "_Written") -> bool:
        async with self.db.transaction() as session:
            return await statements.keep_upload(
                session, said.known.id, fence=said.fence, unfinished_seconds=self.unfinished_seconds
            )

    async def _append(self, said: "_Written", piece: Piece) -> bytes | None:
        body = timed(said.turn.receive(piece.body), self.uploads.limits.pace)
        if said.known.key is None:
            head, body = await split_head(body)
            if not head and said.known.length_bytes != 0:
                return None  # nothing is registered before there is something of it
            said.known = await self._register(said.known, head)
        writer = await self._resume(said)
        try:
            await self._write(said, writer, piece, body)
            if writer.size_bytes == said.known.length_bytes:
                sha256 = await writer.sync()
                await self._advance(said, writer)
                return sha256
            await self._checkpoint(said, writer)
            return None
        finally:
            writer.close()

    async def _write(self, said: "_Written", writer: ObjectWriter, piece: Piece, body: Body) -> None:
        try:
            await self._copy(said, writer, piece, body)
        except BaseException:
            await carry_through(self._end(said, writer, counts=not piece.is_checked))
            raise

    async def _end(self, said: "_Written", writer: ObjectWriter, *, counts: bool) -> None:
        """Make durable what came, and let go; what does not count would lie there, and count in nobody's share."""
        with suppress(MediaAnalysisError):  # the first failure is the one to report
            if counts and not said.turn.is_lost:
                await self._checkpoint(said, writer)
        with suppress(MediaAnalysisError):
            await writer.revert()

    async def _copy(self, said: "_Written", writer: ObjectWriter, piece: Piece, body: Body) -> None:
        known, max_bytes = said.known, self.uploads.limits.max_bytes
        synced_at, synced_bytes, checked_bytes = time.monotonic(), writer.size_bytes, writer.size_bytes
        asked = known.registration(known.key or "", known.media_type or "")
        await self.uploads.disk.require(asked, 0)  # pieces may all be too short to be asked on the way
        await self._require_reach(known, writer.size_bytes + (piece.announced_bytes or 0))
        async for chunk in body:
            size_bytes = writer.size_bytes + len(chunk)
            if known.length_bytes is not None and size_bytes > known.length_bytes:
                raise LengthPassed(length_bytes=known.length_bytes)
            if size_bytes > max_bytes:
                raise UploadTooLarge(limit_bytes=max_bytes)
            await writer.write(chunk)
            if size_bytes - checked_bytes >= RESERVE_CHECK_BYTES:
                checked_bytes = size_bytes
                await self.uploads.disk.require(asked, 0)
            is_late = time.monotonic() - synced_at >= SYNC_SECONDS
            if not piece.is_checked and (is_late or size_bytes - synced_bytes >= SYNC_BYTES):
                await self._checkpoint(said, writer)
                await self._require_reach(known, size_bytes)
                synced_at, synced_bytes = time.monotonic(), size_bytes

    async def _checkpoint(self, said: "_Written", writer: ObjectWriter) -> None:
        size_bytes = writer.size_bytes
        running = await writer.checkpoint()
        failpoint("resumable.synced")
        await self._advance(said, writer)
        self.turns.remember(said.known.id, size_bytes, running)

    @retried
    async def _advance(self, said: "_Written", writer: ObjectWriter) -> None:
        if said.turn.is_lost:
            raise UploadSuperseded
        known = said.known
        async with self.db.transaction() as session:
            if await statements.advance_upload(
                session,
                known.id,
                fence=said.fence,
                offset_bytes=writer.size_bytes,
                unfinished_seconds=self.unfinished_seconds,
            ):
                return
            found = (await statements.find_uploads(session, [known.id], owner=None)).get(known.id)
        if found is None or found.is_gone or found.file_state is None:
            raise UploadGone(known.id, ended_at=known.ends_at)
        raise UploadSuperseded

    async def _register(self, known: KnownUpload, head: bytes) -> KnownUpload:
        """Make the pending row (T0) and the name (T1), which the upload finds again by its id."""
        upload, accepted = known.upload, self.uploads.limits.accepted
        if known.is_partial or (len(head) < HEAD_BYTES and len(head) != known.length_bytes):
            media_type = accepted.guess(head, declared=upload.declared_type)  # judged where all of it is here
        else:
            media_type = accepted.judge_head(upload.category, head, declared=upload.declared_type).media_type
        asked = replace(self.uploads.register_as(upload, media_type, known.id), exclusive=True)
        await self.uploads.disk.require(asked, len(head))
        await self._require_reach(known, len(head))
        if not await self.transactions.register(asked):
            async with self.db.read_only() as session:
                found = (await statements.find_uploads(session, [known.id], owner=None)).get(known.id)
            if found is None:
                raise UploadGone(known.id, ended_at=known.ends_at)
            return found
        failpoint("resumable.registered")
        (await self.transactions.create(asked)).close()
        failpoint("resumable.named")
        return replace(known, key=asked.key, media_type=asked.media_type)

    async def _resume(self, said: "_Written") -> ObjectWriter:
        known = said.known
        key, size_bytes = known.key or "", known.offset_bytes
        running = self.turns.running_hash(known.id, size_bytes)
        deadline = time.monotonic() + LOOK_SECONDS * 5
        while True:
            try:
                return await self.uploads.protocol.store.resume(
                    key, size_bytes=size_bytes, running=running, fence=said.fence
                )
            except ObjectMissing:
                if size_bytes:
                    raise
                # The process that registered it ended before it had made the name.
                asked = known.registration(key, known.media_type or "")
                (await self.transactions.create(asked)).close()
            except ObjectBusy:
                # Of another process: it hears of this one within `LOOK_SECONDS`.
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(BUSY_PAUSE_SECONDS)

    async def _require_reach(self, known: KnownUpload, size_bytes: int) -> None:
        """Return if so much of it could be stored beside all that its owner has parked here; nothing goes for it."""
        async with self.db.read_only() as session:
            parked_bytes = await statements.find_parked(session, known)
        asked = known.registration(known.key or "", known.media_type or "")
        await self.uploads.room.require_reach(asked, parked_bytes + size_bytes)

    @cached_property
    def transactions(self) -> UploadTransactions:
        """Those of all uploads, but for how long a pending row is kept for what is still to come."""
        return replace(self.uploads.protocol.transactions, lease_seconds=self.unfinished_seconds)


@dataclass
class _Written:
    """A piece while it is written: in whose turn, under which fence, and what is known of its upload."""

    turn: Turn
    fence: int
    known: KnownUpload
