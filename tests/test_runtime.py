"""The runtime: opens everything once over a store that is this database's, and closes it again."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from media_analysis.errors import MarkerMismatch
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.sessions.models import Role
from media_analysis.settings import Settings, load_settings
from media_analysis.settings.postgres import database_options, database_url
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch


def settings_of(environment: dict[str, str], **more: str) -> Settings:
    return load_settings(environ=environment | more).settings


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def open_and_close(settings: Settings, database: str) -> None:
    async with open_runtime(settings, database):
        pass


async def test_a_store_is_made_where_there_was_none(settings: Settings, database: str) -> None:
    await open_and_close(settings, database)
    (instance,) = await fetch(database, "SELECT id::text FROM instance")

    folders = ["archives", "clips", "contact-sheets", "frames", "outputs", "temp", "uploads"]
    assert sorted(names_in(settings.store_path)) == [".media-analysis", "README.txt", *folders]
    assert instance["id"] in (settings.store_path / ".media-analysis").read_text()


async def test_opening_again_finds_what_was_stored(
    runtime: Runtime, store_file: StoreFile, settings: Settings, database: str
) -> None:
    stored = await store_file(b"kept")

    async with open_runtime(settings, database) as again:
        found = await again.files.catalog.get(stored.id, owner="alice")

    assert found.key == stored.key


async def test_no_connection_outlives_the_runtime(settings: Settings, database: str) -> None:
    connected = (
        "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'media-analysis' ORDER BY pid"
    )
    before = await fetch(database, connected, make_url(database).database)

    async with open_runtime(settings, database) as runtime:
        await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))

    assert await fetch(database, connected, make_url(database).database) == before


async def test_a_database_that_knows_files_refuses_an_empty_store(
    store_file: StoreFile, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    await store_file(b"kept")

    with pytest.raises(MarkerMismatch, match="is the volume mounted"):
        await open_and_close(settings_of(environment, STORAGE_BASE_PATH=str(tmp_path / "elsewhere")), database)

    assert names_in(tmp_path) == ["var"]


async def test_a_fresh_database_refuses_a_store_with_files_nobody_knows(settings: Settings, database: str) -> None:
    settings.store_path.mkdir(parents=True)
    (settings.store_path / "precious").write_text("not ours")

    with pytest.raises(MarkerMismatch, match="not empty"):
        await open_and_close(settings, database)

    assert [path.name for path in settings.store_path.iterdir()] == ["precious"]


async def test_a_second_database_refuses_the_store_of_the_first(
    runtime: Runtime, settings: Settings, database: str, server_url: str
) -> None:
    await execute(database, "UPDATE instance SET id = '00000000-0000-7000-8000-000000000001'")

    with pytest.raises(MarkerMismatch, match="another database"):
        await open_and_close(settings, database)


def test_the_pool_is_what_the_settings_say(environment: dict[str, str]) -> None:
    chosen = settings_of(
        environment,
        DATABASE_POOL_MIN="2",
        DATABASE_POOL_MAX="4",
        DATABASE_CONNECT_TIMEOUT_SECONDS="1",
        DATABASE_COMMAND_TIMEOUT_SECONDS="2",
        DATABASE_STATEMENT_TIMEOUT_SECONDS="3",
        DATABASE_DEADLINE_SECONDS="4",
    )

    options = database_options(chosen)

    assert (options.pool_min, options.pool_max) == (2, 4)
    assert (options.connect_timeout_seconds, options.command_timeout_seconds) == (1, 2)
    assert (options.statement_timeout_seconds, options.deadline_seconds) == (3, 4)


async def test_services_are_set_up_as_configured(environment: dict[str, str], database: str) -> None:
    chosen = settings_of(
        environment,
        STORAGE_RETENTION_TEMP="90s",
        STORAGE_QUOTA_TEMP="1MiB",
        STORAGE_UPLOAD_MAX_BYTES="7MiB",
        STORAGE_ACCEPT_CLIPS="video/*",
        STORAGE_CLEANUP_BATCH_SIZE="11",
        STORAGE_CLEANUP_WORKERS="3",
        STORAGE_CLEANUP_BUDGET_SECONDS="5",
        STORAGE_CLEANUP_MAX_ATTEMPTS="6",
    )

    async with open_runtime(chosen, database) as runtime:
        sweep, uploads = runtime.retention.sweeps.options, runtime.files.uploads

        policy = (await runtime.retention.policies.in_force()).policy

        assert policy.of(Category.TEMP).lifetime == timedelta(seconds=90)
        assert policy.of(Category.OUTPUTS).lifetime is None
        assert policy.of(Category.TEMP).quota_bytes == 2**20
        assert (uploads.limits.max_bytes, uploads.limits.accepted.patterns[Category.CLIPS]) == (7 * 2**20, ("video/*",))
        assert (sweep.batch_size, sweep.workers, sweep.budget) == (11, 3, timedelta(seconds=5))
        assert runtime.deletion.deleter.max_attempts == 6


async def test_a_configured_server_is_used_as_it_is(settings: Settings, database: str) -> None:
    said: list[str] = []

    async with database_url(settings, report=said.append) as url:
        pass

    assert url == database
    assert said == []
    assert not (settings.data_dir / "postgres").exists()
