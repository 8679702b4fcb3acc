"""A process run to its end, and the most memory that it and those it started had resident together."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scripts.benchmarks.analyze import PEAK, descendants_of

LOOK_SECONDS = 0.005


class Watched:
    """A process; `peak_bytes` is what it and what it started had at most, each at its own time."""

    def __init__(self, command: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> None:
        self._peaks: dict[str, int] = {}
        over = threading.Event()
        with subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.DEVNULL) as process:
            watcher = threading.Thread(target=self._watch, args=(str(process.pid), over))
            watcher.start()
            exit_code = process.wait()
            over.set()
            watcher.join()
        if exit_code:
            raise SystemExit(f"{' '.join(command)} ended with {exit_code}")

    @property
    def peak_bytes(self) -> int:
        return sum(self._peaks.values())

    def _watch(self, process: str, over: threading.Event) -> None:
        while not over.wait(LOOK_SECONDS):
            for pid in {process} | descendants_of(process):
                with suppress(OSError):
                    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
                    if found is not None:
                        self._peaks[pid] = 1024 * int(found[1])
