"""Asks the fork server of this test process for commands, and knows how they end."""

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from tests.processes.stacks import ASKED_BY

ROOT: Final = Path(__file__).parents[2]
DEVNULL: Final = subprocess.DEVNULL
WAIT_SECONDS: Final = 60.0
TELLING_SECONDS: Final = 30.0
PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP to a command: to read whom the system trusts takes longer than most tests."""

Stream = IO[bytes] | IO[str] | int | None
"""A file, a descriptor, DEVNULL, or None for this process's own."""


_LINKS: Final = set[socket.socket]()
"""Held here as well: one that is only part of a cycle may be taken for forgotten before its process closes it."""


@dataclass
class Process:
    """A command that runs; used as a `subprocess.Popen`."""

    arguments: tuple[str, ...]
    pid: int
    link: socket.socket

    def __post_init__(self) -> None:
        _LINKS.add(self.link)

    @property
    def returncode(self) -> int | None:
        """How it ended, as of `subprocess`; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return how that was; raise TimeoutExpired after so many seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0)
        return status

    async def ended(self) -> int:
        """Wait for its end and return how that was."""
        while (status := self.poll()) is None:  # noqa: ASYNC110 - another process sets no Event
            await asyncio.sleep(0.005)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended, and its server has not said so yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.wait()

    def __del__(self) -> None:
        _LINKS.discard(self.link)
        self.link.close()

    def _ended(self, timeout: float | None) -> int | None:
        waiting = select.poll()
        waiting.register(self.link, select.POLLIN)
        if not waiting.poll(None if timeout is None else timeout * 1000):
            return None
        # Only looked at: whoever else asks wants it as well. A server that is gone took its processes along.
        return int(self.link.recv(32, socket.MSG_PEEK) or -signal.SIGKILL)


@cache
def link() -> socket.socket:
    """Start the fork server of this process and return our end of its link; without that end it ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.processes.server", str(theirs.fileno())]
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),))
    atexit.register(_end, server, ours)
    return ours


def _end(server: subprocess.Popen[bytes], link: socket.socket) -> None:
    link.close()
    server.wait(WAIT_SECONDS)


def start(
    *arguments: str | Path,
    environment: Mapping[str, str],
    folder: Path = ROOT,
    stdin: Stream = DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
) -> Process:
    """Start a command with this very environment, all its imports done."""
    given = tuple(map(str, arguments))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, Path(os.devnull).open("r+b") as nowhere:
        streams = [_descriptor(stream, own, nowhere) for own, stream in enumerate((stdin, stdout, stderr))]
        wanted = {"arguments": given, "environment": dict(environment), "folder": str(folder)}
        socket.send_fds(link(), [json.dumps(wanted).encode()], [*streams, theirs.fileno()])
    pid = ours.recv(32)
    if not pid:
        raise ChildProcessError("the fork server is gone")
    return Process(given, int(pid), ours)


def _descriptor(stream: Stream, own: int, nowhere: IO[bytes]) -> int:
    if stream is None:
        return own
    if stream == DEVNULL:
        return nowhere.fileno()
    return stream if isinstance(stream, int) else stream.fileno()


def _doing(process: Process, errors: IO[bytes]) -> str:
    """Return what a command that does not end complained of, and the stacks of what it does."""
    process.send_signal(ASKED_BY)
    with suppress(subprocess.TimeoutExpired):
        process.wait(TELLING_SECONDS)
    errors.seek(0)
    return errors.read().decode(errors="replace")


def run(
    *arguments: str | Path, environment: Mapping[str, str], stdin: Stream = DEVNULL, seconds: float = WAIT_SECONDS
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end and return what it printed."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(*arguments, environment=environment, stdin=stdin, stdout=output, stderr=errors)
        with closing(process.link):
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired as late:
                late.add_note(_doing(process, errors))
                raise
            finally:
                process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(process.arguments, status, output.read(), errors.read())
