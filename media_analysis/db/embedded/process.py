"""One running postmaster: whether it lives, what it says of itself, and how it ends."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_analysis.db.embedded.cluster import Cluster

POLL_SECONDS: Final = 0.025
FAST_SHUTDOWN_SECONDS: Final = 60.0
STATUS_LINE: Final = 7


@dataclass(frozen=True)
class Postmaster:
    """A server process: our child, or one that outlived the process that started it."""

    cluster: Cluster
    pid: int
    child: subprocess.Popen[bytes] | None = None

    def is_alive(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return _serves(self.pid, self.cluster)

    def status(self) -> str:
        """Return `starting`, `ready` or `stopping`, or nothing while it has not said so."""
        lines = _pid_lines(self.cluster)
        if len(lines) <= STATUS_LINE or lines[0] != str(self.pid):
            return ""
        return lines[STATUS_LINE].strip()

    def reload(self) -> None:
        """Make it read its configuration and access rules again."""
        self._signal(signal.SIGHUP)

    async def stop(self, report: Callable[[str], None]) -> None:
        """End it and wait until it is gone: rolling back open transactions, or after a minute at once."""
        if not self.is_alive():
            return
        report("stopping PostgreSQL")
        self._signal(signal.SIGINT)
        if not await self._is_gone_within(FAST_SHUTDOWN_SECONDS):
            report("PostgreSQL does not stop; ending it at once, it recovers at the next start")
            self._signal(signal.SIGQUIT)
            await self._is_gone_within(float("inf"))

    async def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive():
            os.kill(self.pid, number)


def find_postmaster(cluster: Cluster) -> Postmaster | None:
    """Return the living server of the cluster, whoever started it; a recycled process id is not taken for it."""
    lines = _pid_lines(cluster)
    if not lines or not lines[0].isdecimal():
        return None
    found = Postmaster(cluster, int(lines[0]))
    return found if found.is_alive() else None


def _pid_lines(cluster: Cluster) -> list[str]:
    try:
        return cluster.pid_file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _serves(pid: int, cluster: Cluster) -> bool:
    process = Path("/proc", str(pid))
    try:
        if process.stat().st_uid != cluster.account.uid:
            return False
        return _is_named_postgres(process) and (process / "cwd").samefile(cluster.data)
    except PermissionError:
        return _was_started_for(process, cluster)
    except OSError:  # it has ended meanwhile, or is a zombie
        return False


def _is_named_postgres(process: Path) -> bool:
    # An upgrade of the package replaces the running program's file.
    program = str((process / "exe").readlink()).removesuffix(" (deleted)")
    return Path(program).name == "postgres"


def _was_started_for(process: Path, cluster: Cluster) -> bool:
    # Root in a container has no CAP_SYS_PTRACE as a rule, so `exe` and `cwd` are closed to it.
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(os.fsdecode(words[0])).name == "postgres" and os.fsencode(cluster.data) in words
