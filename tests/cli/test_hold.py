"""`hold`, `release` and `extend`: what they keep, as whom, and what they refuse in one sentence."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from media_analysis.errors import AdminRequired
from media_analysis.runtime import Runtime
from tests.cli.commands import run
from tests.conftest import StoreFile, fetch
from tests.retention.jobs import add_job, events, facts_of

Environment = dict[str, str]


async def test_a_file_is_held_as_an_administrator_would_and_released(
    runtime: Runtime, store_file: StoreFile, environment: Environment, database: str
) -> None:
    stored = await store_file()

    held = run("hold", str(stored.id), "--reason", "a court asked", "--until", "2090-01-01T00:00Z", **environment)
    with pytest.raises(AdminRequired):
        await runtime.retention.holds.release_file(stored.id, owner="alice", actor="alice")
    row = await facts_of(database, stored.id)
    released = run("release", str(stored.id), **environment)

    assert (held.returncode, released.returncode) == (0, 0), held.stderr + released.stderr
    assert held.stdout == f"held {stored.id} until 2090-01-01T00:00:00Z\n"
    assert (row["held_until"], row["hold_reason"], row["held_by"]) == (
        datetime(2090, 1, 1, tzinfo=UTC),
        "a court asked",
        "command line",
    )
    assert (await facts_of(database, stored.id))["held_until"] is None
    assert [event["actor"] for event in await events(database, file_id=stored.id)] == ["command line"] * 2


async def test_a_job_is_held_extended_and_released_with_its_files(
    runtime: Runtime, store_file: StoreFile, environment: Environment, database: str
) -> None:
    job_id = await add_job(database)
    stored = await store_file(job_id=job_id)

    held = run("hold", str(job_id), "--job", "--reason", "audit", **environment)
    during = await facts_of(database, stored.id)
    extended = run("extend", str(job_id), "--job", "--forever", **environment)
    released = run("release", str(job_id), "--job", **environment)
    after = await facts_of(database, stored.id)

    assert held.stdout == f"held {job_id} and its 1 files until it is released\n"
    assert extended.stdout == f"kept {job_id} and its 1 files until it is deleted\n"
    assert released.stdout == f"released {job_id}\n"
    assert (during["due_at"], during["job_held_until"] is None) == (None, False)
    assert (after["job_held_until"], after["expires_at"]) == (None, None)


async def test_spans_count_from_now(
    runtime: Runtime, store_file: StoreFile, environment: Environment, database: str
) -> None:
    stored = await store_file()

    held = run("hold", str(stored.id), "--reason", "r", "--for", "2d", **environment)
    extended = run("extend", str(stored.id), "--for", "30d", **environment)

    row = await facts_of(database, stored.id)
    now = await runtime.db.now()
    assert (held.returncode, extended.returncode) == (0, 0)
    assert timedelta(hours=47) < row["held_until"] - now < timedelta(days=2)
    assert timedelta(days=29) < row["expires_at"] - now < timedelta(days=30)
    assert row["due_at"] == row["expires_at"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("hold", "--reason", ""), "--reason"),
        (("hold", "--reason", "a\x07b"), "--reason"),
        (("hold", "--reason", "r", "--until", "tomorrow"), "--until"),
        (("hold", "--reason", "r", "--until", "2090-13-01"), "--until"),
        (("hold", "--reason", "r", "--until", "2020-01-01T00:00Z"), "no such file"),
        (("hold", "--reason", "r", "--for", "soon"), "--for"),
        (("hold", "--reason", "r", "--for", "indefinite"), "--for"),
        (("hold", "--reason", "r", "--for", "1d", "--until", "2090-01-01T00:00Z"), "--for"),
        (("hold", "--reason", "r", "--job"), "no such job"),
        (("release",), "no such file"),
        (("extend",), "--forever"),
        (("extend", "--forever", "--for", "1d"), "--forever"),
        (("extend", "--for", "1d", "--job"), "no such job"),
        (("extend", "--until", "2020-01-01", "--job"), "--until: 2020-01-02T00:00:00Z is over"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_one_sentence(
    runtime: Runtime, environment: Environment, database: str, arguments: tuple[str, ...], named: str
) -> None:
    command, *options = arguments

    refused = run(command, str(uuid4()), *options, **environment)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"media-analysis: {named}"), refused.stderr
    assert (refused.stdout, refused.stderr.count("\n")) == ("", 1)
    assert await fetch(database, "SELECT id FROM audit_events WHERE action IN ('held', 'released', 'extended')") == []
