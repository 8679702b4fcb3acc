"""Copies of an existing tree made in batches: rows first, then the names, the bytes and the facts (design law 3)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from media_analysis.db.database import Database
from media_analysis.errors import InvalidRequest, ObjectMissing, QuotaPassed, SourceChanged
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import PendingUploads, UploadProtocol
from media_analysis.files.upload.storing import WrittenUpload, mark_stored
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.candidates import Candidate, Naming, Skip, count_bytes
from media_analysis.imports.tree.statements import AddedFiles, Destination
from media_analysis.states import FileState
from media_analysis.storage.sources import SourceReader
from media_analysis.storage.store import ObjectWriter

AT_ONCE: Final = 8
"""Files of a batch whose bytes are copied at the same time."""


@dataclass(frozen=True, slots=True)
class ImportedBatch:
    """What became of files; those that were neither added nor skipped were known."""

    added: AddedFiles
    skipped: Sequence[Skip]

    def plus(self, other: "ImportedBatch") -> "ImportedBatch":
        return ImportedBatch(self.added.plus(other.added), [*self.skipped, *other.skipped])


@dataclass(frozen=True)
class Copier:
    """Copies files into the store, hashing them on the way."""

    db: Database
    protocol: UploadProtocol

    async def select(
        self, naming: Naming, candidates: Sequence[Candidate], *, take_over: bool
    ) -> tuple[Sequence[Candidate], Sequence[Skip]]:
        """Return what is still to be copied, and why the rest will not be.

        What an import left pending when it died is given up here with `take_over`, and copied under the next id.
        """
        new: list[Candidate] = []
        skipped: list[Skip] = []
        asked = list(candidates)
        while asked:
            async with self.db.read_only() as session:
                states = await statements.get_states(session, [candidate.id for candidate in asked])
            renamed: list[Candidate] = []
            for candidate in asked:
                state, dead = states.get(candidate.id, (None, False))
                if state is None:
                    new.append(candidate)
                elif state is FileState.PENDING:
                    if take_over and not dead:
                        await self.protocol.discard([candidate.id])
                    renamed.append(naming.again(candidate))
                elif dead:
                    skipped.append(Skip.DELETED)
            asked = renamed
        return new, skipped

    async def copy(self, naming: Naming, destination: Destination, candidates: Sequence[Candidate]) -> ImportedBatch:
        """Copy one batch.

        A crash leaves pending rows, and names with some of their bytes; the sweep takes both when their lease ends,
        or the next import of the same tree does.

        Raises:
            DiskReserveReached, QuotaReached: there is no room; nothing of the batch is kept.
            InvalidRequest: somebody else is importing some of it.

        """
        # They are of one category, so they come to lie on one disk.
        await self.protocol.require_disk_room(candidates[0].key, count_bytes(candidates))
        async with self.protocol.pending() as uploads:
            await self._register(uploads, destination, candidates)
            failpoint("import.registered")
            outcomes = await self._write_all(uploads, naming, destination, candidates)
            written = [outcome for outcome in outcomes if isinstance(outcome, WrittenUpload)]
            with uploads.committing():
                stored = await self._store(written)
        failpoint("import.stored")
        await self.protocol.give_up(uploads.ids - stored.ids)
        lost = [Skip.CHANGED] * (len(written) - len(stored.ids))
        return ImportedBatch(stored, [*(outcome for outcome in outcomes if isinstance(outcome, Skip)), *lost])

    async def _register(
        self, uploads: PendingUploads, destination: Destination, candidates: Sequence[Candidate]
    ) -> None:
        try:
            added = await uploads.register(*(_registration(destination, candidate) for candidate in candidates))
        except QuotaPassed:
            async with self.db.read_only() as session:
                await statements.require_room(session, destination, count_bytes(candidates))
            raise
        if not all(added):
            raise InvalidRequest("DIR", "another import of its files is under way")
        async with self.db.read_only() as session:  # what others reserve meanwhile counts as well
            await statements.require_room(session, destination, count_bytes(candidates), counted=True)

    async def _store(self, written: Sequence[WrittenUpload]) -> AddedFiles:
        async with self.db.transaction() as session:
            stored, moved = await mark_stored(session, written, jobs=self.protocol.transactions.jobs)
            await ledger.move(session, moved)  # its bytes were reserved
            failpoint("import.storing")
        sizes = {item.registration.id: item.size_bytes for item in written}
        return AddedFiles(
            frozenset(stored),
            sum(sizes[file_id] for file_id in stored),
            sum(instants.is_due for instants in stored.values()),
        )

    async def _write_all(
        self, uploads: PendingUploads, naming: Naming, destination: Destination, candidates: Sequence[Candidate]
    ) -> Sequence[WrittenUpload | Skip]:
        writers = await uploads.create(*(_registration(destination, candidate) for candidate in candidates))
        failpoint("import.named")
        turns = asyncio.Semaphore(AT_ONCE)

        async def write(candidate: Candidate, writer: ObjectWriter) -> WrittenUpload | Skip:
            async with turns:
                read = await _write(naming, candidate, writer)
            return read if isinstance(read, Skip) else _written(destination, read)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(write(*pair)) for pair in zip(candidates, writers, strict=True)]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            for writer in writers:
                writer.close()
        failpoint("import.written")
        return [task.result() for task in tasks]


def _registration(destination: Destination, candidate: Candidate) -> Registration:
    return Registration(
        id=candidate.id,
        owner=destination.owner,
        category=destination.category,
        key=candidate.key,
        filename=candidate.filename,
        media_type=candidate.media_type,
        job_id=destination.job_id,
        reserved_bytes=candidate.entry.size_bytes,
        over_quota=destination.over_quota,
        exclusive=True,
    )


def _written(destination: Destination, candidate: Candidate) -> WrittenUpload | Skip:
    if candidate.sha256 is None:
        return Skip.CHANGED
    return WrittenUpload(
        registration=_registration(destination, candidate),
        size_bytes=candidate.entry.size_bytes,
        sha256=candidate.sha256,
        expiry=None,
        modified_at=candidate.modified_at,
    )


async def _write(naming: Naming, candidate: Candidate, writer: ObjectWriter) -> Candidate | Skip:
    try:
        source = await asyncio.to_thread(naming.open, candidate.entry)
    except FileNotFoundError:
        return Skip.CHANGED
    except OSError:
        return Skip.UNREADABLE
    try:
        writer.expect(candidate.entry.size_bytes)
        await pour(source, writer)
        sha256 = await writer.sync()
        return await asyncio.to_thread(candidate.read_as, sha256, source)
    except (SourceChanged, ObjectMissing):  # only the sweep removes names: an object that went lost its lease
        return Skip.CHANGED
    except OSError:
        return Skip.UNREADABLE
    finally:
        source.close()


async def pour(source: SourceReader, writer: ObjectWriter) -> None:
    """Copy all bytes; the writer's own errors are never `OSError`."""
    await asyncio.to_thread(source.require_unchanged)
    while chunk := await asyncio.to_thread(source.read):
        await writer.write(chunk)
    await asyncio.to_thread(source.require_unchanged)
