"""Files that somebody asks to delete, each with what was derived from it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from media_analysis.archive.expiry import ArchiveExpiry
from media_analysis.db.database import Database, retried
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.due import get_facts, lock_file
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.tombstones import Order
from media_analysis.errors import MediaAnalysisError
from media_analysis.failpoints import failpoint
from media_analysis.retention import families
from media_analysis.retention.families import FileDeletion

log = structlog.get_logger()


@dataclass(frozen=True)
class FileDeletionService:
    """Deletes files on request, or says what that would take."""

    db: Database
    deleter: Deleter

    @retried
    async def delete(
        self, file_id: UUID, asked: DeletionRequest, *, owner: str | None, derived: bool = True
    ) -> FileDeletion:
        """Delete one file because somebody asks for it: into the trash if there is one, unless scratch or for good.

        What was `derived` from it, and the results about all of them, go with it in the same transaction. A deletion
        for good also takes what is in the trash, or expired already. Law holds for both: what is held stays.

        Raises:
            FileNotFound, FileGone, FileNotReady, FileHeld: there is nothing to delete, or it may not go.
            ArchiveOfJob, DerivedArchived: it, or what was derived from it, goes with a run only.
            MarkerMismatch, DatabaseUnavailable: nothing was deleted.

        """
        began = time.monotonic()
        await self.deleter.store.require_marker()
        now = await self.db.now()
        async with self.db.transaction() as session:
            if derived:
                await families.lock_families(session, [file_id], owner=owner)
            found = await lock_file(session, file_id, owner=owner)
            head = await families.require_head(session, found, file_id, owner=owner, now=now, asked=asked)
            going = await families.weigh_family(
                session, head, now=now, asked=asked, strategy=self.deleter.strategy, derived=derived
            )
            families.require_derived_unprotected(going)
            batch = await self.deleter.begin(session, asked, now=now, kept_for=going.kept_for)
            purges = await families.take_family(session, going, batch)
            failpoint("delete.requesting")
        failpoint("delete.requested")
        if batch.kept_for is None:
            purges = [*purges, *await delete_copies(self.db, [file_id, *going.derived_ids], batch.order)]
        return replace(going, remaining=await self.deleter.purge_for_answer(purges, since=began))

    async def preview(
        self, file_id: UUID, asked: DeletionRequest, *, owner: str | None, derived: bool = True
    ) -> FileDeletion:
        """Say what a deletion of a file would take, and what protects some of what was derived from it.

        Raises:
            FileNotFound, FileGone, FileNotReady, FileHeld: there is nothing to delete, or it may not go.

        """
        now = await self.db.now()
        async with self.db.read_only() as session:
            found = await get_facts(session, file_id, owner=owner)
            head = await families.require_head(session, found, file_id, owner=owner, now=now, asked=asked)
            return await families.weigh_family(
                session, head, now=now, asked=asked, strategy=self.deleter.strategy, derived=derived
            )


async def delete_copies(db: Database, file_ids: Sequence[UUID], order: Order) -> Sequence[UUID]:
    """Let go of archives with copies of files just deleted; what a crash or an error leaves the sweep finds."""
    try:
        return await ArchiveExpiry(db).delete_copies_of(file_ids, order)
    except MediaAnalysisError as error:
        # The tombstones are committed, so the files are deleted whatever happens here.
        log.warning("archive.drop_postponed", reason=error.code)
        return ()
