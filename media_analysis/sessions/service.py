"""Bearer tokens: made once, stored only as a hash, checked at every request (RFC 6750)."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.db.ids import find_ids
from media_analysis.errors import ScopeMissing, SessionLimited, SessionNotFound, TokenRejected
from media_analysis.sessions import queries
from media_analysis.sessions.limits import Limit, require_limitable
from media_analysis.sessions.models import Role, UserSession
from media_analysis.sessions.roles import Scope

TOKEN_PREFIX: Final = "mas_"  # noqa: S105 - the public part that secret scanners look for
TOKEN_BYTES: Final = 32
SEEN_EVERY: Final = timedelta(minutes=1)
_LONGEST_TOKEN: Final = 200


@dataclass(frozen=True)
class Caller:
    """Who is asking."""

    session_id: UUID
    owner: str
    role: Role
    scopes: frozenset[Scope]
    limit: Limit | None = None
    """Which of the files it reaches; None is all."""

    def may(self, scope: Scope) -> bool:
        """Whether the caller's session has a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def scope(self) -> str | None:
        """The owner whose objects the caller may see; None is everybody's."""
        return None if self.role is Role.ADMIN else self.owner


def new_token() -> str:
    """Return a fresh token with 256 bits of randomness."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return what is stored of a token; a plain SHA-256 suffices for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_token(text: str) -> bool:
    """Whether a text can be a token at all."""
    return text.startswith(TOKEN_PREFIX) and len(text) <= _LONGEST_TOKEN


@dataclass(frozen=True)
class SessionPage:
    """Some sessions, newest first, and where the next page begins."""

    sessions: Sequence[UserSession]
    next_before: UUID | None


@dataclass(frozen=True)
class SessionService:
    """Makes, checks, lists and revokes sessions."""

    db: Database

    @retried
    async def create(
        self,
        *,
        owner: str,
        role: Role,
        ttl: timedelta,
        scopes: Collection[Scope] | None = None,
        limit: Limit | None = None,
    ) -> tuple[UserSession, str]:
        """Return a new session and its token, which cannot be read again; without `scopes` its role says what it may.

        Whoever may administer sees what is everybody's, whatever role was named.

        Raises:
            InvalidRequest: with these scopes it cannot be limited.

        """
        if limit is not None:
            require_limitable(role, scopes)
        token = new_token()
        async with self.db.transaction() as session:
            return await queries.add_session(
                session,
                session_id=uuid7(),
                owner=owner,
                role=Role.ADMIN if Scope.ADMIN in (scopes or ()) else role,
                own_scopes=scopes,
                limit=limit,
                token_hash=hash_token(token),
                ttl=ttl,
            ), token

    @retried
    async def create_child(self, parent_id: UUID, *, ttl: timedelta) -> tuple[UserSession, str]:
        """Return a session for whoever signed in with another's token, and its own, which cannot be read again.

        It may do what that one may, and ends `ttl` from now, or with it.

        Raises:
            TokenRejected: that one is not good any more, or somebody's child itself: who has stolen a child's token
                makes no more of them.

        """
        token = new_token()
        async with self.db.transaction() as session:
            made = await queries.add_child(
                session, session_id=uuid7(), parent_id=parent_id, token_hash=hash_token(token), ttl=ttl
            )
        if made is None:
            raise TokenRejected
        return made, token

    @retried
    async def ensure(self, token: str, *, owner: str, role: Role, ttl: timedelta) -> None:
        """Make sure a session with this very token exists; one that was revoked stays revoked."""
        async with self.db.transaction() as session:
            await queries.ensure_session(
                session, session_id=uuid7(), owner=owner, role=role, token_hash=hash_token(token), ttl=ttl
            )

    @retried
    async def authenticate(self, token: str, *, now: datetime | None = None) -> Caller:
        """Return who holds `token`.

        Raises:
            TokenRejected: malformed, unknown, expired or revoked; which of them is not said.

        """
        if not is_token(token):
            raise TokenRejected

        async def find() -> tuple[UUID, str, Role, frozenset[Scope], Limit | None, bool] | None:
            return await queries.get_valid(self.db.driver.reads, hash_token(token), now=now, seen_every=SEEN_EVERY)

        found = await self.db.retry(find)
        if found is None:
            raise TokenRejected
        session_id, owner, role, scopes, limit, seen_long_ago = found
        if seen_long_ago:
            async with self.db.transaction() as session:
                await queries.mark_seen(session, session_id, now=now, seen_every=SEEN_EVERY)
        return Caller(session_id, owner, role, scopes, limit)

    async def find_good(self, ids: Collection[UUID]) -> AbstractSet[UUID]:
        """Return those of `ids` whose sessions are neither expired nor revoked."""
        async with self.db.read_only() as session:
            return frozenset(await queries.get_valid_ids(session, ids))

    async def get(self, session_id: UUID, *, owner: str | None) -> UserSession:
        """Return one session.

        Raises:
            SessionNotFound: unknown, or somebody else's.

        """
        async with self.db.read_only() as session:
            found = await queries.get_session(session, session_id, owner=owner)
        if found is None:
            raise SessionNotFound(session_id)
        return found

    async def find(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of sessions that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            return await find_ids(session, UserSession.id, digits, limit=limit)

    async def list(self, *, owner: str | None, before: UUID | None, limit: int) -> SessionPage:
        """Return one page of sessions, newest first, ended ones included."""
        async with self.db.read_only() as session:
            found = await queries.list_sessions(session, owner=owner, before=before, limit=limit + 1)
        more = len(found) > limit
        return SessionPage(found[:limit], found[limit - 1].id if more else None)

    @retried
    async def change(self, session_id: UUID, *, ttl: timedelta) -> UserSession:
        """Let a session end `ttl` from now.

        Raises:
            SessionNotFound: unknown, or revoked.

        """
        async with self.db.transaction() as session:
            changed = await queries.mark_extended(session, session_id, ttl=ttl)
        if changed is None:
            raise SessionNotFound(session_id)
        return changed

    @retried
    async def revoke(self, session_id: UUID, *, owner: str | None, by: Caller | None = None) -> None:
        """End a session at once, its own or one that may do no more than `by`; ending it again changes nothing.

        Raises:
            SessionNotFound: unknown, or somebody else's.
            ScopeMissing: it may do what `by` may not.
            SessionLimited: `by` is limited to some files, and this is another.

        """
        if by is not None and by.limit is not None and by.session_id != session_id:
            raise SessionLimited("a session that is limited to categories or labels ends itself only")
        async with self.db.transaction() as session:
            ended = await queries.mark_revoked(session, session_id, owner=owner)
            if ended is None:
                raise SessionNotFound(session_id)
            if by is not None and by.session_id != session_id:
                for scope in ended.scopes:
                    if not by.may(scope):
                        raise ScopeMissing(scope)
