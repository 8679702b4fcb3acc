"""A PostgreSQL that speaks TLS, as Debian packages it, with certificates of our own."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from media_analysis.db.database import DatabaseOptions, open_database
from media_analysis.db.migrations import migrate
from media_analysis.errors import DatabaseUnavailable

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
ACCOUNT = "postgres"
pytestmark = pytest.mark.skipif(
    not BINARIES or shutil.which("openssl") is None or os.geteuid() != 0,
    reason="needs Debian's PostgreSQL, openssl, and root to run it as its own account",
)
TLS = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, cwd="/")


def certify(directory: Path) -> Path:
    """Make a certificate for `localhost` with its key, and return that of who signed it."""
    authority, server = directory / "authority", directory / "server"
    named = ("-nodes", "-newkey", "rsa:2048", "-days", "2")
    run(
        "openssl",
        "req",
        "-x509",
        *named,
        "-subj",
        "/CN=authority",
        "-keyout",
        f"{authority}.key",
        "-out",
        f"{authority}.crt",
    )
    run("openssl", "req", *named[:3], "-subj", "/CN=localhost", "-keyout", f"{server}.key", "-out", f"{server}.csr")
    signing = ("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2")
    names = directory / "names"
    names.write_text("subjectAltName=DNS:localhost")
    run("openssl", "x509", "-req", "-in", f"{server}.csr", *signing, "-extfile", names, "-out", f"{server}.crt")
    return authority.with_suffix(".crt")


@dataclass(frozen=True)
class Server:
    """Where it listens, and who signed its certificate."""

    port: int
    authority: Path

    def url(self, host: str, words: str) -> str:
        return f"postgresql://{ACCOUNT}@{host}:{self.port}/postgres?{words}"


@pytest.fixture(scope="module")
async def server(open_directory: Path) -> AsyncIterator[Server]:
    directory = open_directory / "tls"
    directory.mkdir()
    authority = certify(directory)
    data, account = directory / "data", pwd.getpwnam(ACCOUNT)
    data.mkdir(mode=0o700)
    shutil.chown(data, ACCOUNT)
    shutil.chown(directory / "server.key", ACCOUNT)
    (directory / "server.key").chmod(0o600)
    become = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    await asyncio.to_thread(run, *become, BINARIES[-1], "-D", data, "-A", "trust", "--no-sync")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    settings = {"port": port, "ssl": "on", "unix_socket_directories": "", "listen_addresses": "127.0.0.1"}
    settings |= {"ssl_cert_file": directory / "server.crt", "ssl_key_file": directory / "server.key"}
    given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    running = await asyncio.create_subprocess_exec(
        *become, BINARIES[-1].with_name("postgres"), "-D", data, *given, stderr=subprocess.DEVNULL, cwd="/"
    )
    try:
        await _answering(f"postgresql://{ACCOUNT}@127.0.0.1:{port}/postgres")
        yield Server(port, authority)
    finally:
        running.terminate()
        await running.wait()


async def _answering(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await asyncpg.connect(url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
            else:
                await connection.close()
                return


async def test_a_certificate_that_is_what_it_should_be_is_trusted_by_pool_and_migrations(server: Server) -> None:
    url = server.url("localhost", f"sslmode=verify-full&sslrootcert={server.authority}&channel_binding=prefer")

    async with open_database(url, DatabaseOptions()) as db, db.transaction() as session:
        is_encrypted = (await session.execute(TLS)).scalar_one()
    await migrate(url)

    assert is_encrypted


@pytest.mark.parametrize("wrong", ["name", "authority"])
async def test_a_certificate_that_is_not_is_refused(server: Server, wrong: str) -> None:
    host = "127.0.0.1" if wrong == "name" else "localhost"
    authority = server.authority if wrong == "name" else server.authority.with_name("server.crt")
    url = server.url(host, f"sslmode=verify-full&sslrootcert={authority}")

    async with open_database(url, DatabaseOptions()) as db:
        with pytest.raises(DatabaseUnavailable):
            await db.now()
