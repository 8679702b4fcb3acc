"""Tokens and sessions through the service, with time as a parameter."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from media_analysis.errors import SessionNotFound, TokenRejected
from media_analysis.runtime import Runtime
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import SCOPES
from media_analysis.sessions.service import Caller, new_token
from tests.conftest import fetch

HOUR = timedelta(hours=1)


def test_tokens_are_random_and_recognisable() -> None:
    tokens = {new_token() for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(token.startswith("mas_") and len(token) >= len("mas_") + 43 for token in tokens)


async def test_a_token_is_valid_until_the_very_instant_it_expires(runtime: Runtime) -> None:
    made, token = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=HOUR)
    last = made.expires_at - timedelta(microseconds=1)

    caller = await runtime.sessions.authenticate(token, now=last)

    assert caller == Caller(made.id, "alice", Role.USER, SCOPES[Role.USER])
    with pytest.raises(TokenRejected):
        await runtime.sessions.authenticate(token, now=made.expires_at)


async def test_the_database_clock_decides_when_no_instant_is_given(runtime: Runtime) -> None:
    _, token = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(0))

    with pytest.raises(TokenRejected):
        await runtime.sessions.authenticate(token)


@pytest.mark.parametrize("token", ["", "mas_", "mas_x", "x", "mas_" + "a" * 10_000, "mas_\ud800", "mas_\x00", "MAS_x"])
async def test_what_is_no_token_is_rejected(runtime: Runtime, token: str) -> None:
    with pytest.raises(TokenRejected):
        await runtime.sessions.authenticate(token)


async def test_a_users_scope_is_their_own_and_an_administrators_is_everybodys(runtime: Runtime) -> None:
    _, user = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=HOUR)
    _, admin = await runtime.sessions.create(owner="root", role=Role.ADMIN, ttl=HOUR)

    scopes = [(await runtime.sessions.authenticate(token)).scope for token in (user, admin)]

    assert scopes == ["alice", None]


async def test_last_seen_moves_on_only_after_a_minute(runtime: Runtime) -> None:
    made, token = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=HOUR)
    start = datetime.now(UTC)
    seen = []
    for seconds in (0, 30, 60, 61, 100, 122):
        await runtime.sessions.authenticate(token, now=start + timedelta(seconds=seconds))
        last = (await runtime.sessions.get(made.id, owner="alice")).last_seen_at
        assert last is not None
        seen.append(round((last - start).total_seconds()))

    assert seen == [0, 0, 0, 61, 61, 122]


async def test_revoking_is_final_and_happens_once(runtime: Runtime) -> None:
    made, token = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=HOUR)

    await runtime.sessions.revoke(made.id, owner=None)
    first = (await runtime.sessions.get(made.id, owner=None)).revoked_at
    await runtime.sessions.revoke(made.id, owner="alice")

    assert first is not None
    assert (await runtime.sessions.get(made.id, owner=None)).revoked_at == first
    with pytest.raises(TokenRejected):
        await runtime.sessions.authenticate(token)
    with pytest.raises(SessionNotFound):
        await runtime.sessions.change(made.id, ttl=HOUR)


async def test_nobody_reads_or_revokes_what_is_not_theirs(runtime: Runtime) -> None:
    made, token = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=HOUR)

    for session_id in (made.id, uuid4()):
        with pytest.raises(SessionNotFound):
            await runtime.sessions.get(session_id, owner="bob")
        with pytest.raises(SessionNotFound):
            await runtime.sessions.revoke(session_id, owner="bob")

    assert (await runtime.sessions.authenticate(token)).owner == "alice"


async def test_a_known_token_is_registered_once_and_stays_revoked(runtime: Runtime, database: str) -> None:
    token = new_token()
    for _ in range(2):
        await runtime.sessions.ensure(token, owner="admin", role=Role.ADMIN, ttl=HOUR)
    caller = await runtime.sessions.authenticate(token)
    await runtime.sessions.revoke(caller.session_id, owner=None)

    await runtime.sessions.ensure(token, owner="admin", role=Role.ADMIN, ttl=HOUR)

    assert len(await fetch(database, "SELECT FROM user_sessions")) == 1
    with pytest.raises(TokenRejected):
        await runtime.sessions.authenticate(token)


async def test_pages_of_sessions_lead_from_the_newest_to_the_oldest(runtime: Runtime) -> None:
    made = [(await runtime.sessions.create(owner="alice", role=Role.USER, ttl=HOUR))[0].id for _ in range(5)]
    await runtime.sessions.create(owner="bob", role=Role.USER, ttl=HOUR)

    first = await runtime.sessions.list(owner="alice", before=None, limit=3)
    second = await runtime.sessions.list(owner="alice", before=first.next_before, limit=3)

    assert [session.id for session in (*first.sessions, *second.sessions)] == made[::-1]
    assert second.next_before is None
