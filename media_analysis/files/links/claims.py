"""An upload link is used once: who brings the file holds the link, and has used it with the commit that stores it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from media_analysis.audit import ADD_EVENTS, Action
from media_analysis.db.database import Database
from media_analysis.db.driver import Executes
from media_analysis.errors import LinkGone, LinkInUse
from media_analysis.failpoints import failpoint

Discard = Callable[[Sequence[UUID]], Awaitable[None]]
_LOCK = text("""
    SELECT used_at IS NOT NULL AS is_used, revoked_at IS NOT NULL AS is_revoked, file_id
    FROM links WHERE id = :link_id FOR UPDATE
""")
# Apart from the lock, for whoever waited for that would see the file of the link as it was before.
_LEASE = text("""
    SELECT extract(epoch FROM due_at - now())::float8 FROM media_files WHERE id = :file_id AND state = 'pending'
""")
_HOLD = text("UPDATE links SET file_id = :file_id WHERE id = :link_id")
# The file tells that it is the one: a claim that was lost cannot be stored, for its row is gone.
_USE = text(f"""
    WITH stored AS (
        SELECT * FROM unnest(CAST(:event_ids AS uuid[]), CAST(:link_ids AS uuid[]), CAST(:file_ids AS uuid[]))
            AS stored(event_id, link_id, file_id)
    ), used AS (
        UPDATE links SET used_at = now() FROM stored
        WHERE links.id = stored.link_id AND links.file_id = stored.file_id
        RETURNING stored.event_id, links.id, links.owner, links.file_id
    )
    {ADD_EVENTS}
    SELECT event_id, 'link:' || id, '{Action.LINK_USED}', owner, file_id, NULL::uuid, NULL::uuid, NULL::retention_rule,
        jsonb_build_object('link_id', id)
    FROM used
""")  # noqa: S608 - constants
ATTEMPTS: Final = 3


async def claim_link(db: Database, link_id: UUID, file_id: UUID, *, discard: Discard) -> None:
    """Let a registered upload, and no other, bring the file of a link.

    Nobody is stored who lost it: a claim is taken from none but whose row is gone, or is discarded here, since its
    lease is over.

    Raises:
        LinkInUse: somebody else is bringing it.
        LinkGone: it was used or revoked meanwhile.

    """
    for _ in range(ATTEMPTS):
        dead = await db.retry(lambda: _claim(db, link_id, file_id))
        if dead is None:
            failpoint("link.claimed")
            return
        await discard([dead])
    raise LinkInUse(retry_after_seconds=1)


async def _claim(db: Database, link_id: UUID, file_id: UUID) -> UUID | None:
    """Claim it, or return whose lease is over and still has it."""
    async with db.transaction() as session:
        link = (await session.execute(_LOCK, {"link_id": link_id})).one_or_none()
        if link is None or link.is_revoked:
            raise LinkGone("revoked")
        if link.is_used:
            raise LinkGone("used")
        left_seconds = (await session.scalars(_LEASE, {"file_id": link.file_id})).one_or_none()
        if left_seconds is not None and link.file_id != file_id:
            if left_seconds > 0:
                raise LinkInUse(retry_after_seconds=int(left_seconds) + 1)
            holder: UUID = link.file_id
            return holder
        await session.execute(_HOLD, {"link_id": link_id, "file_id": file_id})
        return None


async def mark_used(session: Executes, stored: Mapping[UUID, UUID]) -> None:
    """Say in the transaction that stores them which links these files came by, and tell of it."""
    told = {"event_ids": [uuid7() for _ in stored], "link_ids": list(stored), "file_ids": list(stored.values())}
    await session.execute(_USE, told)
    failpoint("link.used")
