"""PostgreSQL without an administrator: created, started, watched and stopped by the service itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from media_analysis.db.embedded.account import choose_account, find_binaries, require_reachable
from media_analysis.db.embedded.cluster import NAME, Cluster, prepare_directories, require_short_path
from media_analysis.db.embedded.connection import answers, url_of
from media_analysis.db.embedded.directory import FileLock
from media_analysis.db.embedded.process import POLL_SECONDS
from media_analysis.db.embedded.progress import Reminder, Report, failures_in_words
from media_analysis.db.embedded.supervisor import supervised
from media_analysis.errors import EmbeddedServerFailed


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server, where to reach it, and whether this process is the one that stops it."""

    url: str = field(repr=False)
    """With the password in it; names no driver."""

    owned: bool


def _stay_silent(_sentence: str) -> None:
    pass


@asynccontextmanager
async def embedded_server(
    directory: Path,
    *,
    report: Report = _stay_silent,
    account: str | None = None,
    exclusive: bool = False,
) -> AsyncIterator[EmbeddedServer]:
    """Run the server of `directory`, creating it at the first start, or join the process that already runs it.

    A server left behind by a killed process is adopted. Only the process that runs the server stops it, at the end,
    and starts it again should it die before.

    Args:
        directory: Everything of the server lies below it; missing parents are created.
        report: Gets short sentences about the progress.
        account: The existing user PostgreSQL runs as when we are root; `postgres` or `nobody` by default.
        exclusive: Refuse to join.

    Raises:
        EmbeddedServerFailed: It cannot run here; the message says what to do.
    """
    with failures_in_words(directory):
        cluster = await asyncio.to_thread(_prepare, directory, account)
        lock = FileLock(cluster.directory / "lock", cluster.account)
    with closing(lock):
        if await _leads(cluster, lock, exclusive=exclusive, report=report):
            async with supervised(cluster, report):
                yield EmbeddedServer(url_of(cluster), owned=True)
        else:
            yield EmbeddedServer(url_of(cluster), owned=False)


def _prepare(directory: Path, account_name: str | None) -> Cluster:
    account, binaries = choose_account(account_name), find_binaries()
    require_reachable(binaries / "postgres", account, remedy="install this service elsewhere")
    place = directory.parent.resolve() / directory.name
    require_short_path(place)
    require_reachable(place.parent, account, remedy="choose another --data-dir")
    cluster = Cluster(place, binaries, account)
    prepare_directories(cluster)
    return cluster


async def _leads(cluster: Cluster, lock: FileLock, *, exclusive: bool, report: Report) -> bool:
    reminder = Reminder(report)
    while not lock.acquire():
        if exclusive:
            raise EmbeddedServerFailed(
                f"{cluster.directory} is already served by process {lock.holder()}; stop it first"
            )
        if await answers(cluster, NAME):
            return False
        reminder.repeat(f"waiting for process {lock.holder()} to start PostgreSQL…")
        await asyncio.sleep(POLL_SECONDS)
    lock.sign()
    return True
