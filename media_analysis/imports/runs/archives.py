"""Importing one old archive: proven where it will stay, then all its rows in one transaction."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.packing import Share, segment_of
from media_analysis.archive.progress import Sink, TaskProgress
from media_analysis.db.database import Database, retried
from media_analysis.deletion.unclaimed import list_unclaimed, lock_tree
from media_analysis.errors import UploadLeaseLost
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.expiry import Expiry
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import UploadProtocol
from media_analysis.files.upload.storing import WrittenUpload, mark_stored
from media_analysis.imports.runs import content, foreign
from media_analysis.imports.runs.committing import Rows, add_contents, add_run, find_job
from media_analysis.imports.runs.content import OldContents
from media_analysis.imports.runs.drafts import Draft, OldArchive
from media_analysis.imports.runs.earlier import KIND
from media_analysis.imports.runs.facts import facts_of_nameless
from media_analysis.imports.runs.foreign import Repacking
from media_analysis.imports.runs.naming import folder_name_of
from media_analysis.imports.runs.outcomes import Fate, ImportOutcome, Known, PassedOver, Refused, Subject
from media_analysis.imports.runs.terms import ImportRequest, RunTerms
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.candidates import Candidate
from media_analysis.imports.tree.copying import Copier, pour
from media_analysis.imports.tree.statements import Destination
from media_analysis.storage.category import Category
from media_analysis.storage.keys import archive_key
from media_analysis.storage.sources import SourceFile, digest_of
from media_analysis.storage.store import ObjectStore, ObjectWriter
from media_analysis.storage.walk import look


@dataclass(frozen=True)
class ArchiveImporter:
    """Imports archives one by one; a crash leaves an archive ours with all its rows, or not at all."""

    db: Database
    store: ObjectStore
    protocol: UploadProtocol
    copier: Copier
    ends: RunTerms
    compression: Compression
    """How archives of other tools are packed anew."""

    async def plan(
        self, old: OldArchive, request: ImportRequest, *, now: datetime, progress: TaskProgress
    ) -> ImportOutcome:
        """Read an archive in full, say what `run` would do, and change nothing.

        Raises:
            PassedOver, Refused, ArchiveDamaged: it would not be imported.

        """
        draft = await self._draft(old, request, now, progress, take_over=False)
        try:
            if draft.listing is None:
                limit_bytes = request.limit_of(old.found.entry.size_bytes)
                with await progress.run(lambda: content.prove(old.open, progress, limit_bytes)):
                    pass
        finally:
            draft.close()
        return self._told(draft, Fate.PLANNED, request, now)

    async def run(
        self, old: OldArchive, request: ImportRequest, *, now: datetime, progress: TaskProgress
    ) -> ImportOutcome:
        """Import an archive: copied, packed anew, or where it lies.

        Raises:
            PassedOver, Refused, ArchiveDamaged, SourceChanged: it is not imported.
            QuotaPassed, QuotaReached, DiskReserveReached: there is no room for it.

        """
        began = time.monotonic()
        draft = await self._draft(old, request, now, progress, take_over=True)
        outcome = self._told(draft, Fate.IMPORTED, request, now)
        try:
            if old.ground.in_place:
                await self._import_in_place(draft, request, outcome, progress, began)
            else:
                await self._import_copy(draft, request, outcome, progress, began)
        finally:
            draft.close()
        return outcome

    async def _draft(
        self, old: OldArchive, request: ImportRequest, now: datetime, progress: TaskProgress, *, take_over: bool
    ) -> Draft:
        candidate = await self._select(old, take_over=take_over)
        if await progress.run(lambda: content.is_ours(old.path)):
            limit_bytes = request.limit_of(old.found.entry.size_bytes)
            head, facts = await progress.run(lambda: content.read_head(old.path, limit_bytes))
            draft = Draft(
                old=old,
                candidate=candidate,
                facts=facts,
                segment=head.segment,
                compression=Compression(head.compression),
                files=head.files,
                size_bytes=head.size_bytes,
            )
        else:
            draft = await self._draft_foreign(old, candidate, request, now, progress)
        try:
            async with self.db.read_only() as session:
                await find_job(session, draft.facts, draft.segment, owner=request.owner, lock=False)
        except BaseException:
            draft.close()
            raise
        return draft

    async def _draft_foreign(
        self, old: OldArchive, candidate: Candidate, request: ImportRequest, now: datetime, progress: TaskProgress
    ) -> Draft:
        """Date an archive that says nothing of its run by its name, else by its own time."""
        if old.ground.in_place:
            raise Refused("it has no manifest of ours; move it out of the store to have it packed anew")
        run, limit_bytes = old.found.name.run, request.limit_of(old.found.entry.size_bytes)
        stamped_at = None if run is None else run.stamped_at
        created_at = min(stamped_at or candidate.modified_at, now)
        job_id = uuid7() if run is None else run.id
        facts = facts_of_nameless(
            job_id,
            name=old.found.name.base,
            kind=KIND,
            folder_name=folder_name_of(job_id, created_at),
            created_at=created_at,
        )
        listing = await progress.run(lambda: foreign.survey(old.path, progress, limit_bytes))
        return Draft(
            old=old,
            candidate=candidate,
            facts=facts,
            segment=0,
            compression=self.compression,
            files=listing.files,
            size_bytes=listing.size_bytes,
            listing=listing,
        )

    async def _select(self, old: OldArchive, *, take_over: bool) -> Candidate:
        """Return under which id an archive may be imported.

        Raises:
            PassedOver: it is ours, or was deleted since it was.

        """
        if not old.ground.in_place:
            new, skipped = await self.copier.select(old.naming, [old.candidate], take_over=take_over)
            if skipped:
                raise PassedOver("it was deleted since; importing it again would undo that")
            if not new:
                raise Known("it is imported")
            return new[0]
        candidate = old.candidate
        async with self.db.read_only() as session:
            if not await list_unclaimed(session, [candidate.key]):
                raise Known("it is imported")
            while await statements.get_states(session, [candidate.id]):  # put back where it lay
                candidate = old.naming.again(candidate)
        return candidate

    async def _import_copy(
        self, draft: Draft, request: ImportRequest, outcome: ImportOutcome, progress: TaskProgress, began: float
    ) -> None:
        rows = self._rows(draft, request, outcome)
        asked = await self._register_as(draft, request)
        await self.protocol.require_disk_room(asked.key, asked.reserved_bytes)
        packed = segment_of(self.store, asked.key, size_bytes=None)

        async def fill(writer: ObjectWriter) -> Mapping[str, Share]:
            if draft.listing is not None:
                facts, compression = draft.facts, draft.compression
                packing = Repacking(draft.old.path, draft.listing, facts, compression, rows.archived_at)
                return await progress.run(lambda: packing.write(Sink(writer, progress), progress))
            with SourceFile(draft.old.ground.root, draft.old.found.entry) as source:
                await pour(source, writer)
            return {}

        async with self.protocol.pending() as uploads:
            await uploads.register(asked)
            failpoint("import_runs.registered")
            written, shares = await uploads.write(asked, fill, Expiry(at=rows.ends_at))
            failpoint("import_runs.synced")
            # What was packed anew was bounded when it was listed.
            limit_bytes = request.limit_of(written.size_bytes) if draft.listing is None else draft.size_bytes
            with await progress.run(lambda: content.prove(packed, progress, limit_bytes)) as contents:
                failpoint("import_runs.proven")
                stats = contents.stats(written.size_bytes, shares, began)
                await self._commit_copy(written, contents, replace(rows, stats=stats))

    @retried
    async def _commit_copy(self, written: WrittenUpload, contents: OldContents, rows: Rows) -> None:
        asked = written.registration
        async with self.db.transaction() as session:
            job = await add_run(session, contents, rows)
            settled, moved = await mark_stored(session, [written], jobs=self.protocol.transactions.jobs)
            if asked.id not in settled:
                raise UploadLeaseLost(asked.id)
            await add_contents(session, job, asked.id, asked.key, contents, rows)
            await ledger.move(session, moved)
            failpoint("import_runs.committing")
        failpoint("import_runs.committed")

    async def _import_in_place(
        self, draft: Draft, request: ImportRequest, outcome: ImportOutcome, progress: TaskProgress, began: float
    ) -> None:
        old, rows = draft.old, self._rows(draft, request, outcome)
        sha256 = await progress.run(lambda: _digest(old))
        limit_bytes = request.limit_of(old.found.entry.size_bytes)
        with await progress.run(lambda: content.prove(old.open, progress, limit_bytes)) as contents:
            stats = contents.stats(old.found.entry.size_bytes, {}, began)
            media_type = draft.compression.media_type
            candidate = replace(draft.candidate, sha256=sha256, media_type=media_type)
            await self._commit_in_place(old, candidate, contents, replace(rows, stats=stats))

    @retried
    async def _commit_in_place(self, old: OldArchive, candidate: Candidate, contents: OldContents, rows: Rows) -> None:
        destination = Destination(owner=rows.owner, category=Category.ARCHIVES)
        await statements.open_account(self.db, destination)
        async with self.db.transaction() as session:
            await lock_tree(session)
            await self.store.require_marker()  # a move may have closed the store meanwhile
            if not await list_unclaimed(session, [candidate.key]):
                raise Known("it is imported")
            if look(old.ground.root, [candidate.entry.name]) != [candidate.entry]:
                raise Refused("it changed while it was read")
            job = await add_run(session, contents, rows)
            stored = await statements.add_stored(session, destination, [candidate])
            if candidate.id not in stored.ids:
                raise Refused("its place in the store is taken")
            await add_contents(session, job, candidate.id, candidate.key, contents, rows)
            await statements.count_stored(session, destination, stored)
            failpoint("import_runs.committing")
        failpoint("import_runs.committed")

    async def _register_as(self, draft: Draft, request: ImportRequest) -> Registration:
        """Choose a name that neither a row nor a file has: one that an earlier attempt left may be on its way out."""
        day = datetime(draft.old.found.year, draft.old.found.month, 1, tzinfo=UTC)
        again = draft.candidate.attempt
        while True:
            name = draft.name(again)
            key = archive_key(name, day=day)
            async with self.db.read_only() as session:
                free = bool(await list_unclaimed(session, [key]))
            if free and await self.store.look_up([key]) == [None]:
                break
            again += 1
        return Registration(
            id=draft.candidate.id,
            owner=request.owner,
            category=Category.ARCHIVES,
            key=key,
            filename=name,
            media_type=draft.compression.media_type,
            reserved_bytes=draft.needed_bytes,
        )

    def _rows(self, draft: Draft, request: ImportRequest, outcome: ImportOutcome) -> Rows:
        if outcome.life is None:
            raise ValueError("an archive that is imported has a life")
        return Rows(
            owner=request.owner,
            actor=request.actor,
            archived_at=outcome.life.archive_at,
            ends_at=outcome.kept_until or outcome.life.end_at,
            number=draft.old.found.name.number,
            stats={},
        )

    def _told(self, draft: Draft, fate: Fate, request: ImportRequest, now: datetime) -> ImportOutcome:
        completed_at = min(draft.facts.completed_at, now)
        life = self.ends.life(draft.facts.created_at, completed_at, now)
        life = replace(life, archive_at=draft.old.archived_at(now))
        return ImportOutcome(
            name=draft.old.found.entry.name,
            subject=Subject.ARCHIVE,
            fate=fate,
            job_id=draft.facts.id,
            folder_name=draft.facts.folder_name,
            files=draft.files,
            size_bytes=draft.size_bytes,
            life=life,
            kept_until=self.ends.grace(now) if life.past_end and not request.accept_past_ends else None,
        )


def _digest(old: OldArchive) -> bytes:
    with SourceFile(old.ground.root, old.found.entry) as source:
        return digest_of(source)
