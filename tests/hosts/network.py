"""Hosts of a test's own: network namespaces behind a bridge, each with a name and an address (root on Linux)."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

import pytest

SUBNETS: Final = "198.18.{}"
"""Addresses for benchmarks of networks, which nobody is reached at (RFC 2544)."""
END_SECONDS: Final = 60.0


@dataclass
class Program:
    """A program that runs on a host, and what it complains of."""

    running: subprocess.Popen[bytes]
    complaints: IO[bytes]

    @property
    def said(self) -> str:
        """All it has written to standard error so far."""
        return os.pread(self.complaints.fileno(), 2**24, 0).decode(errors="replace")

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return how it ended."""
        if self.running.poll() is None:
            self.running.send_signal(number)
        return self.running.wait(END_SECONDS)


@dataclass
class Host:
    """One machine: a namespace of the network, a host name, and whatever was started there."""

    name: str
    namespace: str
    address: str
    programs: list[Program] = field(default_factory=list)

    def lose(self, other: str) -> None:
        """Send nothing to an address any more."""
        _ip("-n", self.namespace, "route", "add", "blackhole", f"{other}/32")

    def find(self, other: str) -> None:
        """Undo `lose`."""
        _ip("-n", self.namespace, "route", "del", "blackhole", f"{other}/32")

    def here(self, *command: object, user: str | None = None) -> Sequence[str]:
        """Return the command that runs another one here, under this host's name."""
        inside = ("ip", "netns", "exec", self.namespace, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
        as_user = (
            () if user is None else ("setpriv", f"--reuid={user}", f"--regid={user_group(user)}", "--clear-groups")
        )
        return [*inside, self.name, *as_user, *map(str, command)]

    def start(self, *command: object, environment: Mapping[str, str], user: str | None = None) -> Program:
        """Start a program here."""
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 - read as long as the program is
        running = subprocess.Popen(
            self.here(*command, user=user),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=complaints,
            stderr=complaints,
        )
        program = Program(running, complaints)
        self.programs.append(program)
        return program

    def cut(self) -> None:
        """Pull its cable."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """Put its cable back."""
        _ip("link", "set", self._cable, "up")

    def kill(self) -> None:
        """End all that runs here at once, as a power cut would."""
        for pid in map(int, _ip("netns", "pids", self.namespace).split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for program in self.programs:
            program.running.wait(END_SECONDS)

    @property
    def _cable(self) -> str:
        return f"{self.namespace}-o"


@dataclass
class Network:
    """A bridge, the test's own address at it, and the hosts behind it."""

    name: str
    subnet: str
    hosts: list[Host] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where hosts reach the test itself."""
        return f"{self.subnet}.1"

    def add_host(self, name: str) -> Host:
        """Make a host whose cable is in the bridge."""
        number = len(self.hosts) + 2
        host = Host(name, f"{self.name}-{number}", f"{self.subnet}.{number}")
        _ip("netns", "add", host.namespace)
        self.hosts.append(host)
        _ip("link", "add", f"{host.namespace}-o", "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        _ip("link", "set", f"{host.namespace}-o", "master", self.name, "up")
        for inside in (
            ("addr", "add", f"{host.address}/24", "dev", "eth0"),
            ("link", "set", "lo", "up"),
            ("link", "set", "eth0", "up"),
        ):
            _ip("-n", host.namespace, *inside)
        return host


@contextmanager
def new_network() -> Iterator[Network]:
    """Make a bridge; all that was made and started behind it goes at the end."""
    name = f"ma{uuid4().hex[:6]}"
    made = Network(name, SUBNETS.format(_free_subnet()))
    _ip("link", "add", name, "type", "bridge")
    try:
        _ip("addr", "add", f"{made.address}/24", "dev", name)
        _ip("link", "set", name, "up")
        yield made
    finally:
        for host in made.hosts:
            host.kill()
            for program in host.programs:
                program.complaints.close()
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", host.namespace)
        _ip("link", "del", name)
        _forget_clocks()


def require_network() -> None:
    """Skip where no namespaces can be made."""
    if missing := [program for program in ("ip", "unshare", "setpriv") if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("only root makes hosts of namespaces")
    probe = f"ma{uuid4().hex[:6]}"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no namespaces of the network: {tried.stderr.strip()}")
    _ip("netns", "del", probe)


def user_group(user: str) -> int:
    """Return the group of a user."""
    return pwd.getpwnam(user).pw_gid


def _free_subnet() -> int:
    taken = _ip("-o", "-4", "addr", "show")
    return next(number for number in _shuffled() if f" {SUBNETS.format(number)}." not in taken)


def _shuffled() -> Sequence[int]:
    start = os.getpid() % 250
    return [1 + (start + number) % 250 for number in range(250)]


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


def clock_apart(offset: str) -> dict[str, str]:
    """Return the variables by which a program's clock is so far from the others', as `+90s`; skips without Debian's."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        pytest.skip("not installed: faketime")
    return {"LD_PRELOAD": str(found), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _forget_clocks() -> None:
    """Delete what faketime shared in memory among programs that were killed, and could not."""
    for shared in Path("/dev/shm").glob("*faketime_*"):
        if not Path("/proc", shared.name.rpartition("_")[2]).exists():
            shared.unlink(missing_ok=True)
