"""The embedded server's files: one private directory, its password, and the programs run on it."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_analysis.db.embedded.account import OsAccount
from media_analysis.db.embedded.directory import (
    PRIVATE_DIRECTORY,
    PRIVATE_FILE,
    FileLock,
    flush_directory,
    flush_parents,
    give,
    make_parents,
    read_private,
    require_private,
    write_durably,
)
from media_analysis.errors import EmbeddedServerFailed
from media_analysis.failpoints import failpoint

NAME: Final = "media_analysis"
"""Of the superuser and of the database."""

PORT: Final = 5432
SOCKET_LIMIT_BYTES: Final = 107
ACCESS_RULES: Final = "local all all scram-sha-256\n"
LOG_TAIL_LINES: Final = 15
PASSWORD_BYTES: Final = 32

INITDB_OPTIONS: Final = (
    f"--username={NAME}",
    "--auth-local=scram-sha-256",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",  # not C.UTF-8: that name is missing from older C libraries
    "--data-checksums",
    "--no-instructions",
)

OPERATOR_SETTINGS: Final = {
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "off",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Written once into postgresql.conf, where an operator may tune them."""

ENFORCED_SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_directories": "../run",  # relative to the data directory, which spares quoting the path
    "unix_socket_permissions": "0700",
    "logging_collector": "on",
    "log_directory": "../log",
    "log_filename": "%A.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
}
"""Given on the command line, which no configuration file and no ALTER SYSTEM overrides."""


@dataclass(frozen=True)
class Cluster:
    """Where everything of one embedded server lies, and who runs it."""

    directory: Path
    binaries: Path
    account: OsAccount
    host: Path | None = None
    """Another name of `run` where clients cannot use that one."""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def run(self) -> Path:
        return self.directory / "run"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def password_file(self) -> Path:
        return self.directory / "password"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def exists(self) -> bool:
        return self.data.exists()


def has_usable_path(run: Path) -> bool:
    """Tell whether a client can name the socket in `run`: a short path, with nothing a database URL cannot carry."""
    socket = os.fsencode(run / f".s.PGSQL.{PORT}")
    return len(socket) <= SOCKET_LIMIT_BYTES and b"," not in socket


def prepare_directories(cluster: Cluster) -> None:
    """Create what is missing and check the rest; outside `directory` only missing parents are created."""
    make_parents(cluster.directory)
    for directory in (cluster.directory, cluster.run, cluster.log):
        directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        require_private(directory, cluster.account)
    if cluster.exists():
        require_private(cluster.data, cluster.account)


def read_password(cluster: Cluster) -> str:
    """Return the superuser's password.

    Raises:
        FileNotFoundError: The cluster was not created yet.
    """
    return read_private(cluster.password_file, cluster.account)


def ensure_password(cluster: Cluster) -> None:
    """Keep a password on disk before any cluster needs it."""
    if cluster.password_file.exists():
        read_password(cluster)
        return
    if cluster.exists():
        raise EmbeddedServerFailed(f"{cluster.password_file} is missing, without it the database is closed: restore it")
    write_durably(cluster.password_file, secrets.token_urlsafe(PASSWORD_BYTES), cluster.account)


def spawn_initdb(cluster: Cluster, lock: FileLock) -> subprocess.Popen[bytes]:
    """Start creating a cluster in `data.new`, where nothing takes it for a finished one."""
    draft = _draft(cluster)
    if draft.exists():
        shutil.rmtree(draft)
    settings = [f"--set={name}={value}" for name, value in OPERATOR_SETTINGS.items()]
    paths = [f"--pgdata={draft}", f"--pwfile={cluster.password_file}"]
    return _spawn(cluster, "initdb", [*paths, *INITDB_OPTIONS, *settings], lock)


def publish_cluster(cluster: Cluster) -> None:
    """Make the created cluster the real one; initdb has flushed its files."""
    failpoint("embedded.cluster_created")
    _draft(cluster).rename(cluster.data)
    flush_directory(cluster.directory)
    flush_parents(cluster.directory)
    failpoint("embedded.cluster_published")


def ensure_access_rules(cluster: Cluster) -> None:
    """Make pg_hba.conf ours to the letter, so that nobody enters without the password."""
    rules = cluster.data / "pg_hba.conf"
    if rules.is_symlink() or not rules.exists() or rules.read_bytes() != ACCESS_RULES.encode():
        write_durably(rules, ACCESS_RULES, cluster.account)


def unlink_traces(cluster: Cluster) -> None:
    """Remove the traces of a dead server: PostgreSQL would take a recycled process id in them for a living one."""
    socket = cluster.run / f".s.PGSQL.{PORT}"
    for trace in (cluster.pid_file, socket, socket.with_name(f"{socket.name}.lock")):
        trace.unlink(missing_ok=True)


def spawn_postgres(cluster: Cluster, lock: FileLock) -> subprocess.Popen[bytes]:
    """Start the server; all its processes keep the lock for as long as one of them lives."""
    enforced = {**ENFORCED_SETTINGS, "hba_file": str(cluster.data / "pg_hba.conf")}
    settings = [f"--{name}={value}" for name, value in enforced.items()]
    return _spawn(cluster, "postgres", ["-D", str(cluster.data), *settings], lock)


def log_tail(cluster: Cluster) -> str:
    """Return the last lines of the log written most recently."""
    logs = [path for path in cluster.log.iterdir() if path.is_file() and not path.is_symlink()]
    newest = max(logs, key=lambda path: path.stat().st_mtime_ns, default=None)
    lines = newest.read_text(errors="replace").splitlines() if newest else []
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "(it logged nothing)"


def _draft(cluster: Cluster) -> Path:
    return cluster.directory / "data.new"


def _spawn(cluster: Cluster, program: str, options: Sequence[str], lock: FileLock) -> subprocess.Popen[bytes]:
    account = None if cluster.account.is_ours else cluster.account
    output = os.open(
        cluster.log / f"{program}.log",
        os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW,
        PRIVATE_FILE,
    )
    try:
        give(output, cluster.account)
        return subprocess.Popen(  # noqa: S603  # a fixed program, options of ours, no shell
            [cluster.binaries / program, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cluster.directory,
            env=_environment(),
            pass_fds=(lock.fd,),
            umask=0o077,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        os.close(output)


def _environment() -> dict[str, str]:
    # Neither our secrets nor PGPORT and the like may reach the server; fault tests preload libraries into it.
    kept = {name: value for name, value in os.environ.items() if name.startswith(("LD_", "FAKETIME"))}
    return {**kept, "PATH": os.defpath, "LC_ALL": "C"}
