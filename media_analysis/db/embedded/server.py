"""PostgreSQL without an administrator: created, started, watched and stopped by the service itself."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from media_analysis.db.embedded.account import choose_account
from media_analysis.db.embedded.cluster import NAME, Cluster, has_usable_path, prepare_directories
from media_analysis.db.embedded.connection import answers, url_of
from media_analysis.db.embedded.directory import FileLock
from media_analysis.db.embedded.location import BASE, Location
from media_analysis.db.embedded.process import POLL_SECONDS
from media_analysis.db.embedded.programs import reachable_binaries
from media_analysis.db.embedded.progress import Reminder, Report, failures_in_words
from media_analysis.db.embedded.supervisor import supervised
from media_analysis.errors import EmbeddedServerFailed, NoDataDirectory


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
    creates: bool = True,
    base: Path = BASE,
) -> AsyncIterator[EmbeddedServer]:
    """Run the server of `directory`, creating it at the first start, or join the process that already runs it.

    A server left behind by a killed process is adopted. Only the process that runs the server stops it, at the end,
    and starts it again should it die before.

    Args:
        directory: Everything of the server lies below it, or below `base` if only we can enter it; missing parents are
            created.
        report: Gets short sentences about the progress.
        account: The existing user PostgreSQL runs as when we are root; `postgres` or `nobody` by default.
        exclusive: Refuse to join.
        creates: Create the server if there is none, instead of refusing.
        base: Where the files of a server lie whose account cannot enter `directory`, and programs it cannot enter.

    Raises:
        EmbeddedServerFailed: It cannot run here; the message says what to do.
        NoDataDirectory: There is none, and none was to be created.
    """
    with failures_in_words(directory):
        cluster = await asyncio.to_thread(_prepare, directory, account, report, base, creates=creates)
        lock = FileLock(cluster.directory / "lock", cluster.account)
    with closing(lock), _nameable(cluster) as cluster:
        if await _leads(cluster, lock, exclusive=exclusive, report=report):
            if not creates and not cluster.exists():
                raise NoDataDirectory(directory.parent, "its database was never finished")
            async with supervised(cluster, report):
                yield EmbeddedServer(url_of(cluster), owned=True)
        else:
            yield EmbeddedServer(url_of(cluster), owned=False)


def _prepare(directory: Path, account_name: str | None, report: Report, base: Path, *, creates: bool) -> Cluster:
    account = choose_account(account_name)
    location = Location(directory.parent.resolve() / directory.name, account, base, report)
    place = location.find_or_choose() if creates else location.find()
    cluster = Cluster(place, reachable_binaries(account, base, report), account)
    prepare_directories(cluster)
    return cluster


@contextmanager
def _nameable(cluster: Cluster) -> Iterator[Cluster]:
    """Yield the cluster with a name of its socket's folder that clients of this process can use."""
    if has_usable_path(cluster.run):
        yield cluster
        return
    folder = os.open(cluster.run, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield replace(cluster, host=Path(f"/proc/self/fd/{folder}"))
    finally:
        os.close(folder)


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
