"""The way back: what it loses is told before, what the earlier schema can say stays, and up again all is whole."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.db.downgrades import MigrationTarget, list_losses, migrate_back, resolve_revision
from media_analysis.db.migrations import head, migrate, revisions
from media_analysis.errors import DowngradeImpossible, DowngradeStopped, InvalidRequest, SchemaInUse
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import open_runtime
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from tests.conftest import chunks, execute, fetch, with_database
from tests.db.power import Power

KEPT = "SELECT id, key, size_bytes, sha256, created_at FROM media_files"
UNPINNED = """
    SELECT FROM job_sources JOIN analysis_jobs ON id = job_id WHERE until IS DISTINCT FROM pinned_until
"""
OLDEST = revisions()[0]


@pytest.fixture
async def full(own_database: str, tmp_path: Path) -> str:
    """The URL of a database that a service used: a file, a job that waits for it, a token, and a limited one."""
    environment = {"DATABASE_URL": own_database, "MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var")}
    async with open_runtime(load_settings(environ=environment).settings, own_database) as runtime:
        upload = Upload(owner="alice", category=Category.UPLOADS, filename="a.bin")
        file = await runtime.files.uploads.store_file(upload, chunks(b"precious"))
        await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[file.id]))
        hour, limit = timedelta(hours=1), Limit.of(["clips"], None)
        await runtime.sessions.create(owner="alice", role=Role.USER, ttl=hour)
        await runtime.sessions.create(owner="bob", role=Role.USER, ttl=hour, scopes=[Scope.FILES_READ], limit=limit)
    await execute(own_database, "UPDATE instance SET archives_apart = true")
    return own_database


async def test_every_step_back_tells_what_it_loses_and_keeps_the_rest(full: str) -> None:
    files = await fetch(full, KEPT)

    told = {}
    for revision in (*reversed(revisions()[:-1]), "base"):
        told[revision] = list(await list_losses(full, revision))
        assert (await fetch(full, "SELECT version_num FROM alembic_version"))[0][0] != revision
        if revision != "base":
            await migrate_back(full, revision)
            assert await fetch(full, KEPT) == files
        if revision == "0028":
            ended = await fetch(full, "SELECT owner FROM user_sessions WHERE revoked_at IS NOT NULL")
            assert [session["owner"] for session in ended] == ["bob"]  # whom it would open all files to
        if revision == "0012":
            await migrate(full)
            assert await fetch(full, UNPINNED) == []
            await migrate_back(full, revision)
    await migrate(full)

    assert told["0028"] == ["user_sessions.categories (1 row)"]
    assert told["0005"] == ["instance.archives_apart (1 row)"]
    assert "job_sources (1 row)" in told["0003"]
    assert {"audit_events (1 row)"} <= set(told["0002"])
    assert any(loss.startswith("category_policies (") for loss in told["0002"])
    assert {"media_files (1 row)", "user_sessions (2 rows)", "analysis_jobs (1 row)"} <= set(told["base"])
    assert await fetch(full, KEPT) == files
    assert (await resolve_revision(full, "head")).current == head()


async def test_jobs_that_an_earlier_version_had_in_its_queue_are_run(full: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": full, "MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var")}
    await migrate_back(full, "0016")
    await execute(
        full,
        """INSERT INTO queue.pgqueuer (priority, status, entrypoint, payload)
            SELECT 0, 'queued', kind, convert_to(id::text, 'UTF8') FROM analysis_jobs""",
        "UPDATE analysis_jobs SET queue_id = (SELECT id FROM queue.pgqueuer)",
    )

    await migrate(full)

    async with open_runtime(load_settings(environ=environment).settings, full) as runtime:
        claim = await runtime.jobs.claims.claim(["probe"], worker="w")
    assert [attempt.kind for attempt in claim.attempts] == ["probe"]


async def test_what_the_earlier_schema_cannot_say_stops_it_before_anything_is_lost(full: str) -> None:
    # As an imported file is that no scrub has read yet.
    await execute(full, "UPDATE media_files SET sha256 = NULL")

    with pytest.raises(DowngradeImpossible, match=f"cannot go back to {OLDEST}, and nothing was changed"):
        await list_losses(full, OLDEST)

    assert (await resolve_revision(full, "head")).current == head()


async def test_a_way_back_that_stops_says_where_the_schema_is(full: str) -> None:
    await execute(full, "UPDATE media_files SET sha256 = NULL")

    with pytest.raises(DowngradeStopped, match=f"the way back to {OLDEST} stopped at 000") as stopped:
        await migrate_back(full, OLDEST)

    current = (await resolve_revision(full, "head")).current
    assert stopped.value.stopped_at == current
    assert OLDEST < current < head()
    assert "nothing was changed" not in str(stopped.value)


async def test_it_waits_for_nobody_and_breaks_nobody_who_is_at_work(full: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": full, "MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var")}

    async with open_runtime(load_settings(environ=environment).settings, full):
        with pytest.raises(SchemaInUse, match="stop serve, work and commands first"):
            await migrate_back(full, "base")

    assert (await resolve_revision(full, "head")).current == head()


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("head", -1),
        ("-1", -2),
        ("-2", -3),
        (OLDEST, 0),
        ("+0", -1),
    ],
)
async def test_where_to_is_said_as_to_alembic(own_database: str, wanted: str, reached: int) -> None:
    target = await resolve_revision(own_database, wanted)

    assert target == MigrationTarget(head(), revisions()[reached], goes_back=revisions()[reached] != head())


@pytest.mark.parametrize("wanted", ["", "00", "9999", "+1", "-99", "tail", "--", "HEAD^"])
async def test_an_unknown_revision_is_refused_with_the_known_ones(own_database: str, wanted: str) -> None:
    with pytest.raises(InvalidRequest, match=f"--to.*base.*{', '.join(revisions())}"):
        await resolve_revision(own_database, wanted)


SCHEMA = """
    SELECT format('%s.%s %s', table_name, column_name, udt_name) FROM information_schema.columns
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
    UNION ALL SELECT format('%s %s', tgname, pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('%s %s', typname, enumlabel) FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
"""


async def test_every_step_back_leads_to_the_schema_that_every_step_up_made(own_server: Power) -> None:
    name = f"steps_{os.getpid()}"
    url = with_database(own_server.url, name)
    await execute(with_database(own_server.url, "postgres"), f'CREATE DATABASE "{name}"')

    made = {}
    for revision in revisions():
        await migrate(url, revision)
        made[revision] = {row[0] for row in await fetch(url, SCHEMA)}
    reached = {}
    for revision in reversed(revisions()[:-1]):
        await migrate_back(url, revision)
        reached[revision] = {row[0] for row in await fetch(url, SCHEMA)}

    differences = {revision: sorted(schema ^ made[revision]) for revision, schema in reached.items()}
    assert {revision: found for revision, found in differences.items() if found} == {}
