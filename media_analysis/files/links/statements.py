"""Statements on links and their keys."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.driver import Reads
from media_analysis.files.links.models import Link, LinkKey

_KNOWN: Final = """
    SELECT link.id, link.kind::text, link.owner, link.file_id, link.disposition::text, link.wish, link.max_bytes,
        key.secret, session.categories, session.labels, link.used_at IS NOT NULL AS is_used,
        link.revoked_at IS NOT NULL OR key.ended_at IS NOT NULL OR session.revoked_at IS NOT NULL
            OR coalesce(session.expires_at <= now(), true) AS is_revoked,
        link.expires_at, link.expires_at <= now() AS is_over
    FROM links AS link JOIN link_keys AS key ON key.id = link.key_id
    LEFT JOIN user_sessions AS session ON session.id = link.session_id
    WHERE link.id = $1
"""
# A session that ended by itself cuts off nothing that its links began.
_GOOD: Final = text("""
    SELECT link.id FROM links AS link JOIN link_keys AS key ON key.id = link.key_id
    JOIN user_sessions AS session ON session.id = link.session_id
    WHERE link.id = ANY(CAST(:ids AS uuid[])) AND link.revoked_at IS NULL AND key.ended_at IS NULL
        AND session.revoked_at IS NULL
""")
_MAKER: Final = text("""
    SELECT now() AS at, session.expires_at, (
        SELECT count(*) FROM (
            SELECT FROM links WHERE owner = :owner AND revoked_at IS NULL AND used_at IS NULL AND expires_at > now()
            LIMIT :most
        ) AS living
    ) AS living
    FROM user_sessions AS session
    WHERE session.id = :session_id AND session.revoked_at IS NULL AND session.expires_at > now()
""")


async def get_known(reads: Reads, link_id: UUID) -> Any:
    """Return all that decides about a link, and what signs it; None where there is none."""
    rows = await reads.fetch(_KNOWN, link_id)
    return rows[0] if rows else None


async def get_good_ids(session: AsyncSession, ids: Collection[UUID]) -> AbstractSet[UUID]:
    """Return those of `ids` whose links were not revoked, by whatever road."""
    return frozenset((await session.scalars(_GOOD, {"ids": list(ids)})).all())


async def get_maker(session: AsyncSession, session_id: UUID, *, owner: str, most: int) -> Any:
    """Return when a session ends, and how many good links an owner has, counted up to `most`; None if it has ended."""
    asked = {"session_id": session_id, "owner": owner, "most": most}
    return (await session.execute(_MAKER, asked)).one_or_none()


async def get_signing_key(session: AsyncSession, *, lifetime: timedelta) -> LinkKey | None:
    """Return the newest key, if it is not too old to sign new links."""
    fresh = (LinkKey.ended_at.is_(None), LinkKey.created_at > func.now() - lifetime)
    return (await session.scalars(select(LinkKey).where(*fresh).order_by(LinkKey.id.desc()).limit(1))).one_or_none()


async def get_link(session: AsyncSession, link_id: UUID, *, owner: str | None) -> Link | None:
    """Return one link."""
    return (await session.scalars(select(Link).where(Link.id == link_id, *_of(owner)))).one_or_none()


async def list_links(
    session: AsyncSession, *, owner: str | None, file_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[Link]:
    """Return links, newest first, older than `before`."""
    query = select(Link).where(*_of(owner))
    if file_id is not None:
        query = query.where(Link.file_id == file_id)
    if before is not None:
        query = query.where(Link.id < before)
    return (await session.scalars(query.order_by(Link.id.desc()).limit(limit))).all()


async def mark_revoked(session: AsyncSession, link_id: UUID, *, owner: str | None) -> tuple[Link, bool] | None:
    """End a link, and say whether this did; None when there is no such link."""
    link = (await session.scalars(select(Link).where(Link.id == link_id, *_of(owner)).with_for_update())).one_or_none()
    if link is None:
        return None
    if link.revoked_at is not None:
        return link, False
    ended = update(Link).where(Link.id == link_id).values(revoked_at=func.now()).returning(Link)
    return (await session.scalars(ended, execution_options={"populate_existing": True})).one(), True


async def end_keys(session: AsyncSession, *, but: UUID) -> int:
    """End all keys but one, and with them their links; return how many that were."""
    # In the order of ids, as everywhere.
    living = select(LinkKey.id).where(LinkKey.ended_at.is_(None), LinkKey.id != but).order_by(LinkKey.id)
    ids = (await session.scalars(living.with_for_update())).all()
    await session.execute(update(LinkKey).where(LinkKey.id.in_(ids)).values(ended_at=func.now()))
    return len(ids)


async def list_keys(session: AsyncSession) -> Sequence[Any]:
    """Return id, beginning and end of every key, newest first, without what it signs with."""
    known = select(LinkKey.id, LinkKey.created_at, LinkKey.ended_at)
    return (await session.execute(known.order_by(LinkKey.id.desc()))).all()


def _of(owner: str | None) -> list[Any]:
    return [] if owner is None else [Link.owner == owner]
