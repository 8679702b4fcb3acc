"""The PostgreSQL that tests run on: one that is named, one in a container, or the embedded one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from media_analysis.db.embedded import embedded_server
from tests.containers import engine

CONNECTIONS: Final = 100
"""As many as the embedded server lets in."""

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 6 * 2**30
"""What the servers of all workers and of their tests fit into."""

UUIDV7: Final = """
    DO $do$ BEGIN
        IF to_regprocedure('uuidv7(interval)') IS NULL THEN
            CREATE FUNCTION uuidv7(shift interval DEFAULT '0') RETURNS uuid LANGUAGE plpgsql AS $$
            DECLARE
                told text := current_setting('uuidv7.last', true);
                now_us bigint := (extract(epoch FROM clock_timestamp() + shift) * 1000000)::bigint;
                id bytea := uuid_send(gen_random_uuid());
            BEGIN
                IF shift = '0' THEN
                    now_us := greatest(now_us, coalesce(nullif(told, ''), '0')::bigint + 1);
                    PERFORM set_config('uuidv7.last', now_us::text, false);
                END IF;
                id := overlay(id PLACING substring(int8send(now_us / 1000) FROM 3) FROM 1);
                id := overlay(id PLACING substring(int4send((28672 + now_us % 1000 * 4)::int) FROM 3) FROM 7);
                RETURN encode(id, 'hex')::uuid;
            END $$;
        END IF;
    END $do$
"""
"""What servers before 18 lack of what tests make rows with: ids by the time at which they are made (RFC 9562)."""


def short_directory() -> Path:
    """Make a directory with a short path for a server: in memory if there is room, for commits wait for a disk."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix="ma-", dir=MEMORY if in_memory else "/tmp"))


@asynccontextmanager
async def running_server(directory: Path) -> AsyncIterator[str]:
    """Yield the URL of the one named by TEST_DATABASE_URL, of a container if TEST_POSTGRES=container, else embedded."""
    if "TEST_DATABASE_URL" in os.environ:
        yield os.environ["TEST_DATABASE_URL"]
    elif os.environ.get("TEST_POSTGRES") == "container":
        with _container() as url:
            yield url
    else:
        async with embedded_server(directory / "postgres") as server:
            await _keep_small(server.url)
            yield server.url


async def _keep_small(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER SYSTEM SET max_wal_size = '512MB'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@contextmanager
def _container() -> Iterator[str]:
    """Run the image that TEST_POSTGRES_IMAGE names; what killed runs of tests left goes first."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # leftovers are found by their label instead
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - few tests need Docker

    if reason := engine.missing():
        pytest.fail(f"TEST_POSTGRES=container: {reason}")
    engine.remove_leftovers()
    container = PostgresContainer(engine.POSTGRES, driver=None)
    container.with_kwargs(labels={engine.PROJECT: engine.project("-database")}, shm_size="256m")
    container.with_command(f"postgres -c max_connections={CONNECTIONS} -c shared_buffers=256MB")
    with container as started:
        yield started.get_connection_url()
