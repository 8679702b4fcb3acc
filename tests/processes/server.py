"""The fork server: has the whole package imported, and becomes the commands it is asked for, each in a process.

A command finds itself as after `python -m media_analysis`: its own arguments, environment, folder, standard streams
and signals, and modules of the command line that nobody has imported yet, so that they look at its own environment.
"""

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy.orm import configure_mappers

from media_analysis import app
from media_analysis.analysis.kinds import load_kinds
from media_analysis.db.migrations import head
from media_analysis.settings import load_settings
from tests.processes.stacks import ASKED_BY, tell_when_asked
from tests.reused import APPLICATIONS, remember_what_is_installed

PACKAGE: Final = "media_analysis"
COMMAND_LINE: Final = f"{PACKAGE}.cli"
FAILPOINTS: Final = f"{PACKAGE}.failpoints"
MOST_BYTES: Final = 2**18
STREAMS: Final = 3
LATER: Final = (
    *("apscheduler.executors.asyncio", "apscheduler.triggers.cron", "uvloop", "tzdata"),
    *("anyio._backends._asyncio", "platformdirs", "rich._emoji_codes", "typer._adapters", "typer._click.decorators"),
    *("uvicorn.lifespan.off", "uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.http.auto"),
)
"""What a command imports only when it runs."""
PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Command:
    """What somebody wants run."""

    arguments: Sequence[str]
    environment: dict[str, str]
    folder: str
    streams: Sequence[int]

    def put_on(self, server: int) -> None:
        """Let this process, just forked, look as if it had been started for the command."""
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (signal.SIGKILL, 0, 0, 0)))
        if os.getppid() != server:
            os._exit(1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(self.environment)
        time.tzset()
        os.chdir(self.folder)
        sys.argv = [PACKAGE, *self.arguments]
        sys.path[1:1] = filter(None, self.environment.get("PYTHONPATH", "").split(os.pathsep))
        self._redirect()
        tell_when_asked()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        importlib.reload(sys.modules[FAILPOINTS])  # armed by the environment of the command

    def _redirect(self) -> None:
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin = sys.__stdin__ = _text(0, "r")  # type: ignore[misc]
        sys.stdout = sys.__stdout__ = _text(1, "w", line_buffering=os.isatty(1))  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = _text(2, "w", line_buffering=True, errors="backslashreplace")  # type: ignore[misc]


def _text(number: int, mode: str, *, line_buffering: bool = False, errors: str = "strict") -> io.TextIOWrapper:
    stream = open(number, f"{mode}b", closefd=False)  # noqa: SIM115 - it lasts as long as the process
    return io.TextIOWrapper(stream, encoding=sys.stdout.encoding, errors=errors, line_buffering=line_buffering)


class Server:
    """Forks a process for each request on its link, and tells the asker how that ended."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._pid = os.getpid()
        self._ready = selectors.DefaultSelector()
        self._ready.register(link, selectors.EVENT_READ)

    def serve(self) -> Command | None:
        """Return None as soon as nobody can ask any more; in a forked process, the command to go on with."""
        while True:
            for key, _ in self._ready.select():
                if key.data is not None:
                    self._tell(key)
                elif (request := self._receive()) is None:
                    return None
                elif self._fork(*request):
                    return request[0]

    def _receive(self) -> tuple[Command, socket.socket] | None:
        packet, descriptors, _, _ = socket.recv_fds(self._link, MOST_BYTES, STREAMS + 1)
        if not packet:
            return None
        *streams, asker = descriptors
        return Command(**json.loads(packet), streams=streams), socket.socket(fileno=asker)

    def _fork(self, command: Command, asker: socket.socket) -> bool:
        pid = os.fork()
        if not pid:
            asker.close()
            self._leave()
            command.put_on(self._pid)
            return True
        for stream in command.streams:
            os.close(stream)
        _send(asker, pid)
        self._ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, asker))
        return False

    def _leave(self) -> None:
        """Close all that is the server's, so that a command has the descriptors it was given and no others."""
        for key in list(self._ready.get_map().values()):
            if key.data is not None:
                os.close(key.fd)
                key.data[1].close()
        self._ready.close()
        self._link.close()

    def _tell(self, key: selectors.SelectorKey) -> None:
        pid, asker = key.data
        self._ready.unregister(key.fd)
        os.close(key.fd)
        _send(asker, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        asker.close()


def _send(asker: socket.socket, number: int) -> None:
    try:
        asker.send(b"%d" % number)
    except (BrokenPipeError, ConnectionResetError):
        return  # nobody wants to know


def preload() -> None:
    """Do once what every command does first: import all there is; then forget the command line again."""
    package = importlib.import_module(PACKAGE)
    for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for later in LATER:
        importlib.import_module(later)
    for name in [name for name in sys.modules if name == COMMAND_LINE or name.startswith(f"{COMMAND_LINE}.")]:
        del sys.modules[name]
    delattr(package, "cli")
    configure_mappers()
    head()
    prepare_application()
    gc.collect()
    gc.freeze()


def prepare_application() -> None:
    """Make an application that a service takes for its own, where its settings would make it the same."""
    remember_what_is_installed()
    asks: Any = SimpleNamespace(settings=load_settings(environ={}).settings, jobs=SimpleNamespace(kinds=load_kinds()))
    APPLICATIONS.over(asks)
    vars(app)["create_app"] = APPLICATIONS.over


def run() -> None:
    """Be the command, and end as any program does, but for taking the whole package apart: that costs as much again."""
    try:
        runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        status = ended.code or 0
    vars(threading)["_shutdown"]()
    vars(atexit)["_run_exitfuncs"]()
    with suppress(OSError):  # where nobody takes what is left to print, Python has something to say
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def main() -> None:
    """Serve the link given by its descriptor; a command goes on from here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for those who asked; this ends when they have
    signal.pthread_sigmask(signal.SIG_BLOCK, {ASKED_BY})  # a command that was just forked is asked once it can tell
    preload()
    if Server(socket.socket(fileno=int(sys.argv[1]))).serve() is not None:
        run()


if __name__ == "__main__":
    main()
