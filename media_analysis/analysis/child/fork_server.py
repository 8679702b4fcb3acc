"""Children for tasks: forked by a process that has everything imported, so that a start costs milliseconds."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from pathlib import Path
from typing import Final

PROGRAM: Final = "from media_analysis.analysis.child.zygote import main; main()"
POLL_SECONDS: Final = 0.01
END_SECONDS: Final = 5.0
MOST_BYTES: Final = 1_024
KEPT_VARIABLES: Final = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ")

Environment = Mapping[str, str]


@dataclass
class Process:
    """One child, as its zygote tells of it."""

    parent: int
    """The process that forks it, and whose end is its own."""
    number: int
    link: socket.socket
    returncode: int | None = None
    """As of `subprocess`, once it is gone."""
    cause: str | None = None
    """Why it could not be started."""
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def kill(self) -> None:
        """End it now, if it lives."""
        if self.returncode is None:
            with suppress(OSError):  # a zygote that is gone took its children along
                self.link.send(json.dumps({"kill": self.number}).encode())

    async def wait(self, seconds: float) -> int | None:
        """Return how it ended, None if it has not after so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self.returncode

    def end(self, returncode: int, cause: str | None = None) -> None:
        """Let whoever waits for it know that it is gone."""
        self.returncode, self.cause = returncode, cause
        self._ended.set()


@dataclass
class ForkServer:
    """Starts children, by one zygote for each environment they need; zygotes start with their first child."""

    _zygotes: list["_Zygote"] = field(default_factory=list)

    def start(self, *, threads: int, order: int, messages: int, printed: int) -> Process:
        """Start a child that reads its order from one descriptor and writes to two; the caller closes its own.

        The thread that starts the first one must live as long as all of them: when it ends, the kernel kills them.

        Raises:
            OSError: no process can be started.

        """
        environment, descriptors = _environment(threads), (order, messages, printed)
        zygote = self._zygote(environment)
        try:
            return zygote.start(descriptors)
        except OSError:
            zygote.release()  # it died, and nobody has noticed yet
        return self._zygote(environment).start(descriptors)

    async def aclose(self) -> None:
        """End the zygotes, and with them whatever still lives."""
        zygotes, self._zygotes = self._zygotes, []
        for zygote in zygotes:
            await zygote.end()

    def _zygote(self, environment: Environment) -> "_Zygote":
        self._zygotes = [zygote for zygote in self._zygotes if not (zygote.is_gone and zygote.is_reaped)]
        for zygote in self._zygotes:
            if zygote.environment == environment and not zygote.is_gone:
                return zygote
        self._zygotes.append(_Zygote.spawn(environment))
        return self._zygotes[-1]


@dataclass
class _Zygote:
    environment: Environment
    process: subprocess.Popen[bytes]
    link: socket.socket
    living: dict[int, Process] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)
    is_gone: bool = False

    @classmethod
    def spawn(cls, environment: Environment) -> "_Zygote":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                process = subprocess.Popen(  # noqa: S603 - this very interpreter, with a program of our own
                    _command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        zygote = cls(environment, process, ours)
        asyncio.get_running_loop().add_reader(ours, zygote._hear)
        return zygote

    @property
    def is_reaped(self) -> bool:
        return self.process.poll() is not None

    def start(self, descriptors: Sequence[int]) -> Process:
        child = Process(self.process.pid, next(self.numbers), self.link)
        socket.send_fds(self.link, [json.dumps({"start": child.number}).encode()], list(descriptors))
        self.living[child.number] = child
        return child

    def _hear(self) -> None:
        try:
            packet = self.link.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self.release()
            return
        told = json.loads(packet)
        child = self.living.pop(told["ended"])
        child.end(-signal.SIGKILL if told["status"] is None else told["status"], told.get("cause"))

    def release(self) -> None:
        """Let go of a zygote that is gone; its children went with it."""
        if not self.is_gone:
            self.is_gone = True
            asyncio.get_running_loop().remove_reader(self.link)
            self.link.close()
            for child in self.living.values():
                child.end(-signal.SIGKILL)
            self.living.clear()

    async def end(self) -> None:
        self.release()
        for _ in range(ceil(END_SECONDS / POLL_SECONDS)):
            if self.is_reaped:
                return
            await asyncio.sleep(POLL_SECONDS)
        self.process.kill()
        self.process.wait()


def _command(descriptor: int) -> Sequence[str]:
    options = ("-B", "-P", "-X", "faulthandler")
    return [sys.executable, *options, "-c", PROGRAM, str(descriptor), str(os.getpid())]


def _environment(threads: int) -> Environment:
    """Return what a child has to know to import what its parent can, and nothing else."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    importable = os.pathsep.join(dict.fromkeys(str(Path(folder).absolute()) for folder in sys.path))
    # Libraries of numbers else start a thread for every core they see.
    return {**kept, "PYTHONPATH": importable, "OMP_NUM_THREADS": str(threads)}
