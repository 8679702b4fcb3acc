"""Statements on sessions."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from media_analysis.db.database import clock
from media_analysis.db.driver import Reads
from media_analysis.db.ids import BLIND
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role, UserSession, granted_scopes
from media_analysis.sessions.roles import Scope

END_SESSIONS: Final = "DELETE FROM user_sessions"


_GOOD: Final = (UserSession.revoked_at.is_(None), UserSession.expires_at > func.now())


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [UserSession.owner == owner]


def _values(
    *,
    session_id: UUID,
    owner: str,
    role: Role,
    token_hash: bytes,
    ttl: timedelta,
    own_scopes: Collection[str] | None = None,
    limit: Limit | None = None,
) -> dict[str, Any]:
    return {
        "id": session_id,
        "owner": owner,
        "role": role,
        "own_scopes": None if own_scopes is None else sorted(own_scopes),
        "categories": sorted(limit.categories) or None if limit is not None else None,
        "labels": sorted(map(str, limit.labels)) or None if limit is not None else None,
        "token_hash": token_hash,
        "expires_at": func.now() + ttl,
    }


async def add_session(
    session: AsyncSession,
    *,
    session_id: UUID,
    owner: str,
    role: Role,
    own_scopes: Collection[str] | None,
    limit: Limit | None,
    token_hash: bytes,
    ttl: timedelta,
) -> UserSession:
    """Insert a session that ends `ttl` from now."""
    values = _values(
        session_id=session_id,
        owner=owner,
        role=role,
        own_scopes=own_scopes,
        limit=limit,
        token_hash=token_hash,
        ttl=ttl,
    )
    return (await session.scalars(insert(UserSession).values(values).returning(UserSession))).one()


async def add_child(
    session: AsyncSession, *, session_id: UUID, parent_id: UUID, token_hash: bytes, ttl: timedelta
) -> UserSession | None:
    """Insert a session that may do what a good one may, and ends `ttl` from now or with it.

    None when there is no such session that is good, or it is a child itself.
    """
    # Locked, so that whoever ends the parent meanwhile finds the child.
    parent = (
        select(UserSession)
        .where(UserSession.id == parent_id, UserSession.parent_id.is_(None), *_GOOD)
        .with_for_update(read=True)
        .cte()
    )
    same = ("owner", "role", "own_scopes", "categories", "labels")
    values = {
        "id": literal(session_id),
        "parent_id": parent.c.id,
        "token_hash": literal(token_hash),
        "expires_at": func.least(parent.c.expires_at, func.now() + ttl),
        **{name: parent.c[name] for name in same},
    }
    statement = insert(UserSession).from_select(list(values), select(*values.values())).returning(UserSession)
    return (await session.scalars(statement)).one_or_none()


async def ensure_session(
    session: AsyncSession, *, session_id: UUID, owner: str, role: Role, token_hash: bytes, ttl: timedelta
) -> None:
    """Insert a session unless its token is known, in whatever state."""
    values = _values(session_id=session_id, owner=owner, role=role, token_hash=token_hash, ttl=ttl)
    await session.execute(insert(UserSession).values(values).on_conflict_do_nothing(index_elements=["token_hash"]))


def _unseen(now: datetime | None, seen_every: timedelta) -> ColumnElement[bool]:
    return or_(UserSession.last_seen_at.is_(None), UserSession.last_seen_at < clock(now) - seen_every)


CALLER: Final = """
    SELECT id, owner, role::text, role = 'admin' AS sees_all FROM user_sessions
    WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > now() AND last_seen_at > now() - interval '1 minute'
        AND (own_scopes IS NULL OR own_scopes && ARRAY['files:read', 'admin'])
        AND categories IS NULL AND labels IS NULL
"""
"""For statements that read files on behalf of whoever holds a token, whose hash is their first parameter.

A session that is not known to be in use is nobody's here: `SessionService.authenticate` notes that it is.
Nor is one that is limited: these statements look at no limits.
"""
_GET_VALID: Final = """
    SELECT id, owner, role::text, own_scopes, categories, labels,
        last_seen_at IS NULL OR last_seen_at < coalesce($2::timestamptz, now()) - $3::interval AS unseen
    FROM user_sessions
    WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > coalesce($2::timestamptz, now())
"""


async def get_valid(
    reads: Reads, token_hash: bytes, *, now: datetime | None, seen_every: timedelta
) -> tuple[UUID, str, Role, frozenset[Scope], Limit | None, bool] | None:
    """Return a session neither expired nor revoked, what it may do, and whether it was seen long ago."""
    rows = await reads.fetch(_GET_VALID, token_hash, now, seen_every)
    if not rows:
        return None
    session_id, owner, role, own_scopes, categories, labels, is_unseen = rows[0]
    scopes, limit = granted_scopes(Role(role), own_scopes), Limit.of(categories, labels)
    return session_id, owner, Role(role), scopes, limit, is_unseen


async def get_valid_ids(session: AsyncSession, ids: Collection[UUID]) -> Sequence[UUID]:
    """Return those of `ids` whose sessions are neither expired nor revoked."""
    return (await session.scalars(select(UserSession.id).where(UserSession.id.in_(ids), *_GOOD))).all()


async def mark_seen(session: AsyncSession, session_id: UUID, *, now: datetime | None, seen_every: timedelta) -> None:
    """Note that a session was used, unless a request just did."""
    await session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, _unseen(now, seen_every))
        .values(last_seen_at=clock(now))
        .execution_options(synchronize_session=False)
    )


async def get_session(session: AsyncSession, session_id: UUID, *, owner: str | None) -> UserSession | None:
    """Return one session."""
    return (await session.scalars(select(UserSession).where(UserSession.id == session_id, *_of(owner)))).one_or_none()


async def list_sessions(
    session: AsyncSession, *, owner: str | None, before: UUID | None, limit: int
) -> Sequence[UserSession]:
    """Return sessions, newest first, older than `before`."""
    query = select(UserSession).where(*_of(owner))
    if before is not None:
        query = query.where(UserSession.id < before)
    return (await session.scalars(query.order_by(UserSession.id.desc()).limit(limit))).all()


async def mark_revoked(session: AsyncSession, session_id: UUID, *, owner: str | None) -> UserSession | None:
    """End a session and its children; the first end counts. None when there is no such session."""
    end = update(UserSession).values(revoked_at=func.coalesce(UserSession.revoked_at, func.now()))
    statement = end.where(UserSession.id == session_id, *_of(owner)).returning(UserSession)
    ended = (await session.scalars(statement)).one_or_none()
    if ended is not None:
        await session.execute(end.where(UserSession.parent_id == session_id).execution_options(**BLIND))
    return ended


async def mark_extended(session: AsyncSession, session_id: UUID, *, ttl: timedelta) -> UserSession | None:
    """Set a new end for a session that was not revoked; no child lasts longer than its parent."""
    parent = aliased(UserSession)
    end_of_parent = select(parent.expires_at).where(parent.id == UserSession.parent_id).scalar_subquery()
    statement = (
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
        .values(expires_at=func.least(func.now() + ttl, end_of_parent))
        .returning(UserSession)
    )
    extended = (await session.scalars(statement)).one_or_none()
    if extended is not None:
        ends_with_it = update(UserSession).where(UserSession.parent_id == session_id)
        earlier = ends_with_it.values(expires_at=func.least(UserSession.expires_at, extended.expires_at))
        await session.execute(earlier.execution_options(**BLIND))
    return extended
