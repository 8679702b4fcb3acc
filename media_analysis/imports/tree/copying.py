"""Copies of an existing tree made in batches: rows first, then the names, the bytes and the facts (design law 3)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database
from media_analysis.errors import DiskReserveReached, ObjectMissing, SourceChanged
from media_analysis.failpoints import failpoint
from media_analysis.files.leases import leased
from media_analysis.files.registration import lock_pending
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.candidates import Candidate, Naming, Skip, count_bytes
from media_analysis.imports.tree.statements import Adopted, Adoption
from media_analysis.states import FileState
from media_analysis.storage.sources import SourceFile
from media_analysis.storage.store import ObjectStore, ObjectWriter

Abandon = Callable[[UUID], Awaitable[None]]
"""Deletes a pending row and its bytes, by the one deleter."""

AT_ONCE: Final = 8
"""Files of a batch whose bytes are copied at the same time."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one batch."""

    adopted: Adopted
    skipped: Sequence[Skip]


@dataclass(frozen=True)
class Copier:
    """Copies files into the store, hashing them on the way."""

    db: Database
    store: ObjectStore
    abandon: Abandon
    reserve_bytes: int
    lease_seconds: float

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
                        await self.abandon(candidate.id)
                    renamed.append(naming.again(candidate))
                elif dead:
                    skipped.append(Skip.DELETED)
            asked = renamed
        return new, skipped

    async def copy(self, naming: Naming, adoption: Adoption, candidates: Sequence[Candidate]) -> Copied:
        """Copy one batch.

        A crash leaves pending rows, and names with some of their bytes; the sweep takes both when their lease ends,
        or the next import of the same tree does.

        Raises:
            DiskReserveReached, QuotaReached: there is no room; nothing of the batch is kept.

        """
        await self._require_disk_room(candidates)
        async with self.db.transaction() as session:
            ids = await statements.add_pending(session, adoption, candidates, lease_seconds=self.lease_seconds)
            failpoint("import.registering")
        failpoint("import.registered")
        mine = [candidate for candidate in candidates if candidate.id in ids]
        try:
            async with leased(self.db, ids, lease_seconds=self.lease_seconds):
                outcomes = await self._write_all(naming.root, mine)
        except BaseException:
            # Nothing was promised yet: no fact has been sent, so the rows are certainly still pending.
            await self._give_up(ids)
            raise
        written = [outcome for outcome in outcomes if isinstance(outcome, Candidate)]
        # From here on nothing is cleaned up on failure: the COMMIT may have happened although its answer was lost.
        async with self.db.transaction() as session:
            settled = await statements.settle(session, adoption, written)
            failpoint("import.settling")
        failpoint("import.settled")
        await self._give_up(ids - settled.ids)
        lost = [Skip.CHANGED] * (len(written) - len(settled.ids))
        return Copied(settled, [*(outcome for outcome in outcomes if isinstance(outcome, Skip)), *lost])

    async def _require_disk_room(self, candidates: Sequence[Candidate]) -> None:
        needed_bytes = count_bytes(candidates)
        # They are of one category, so they come to lie on one disk.
        free_bytes = (await self.store.capacity(candidates[0].key)).free_bytes
        if free_bytes - needed_bytes < self.reserve_bytes:
            raise DiskReserveReached(free_bytes=free_bytes, reserve_bytes=self.reserve_bytes, needed_bytes=needed_bytes)

    async def _write_all(self, root: Path, candidates: Sequence[Candidate]) -> Sequence[Candidate | Skip]:
        writers = await self._create(candidates)
        failpoint("import.named")
        turns = asyncio.Semaphore(AT_ONCE)

        async def write(candidate: Candidate) -> Candidate | Skip:
            async with turns:
                return await _write(root, candidate, writers[candidate.id])

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(write(candidate)) for candidate in candidates if candidate.id in writers]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            for writer in writers.values():
                writer.close()
        failpoint("import.written")
        return [task.result() for task in tasks]

    async def _create(self, candidates: Sequence[Candidate]) -> dict[UUID, ObjectWriter]:
        """Create the names once, under the locks of their rows (T1)."""
        made: dict[Candidate, ObjectWriter | Exception] = {}
        try:
            async with self.db.transaction() as session:
                pending = await lock_pending(session, [candidate.id for candidate in candidates])
                named = [candidate for candidate in candidates if candidate.id in pending]
                writers = await self.store.create_many([candidate.key for candidate in named])
                made = dict(zip(named, writers, strict=True))
                failpoint("import.naming")
            return {candidate.id: _opened(writer) for candidate, writer in made.items()}
        except BaseException:
            await self._take_back(made)
            raise

    async def _take_back(self, made: Mapping[Candidate, ObjectWriter | Exception]) -> None:
        """Remove names whose locks may be lost: the sweep may already have looked for them, and found none."""
        writers = {candidate.key: writer for candidate, writer in made.items() if not isinstance(writer, Exception)}
        for writer in writers.values():
            writer.close()
        await self.store.delete_many(list(writers))

    async def _give_up(self, ids: frozenset[UUID]) -> None:
        await carry_through(self._abandon_all(ids))

    async def _abandon_all(self, ids: frozenset[UUID]) -> None:
        for file_id in ids:
            try:
                await self.abandon(file_id)
            except Exception as error:  # noqa: BLE001 - the first failure is the one to report; the sweep takes the row
                log.warning("import.left_pending", file_id=str(file_id), reason=type(error).__name__)
                return


def _opened(writer: ObjectWriter | Exception) -> ObjectWriter:
    if isinstance(writer, Exception):
        raise writer
    return writer


async def _write(root: Path, candidate: Candidate, writer: ObjectWriter) -> Candidate | Skip:
    try:
        source = await asyncio.to_thread(SourceFile, root, candidate.entry)
    except FileNotFoundError:
        return Skip.CHANGED
    except OSError:
        return Skip.UNREADABLE
    try:
        await pour(source, writer)
        sha256 = await writer.sync()
        return await asyncio.to_thread(candidate.read_as, sha256, source)
    except (SourceChanged, ObjectMissing):  # only the sweep removes names: an object that went lost its lease
        return Skip.CHANGED
    except OSError:
        return Skip.UNREADABLE
    finally:
        source.close()


async def pour(source: SourceFile, writer: ObjectWriter) -> None:
    """Copy all bytes; the writer's own errors are never `OSError`."""
    await asyncio.to_thread(source.require_unchanged)
    while chunk := await asyncio.to_thread(source.read):
        await writer.write(chunk)
    await asyncio.to_thread(source.require_unchanged)
