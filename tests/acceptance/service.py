"""The real service in a process of its own, driven by the curl program alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from media_analysis.storage.marker import MARKER_NAME
from tests.processes import Process, start

DEADLINE_SECONDS: Final = 180
CURL: Final = shutil.which("curl") or ""
_READY: Final = re.compile(r"ready at (http://127\.0\.0\.1:\d+)")
_INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Look again and again until something holds; fails when it does not in time."""
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < give_up_at, f"waited in vain: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Answer:
    """What curl was told."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """A running `media-analysis serve`."""

    process: Process
    address: str
    token: str
    store: Path

    def start_curl(self, path: str, *arguments: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
        """Start a request that runs on its own; its answer is read by `answer_of`."""
        command = [CURL, "-sS", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {self.token}"]
        return subprocess.Popen([*command, *arguments, self.address + path], stdin=stdin, stdout=subprocess.PIPE)

    def curl(self, path: str, *arguments: str) -> Answer:
        """Make a request and return its answer."""
        return answer_of(self.start_curl(path, *arguments))

    def objects(self) -> list[str]:
        """Return everything that lies in the store, folders included, but what is there from the start."""
        names = (str(path.relative_to(self.store)) for path in self.store.rglob("*"))
        return sorted(name for name in names if "/" in name or name == MARKER_NAME)

    def peak_bytes(self) -> int:
        """Return the most memory the process ever had resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


def answer_of(running: subprocess.Popen[bytes]) -> Answer:
    """Wait for a request and return its answer."""
    said, _ = running.communicate(timeout=2 * DEADLINE_SECONDS)
    body, _, status = said.rpartition(b"\n")
    return Answer(int(status), body)


@contextmanager
def serving(environment: Mapping[str, str], data_dir: Path) -> Iterator[Service]:
    """Start the service on a free port, wait until it is ready, and stop it in the end."""
    log = data_dir.parent / "service.log"
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    arguments, about = ("serve", "--port", "0", "--data-dir", data_dir), inherited | dict(environment)
    with log.open("wb") as output:
        process = start(*arguments, environment=about, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or bool(_READY.search(log.read_text())), "the service to start")
        ready = _READY.search(log.read_text())
        assert ready, log.read_text()
        yield Service(process, ready[1], (data_dir / "admin-token").read_text().strip(), data_dir / "store")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE_SECONDS)
        finally:
            process.kill()
            process.wait()
