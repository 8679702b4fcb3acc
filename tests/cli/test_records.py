"""Records on the command line: how long they are kept, what would end, and that it ends, killed or not."""

import json
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.cli.commands import armed, run
from tests.conftest import StoreFile, execute, fetch
from tests.crash.points import find_moments


@pytest.fixture
async def old(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    """Twelve hundred sessions that ended a year ago, and a file deleted earlier than tombstones are kept."""
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice")
    await execute(
        database,
        "UPDATE events SET at = at - interval '8 days'",
        "UPDATE tombstones SET deleted_at = deleted_at - interval '401 days'",
        "INSERT INTO user_sessions (id, owner, role, token_hash, expires_at)"
        " SELECT ('01000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'alice', 'user',"
        " sha256(n::text::bytea), now() - interval '1 year' FROM generate_series(1, 1200) AS n",
    )


async def count(database: str) -> tuple[int, int]:
    (row,) = await fetch(database, "SELECT (SELECT count(*) FROM tombstones), (SELECT count(*) FROM user_sessions)")
    return row[0], row[1]


@pytest.mark.usefixtures("old")
async def test_what_is_over_ends_after_a_batch_that_was_killed_too(
    database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    rehearsed = run("records", "end", "--dry-run", **environment)
    unchanged = await count(database)
    killed = run("records", "end", **environment, **armed(KILL_VARIABLE, "records.ending:2"))
    left = await count(database)
    done = run("records", "end", "--json", **environment, **armed(TRACE_VARIABLE, trace))
    listed = {life["name"]: life for life in json.loads(run("records", "list", "--json", **environment).stdout)}

    assert rehearsed.stdout == "1203 records would end: 1 of tombstones, 1200 of sessions, 2 of events\n"
    assert unchanged == (1, 1200)
    assert find_moments(trace, "records")
    assert (killed.returncode, left) == (-9, (0, 1200))
    assert {name: ended for name, ended in json.loads(done.stdout)["ended"].items() if ended} == {
        "sessions": 1200,
        "events": 2,
    }
    assert await count(database) == (0, 0)
    assert listed["tombstones"]["life_seconds"] == 400 * 86_400
    assert (listed["tombstones"]["ended"], listed["sessions"]["ended"]) == (1, 1200)
    assert listed["idempotency_keys"]["setting"] is None


@pytest.mark.usefixtures("old")
def test_what_must_outlive_is_exported_a_line_each(environment: dict[str, str]) -> None:
    exported = run("records", "export", "tombstones", **environment)
    none = run("records", "export", "tombstones", "--since", "2020-01-01", "--before", "2020-01-02", **environment)
    refused = run("records", "export", "sweeps", **environment)

    assert [json.loads(line)["owner"] for line in exported.stdout.splitlines()] == ["alice"]
    assert (none.returncode, none.stdout) == (0, "")
    assert (refused.returncode, refused.stderr) == (
        1,
        "media-analysis: KIND: one of tombstones, audit, jobs\n",
    )


@pytest.mark.usefixtures("runtime")
def test_the_lives_are_a_table_for_people(environment: dict[str, str]) -> None:
    printed = run("records", "list", STORAGE_RECORDS_TOMBSTONES="indefinite", **environment).stdout

    assert [line.split()[:2] for line in printed.splitlines() if line.startswith(("tombstones", "audit"))] == [
        ["tombstones", "indefinite"],
        ["audit", "indefinite"],
    ]
