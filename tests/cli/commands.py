"""Commands as an operator runs them: processes of their own, with an environment of their own.

`run`, `running` and `serving` fork theirs from what is imported already; `run_program` starts a program afresh.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from media_analysis.failpoints import TESTING_VARIABLE
from tests import processes
from tests.db.embedded.servers import copy_of, end_leftovers, short_home
from tests.processes import PLAIN, ROOT, Process

COMMAND = (sys.executable, "-m", "media_analysis")
READY_SECONDS = 120.0
SCREEN = {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm-256color"}
"""A terminal of the usual width."""
NOBODYS_HOME = "/nonexistent"
"""Where a command finds no login: that of whoever runs the tests is none of theirs."""
_OURS = (
    "DATABASE_",
    "STORAGE_",
    "ARCHIVE_",
    "TRASH_",
    "DELETION_",
    "MEDIA_ANALYSIS_",
    "SERVER_",
    "LOG_",
    "WORKER_",
    "PG",
)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of ours, and with the given ones."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return inherited | {"XDG_CONFIG_HOME": NOBODYS_HOME, "XDG_STATE_HOME": NOBODYS_HOME} | dict(environment)


def armed(variable: str, value: str | Path) -> dict[str, str]:
    """Return what makes a command die at a failpoint, or write down those it reaches."""
    return {variable: str(value), TESTING_VARIABLE: "1"}


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = processes.run(*arguments, environment=clean(environment), seconds=READY_SECONDS)
    printed, complaint = (text.decode() for text in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, printed, complaint)


def run_program(
    *program: str | Path, folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, started as a shell starts it."""
    return subprocess.run(
        program,
        cwd=folder,
        env=clean(environment or {}),
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )


@dataclass
class Serving:
    """A command under way, `serve` above all; everything it prints goes to one file."""

    process: Process
    printed: Path
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=READY_SECONDS, verify=PLAIN))

    @property
    def output(self) -> str:
        return self.printed.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of what it prints, as soon as there is one."""
        deadline = time.monotonic() + READY_SECONDS
        while (found := re.search(pattern, self.output)) is None:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)
        return found

    def url(self) -> str:
        """Wait until it serves, and return where."""
        address = self.wait_for(r"ready at (http://\S+)")[1]
        self.wait_for("admin token in .+\n")
        return address

    def request(self, method: str, path: str, *, token: str, **about: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} | dict(about.pop("headers", {}))
        return self.http.request(method, self.url() + path, headers=headers, **about)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(READY_SECONDS)


@contextmanager
def running(*arguments: str | Path, printed: Path, **environment: str) -> Iterator[Serving]:
    """Start a command; whatever became of it, it is over when the block ends."""
    with (
        printed.open("wb") as output,
        processes.start(*arguments, environment=clean(environment), stdout=output, stderr=output) as process,
    ):
        started = Serving(process, printed)
        try:
            yield started
        finally:
            started.http.close()
            process.kill()


@contextmanager
def serving(*arguments: str | Path, printed: Path, **environment: str) -> Iterator[Serving]:
    """Start `serve` on a free port; whatever became of it, it is over when the block ends."""
    with running("serve", "--port", "0", *arguments, printed=printed, **environment) as served:
        yield served


@contextmanager
def home_of_a_service(template: Path | None = None) -> Iterator[Path]:
    """Yield a data directory that PostgreSQL's account can reach; nothing runs in it when the block ends."""
    with short_home() as home:
        if template is not None:
            copy_of(template, home / "var")
        try:
            yield home / "var"
        finally:
            end_leftovers(home / "var" / "postgres")
