"""What measures the service cleans up after itself, whoever stops it."""

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.db.embedded.servers import DEADLINE_SECONDS
from tests.processes import ROOT

POSTGRES = re.compile(r"/bin/postgres -D (/tmp/mab-\S+)/data ")


def commands() -> list[str]:
    """Return the command lines of all processes there are."""
    lines = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            lines.append(command.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines


def place_of(bench: subprocess.Popen[bytes]) -> str | None:
    """Return where a benchmark keeps its database, as soon as that runs."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while bench.poll() is None and time.monotonic() < deadline:
        for child in Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split():
            with suppress(OSError):
                if found := POSTGRES.search(Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")):
                    return found[1]
        time.sleep(0.02)
    return None


def test_a_benchmark_that_is_told_to_stop_leaves_no_database_behind() -> None:
    command = [sys.executable, "-m", "scripts.benchmarks", "--place", "directory", "register", "--seconds", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as bench:
        place = place_of(bench)
        bench.send_signal(signal.SIGTERM)
        ended = bench.wait(DEADLINE_SECONDS)

    assert place is not None
    assert ended == 128 + signal.SIGTERM
    assert not Path(place).exists()
    assert not [line for line in commands() if place in line]
