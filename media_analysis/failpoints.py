"""Named places where a test may kill the process; inert unless a test armed them before start."""

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Final

TESTING_VARIABLE: Final = "MEDIA_ANALYSIS_TESTING"
KILL_VARIABLE: Final = "MEDIA_ANALYSIS_FAILPOINT"
TRACE_VARIABLE: Final = "MEDIA_ANALYSIS_FAILPOINT_TRACE"


class _Plan:
    """Where to die (`point:hit`, hits counted from 1) or where to write down every point reached."""

    def __init__(self, kill: str | None, trace: str | None) -> None:
        self._kill = kill
        self._trace = Path(trace) if trace else None
        self._hits: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        self._hits[point] += 1
        hit = f"{point}:{self._hits[point]}"
        if self._trace is not None:
            with self._trace.open("a") as trace:
                trace.write(hit + "\n")
        if hit == self._kill:
            os.kill(os.getpid(), signal.SIGKILL)


def _armed() -> _Plan | None:
    kill, trace = os.environ.get(KILL_VARIABLE), os.environ.get(TRACE_VARIABLE)
    if not (kill or trace):
        return None
    if os.environ.get(TESTING_VARIABLE) != "1":
        raise SystemExit(f"{KILL_VARIABLE} is for tests only; refusing to start without {TESTING_VARIABLE}=1")
    return _Plan(kill, trace)


_plan = _armed()


def failpoint(name: str) -> None:
    """Mark a moment at which a crash must be survivable; costs one comparison when unarmed."""
    if _plan is not None:
        _plan.reach(name)
