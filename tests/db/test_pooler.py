"""PgBouncer before PostgreSQL: its session mode works, its transaction mode is refused at the start."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from media_analysis.db.migrations import migrate
from media_analysis.errors import TransactionPooler
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import chunks

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
pytestmark = pytest.mark.skipif(not Path(PGBOUNCER).exists(), reason="PgBouncer is not installed")
Pooling = Callable[[str], AbstractAsyncContextManager[str]]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def write_configuration(directory: Path, database: str, mode: str, port: int) -> tuple[Path, str]:
    """Return the file, and the account that may enter the server's socket's directory."""
    target = make_url(database)
    folder = str(target.query["host"])
    path = directory / "pgbouncer.ini"
    path.write_text(
        f"[databases]\n{target.database} = host={folder} port={target.query['port']} "
        f"user={target.username} password={target.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = 20\n"
    )
    account = pwd.getpwuid(Path(folder).stat().st_uid).pw_name
    path.chmod(0o644)
    return path, account


@pytest.fixture
def pooling(database: str, open_directory: Path) -> Pooling:
    """Starts a PgBouncer in some mode before the test's database, and gives its address."""
    if "host" not in make_url(database).query:
        pytest.skip("the server is not the embedded one")

    @asynccontextmanager
    async def pool(mode: str) -> AsyncIterator[str]:
        port = free_port()
        path, account = write_configuration(open_directory, database, mode, port)
        switch = ["-u", account] if os.geteuid() == 0 else []
        running = await asyncio.create_subprocess_exec(
            PGBOUNCER, *switch, path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        url = make_url(database).set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
        try:
            await _answering(url)
            yield url
        finally:
            running.terminate()
            await running.wait()

    return pool


async def _answering(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await asyncpg.connect(url, statement_cache_size=0)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return


async def test_a_pooler_in_transaction_mode_is_refused_at_the_start(settings: Settings, pooling: Pooling) -> None:
    async with pooling("transaction") as url:
        with pytest.raises(TransactionPooler, match="pool_mode=session"):
            async with open_runtime(settings, url):
                pass
        with pytest.raises(TransactionPooler):
            await migrate(url)


async def test_a_pooler_in_session_mode_is_as_good_as_the_server(settings: Settings, pooling: Pooling) -> None:
    async with pooling("session") as url, open_runtime(settings, url) as runtime:
        upload = Upload(owner="alice", category=Category.UPLOADS, filename="a")
        stored = await runtime.files.uploads.store_file(upload, chunks(b"some bytes"))

        assert (await runtime.files.catalog.get(stored.id, owner="alice")).size_bytes == len(b"some bytes")
