"""PostgreSQL servers on hosts of a test: a primary, and what follows it."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from media_analysis.db.embedded.account import choose_account
from media_analysis.db.embedded.programs import reachable_binaries
from tests.hosts.network import Host, Program

PASSWORD: Final = "a-password-of-tests"
USER: Final = "media"
START_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 100.0
"""Longer than the minute in which a schedule comes, on a busy machine."""
CONFIGURATION: Final = """
listen_addresses = '*'
unix_socket_directories = ''
shared_buffers = '64MB'
max_connections = 100
max_wal_size = '256MB'
wal_keep_size = '256MB'
wal_receiver_timeout = '2s'
wal_sender_timeout = '2s'
"""


def database_url(*hosts: Host, options: str = "") -> str:
    """Return the URL of what these hosts serve."""
    return f"postgresql://{USER}:{PASSWORD}@{','.join(f'{host.address}:5432' for host in hosts)}/postgres{options}"


@dataclass
class Postgres:
    """A server on a host, with its data in a directory of its own."""

    host: Host
    directory: Path
    binaries: Path
    running: Program | None = None

    @classmethod
    def on(cls, host: Host, base: Path) -> "Postgres":
        """Return one that has no data yet; `base` is a short path that everybody may enter."""
        account = choose_account(None)
        return cls(host, base / host.name, reachable_binaries(account, base / "programs", lambda _: None))

    def create(self) -> None:
        """Make its data from nothing."""
        password = self.directory.with_suffix(".password")
        password.write_text(PASSWORD)
        shutil.chown(password, self._account)
        self._run("initdb", "-D", self.directory, "-U", USER, f"--pwfile={password}", "--auth=scram-sha-256", "-N")
        with (self.directory / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)
        with (self.directory / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 198.18.0.0/15 scram-sha-256\nhost replication all 198.18.0.0/15 scram-sha-256\n")

    def follow(self, primary: "Postgres") -> None:
        """Make its data a copy of a primary's, which it then streams from, under its host's name."""
        source = f"host={primary.host.address} user={USER} password={PASSWORD} application_name={self.host.name}"
        self._run("pg_basebackup", "-d", source, "-D", self.directory, "-R", "-c", "fast", "-X", "stream", "-N")

    def start(self) -> None:
        """Start it; whoever wants to know when it answers asks."""
        self.running = self.host.start(
            self.binaries / "postgres", "-D", self.directory, environment=_environment(), user=self._account
        )

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", "-D", self.directory, "-t", int(START_SECONDS))

    async def answers(self) -> None:
        """Wait until it takes connections."""
        ends_at = time.monotonic() + START_SECONDS
        while True:
            try:
                await (await self.connect()).close()
            except (OSError, asyncpg.PostgresError):
                assert self.running is not None
                assert self.running.running.poll() is None, self.running.said
                assert time.monotonic() < ends_at, self.running.said
            else:
                return

    async def execute(self, *statements: str) -> None:
        """Run statements, each for itself."""
        connection = await self.connect()
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of a query."""
        connection = await self.connect()
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def until(self, question: str) -> None:
        """Wait until a question is answered with true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            connection = await self.connect()
            while not await connection.fetchval(question):  # noqa: ASYNC110 - a server sets no Event
                await asyncio.sleep(0.05)
            await connection.close()

    async def connect(self) -> asyncpg.Connection:
        """Open a connection of the test's own."""
        return await asyncpg.connect(database_url(self.host), timeout=5)

    @property
    def _account(self) -> str:
        return choose_account(None).name

    def _run(self, program: str, *words: object) -> None:
        done = subprocess.run(
            self.host.here(self.binaries / program, *words, user=self._account),
            env=_environment(),
            cwd=self.directory.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _environment() -> Mapping[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C"}
