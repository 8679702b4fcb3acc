"""`session create`: a token on standard output, refusals in a sentence."""

import hashlib
import json
from datetime import timedelta

import pytest

from media_analysis.errors import TokenRejected
from media_analysis.runtime import Runtime
from media_analysis.sessions.roles import Role
from tests.cli.commands import run
from tests.conftest import fetch

pytestmark = pytest.mark.usefixtures("served")


async def test_the_token_is_all_of_standard_output_and_only_its_hash_is_kept(
    environment: dict[str, str], database: str
) -> None:
    made = run("session", "create", "--owner", "alice", "--role", "admin", "--ttl", "12h", **environment)
    token = made.stdout.removesuffix("\n")
    (row,) = await fetch(database, "SELECT *, expires_at - created_at AS ttl FROM user_sessions")

    assert made.returncode == 0
    assert token.startswith("mas_")
    assert token not in made.stderr
    assert row["token_hash"] == hashlib.sha256(token.encode()).digest()
    assert (row["owner"], row["role"], row["ttl"].total_seconds()) == ("alice", "admin", 12 * 3600)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--owner", "al ice"), "--owner"),
        (("--owner", "[/bold]"), "--owner"),
        (("--owner", "alice", "--ttl", "soon"), "--ttl"),
        (("--owner", "alice", "--ttl", "-1"), "--ttl"),
        (("--owner", "alice", "--category", "clips"), "scopes"),
        (("--owner", "alice", "--scope", "files:read", "--label", "!camera"), "--label"),
    ],
)
async def test_what_cannot_be_a_session_is_refused_in_one_sentence(
    environment: dict[str, str], database: str, arguments: tuple[str, ...], named: str
) -> None:
    refused = run("session", "create", *arguments, **environment)

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"media-analysis: {named}")
    assert refused.stderr.count("\n") == 1
    assert await fetch(database, "SELECT * FROM user_sessions") == []


async def test_a_session_is_limited_to_categories_and_labels(environment: dict[str, str]) -> None:
    limits = ("--category", "clips", "--label", "camera:north", "--label", "event")

    made = run("session", "create", "--owner", "alice", "--scope", "files:read", *limits, **environment)
    (told,) = json.loads(run("session", "list", "--json", **environment).stdout)

    assert "(files:read clips camera:north event)" in made.stderr
    assert (told["categories"], told["labels"]) == (["clips"], ["camera:north", "event"])


async def test_sessions_are_listed_and_one_is_revoked_by_the_end_of_its_id(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    made, token = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))

    revoked = run("session", "revoke", f"…{made.id.hex[-12:]}", **environment)
    listed = run("session", "list", **environment)
    (told,) = json.loads(run("session", "list", "--owner", "alice", "--json", **environment).stdout)

    assert (revoked.returncode, revoked.stdout) == (0, f"revoked {made.id}\n")
    assert str(made.id) in listed.stdout
    assert token not in listed.stdout
    assert (told["id"], told["role"], told["revoked_at"] is None) == (str(made.id), "user", False)
    with pytest.raises(TokenRejected):
        await runtime.sessions.authenticate(token)
