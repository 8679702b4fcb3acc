"""What a command that does not end was doing: its threads and its tasks, told on its standard error."""

import asyncio
import faulthandler
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

ASKED_BY: Final = signal.SIGUSR2


def tell_when_asked() -> None:
    """Write down, when it is asked, the stacks of threads whatever they do, and of tasks where it still can."""
    signal.signal(ASKED_BY, _tell_tasks)
    faulthandler.register(ASKED_BY, file=2, chain=True)


def _tell_tasks(_number: int, running: FrameType | None) -> None:
    signal.signal(ASKED_BY, signal.SIG_DFL)
    for task in asyncio.all_tasks():
        # One that runs waits for nothing, and knows only its outermost frame.
        is_running = task is asyncio.current_task()
        frames = traceback.extract_stack(running) if is_running else list(_frames(task.get_coro()))
        sys.stderr.write(f"{task.get_name()}:\n{''.join(traceback.format_list(frames))}")
    signal.raise_signal(ASKED_BY)


def _frames(awaited: Any) -> Iterator[traceback.FrameSummary]:
    """Go from a coroutine down to what it waits for in the end."""
    while awaited is not None:
        for kind, at in (("cr", "await"), ("ag", "await"), ("gi", "yieldfrom")):
            if (frame := getattr(awaited, f"{kind}_frame", None)) is not None:
                yield from traceback.extract_stack(frame, limit=1)
                awaited = getattr(awaited, f"{kind}_{at}")
                break
        else:
            return
