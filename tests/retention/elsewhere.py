"""Another process in a thread of its own, so that it moves while this one stands still at a failpoint."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import pytest

from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import fetch

Value = TypeVar("Value")
DEADLINE_SECONDS = 60
_WAITING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass(frozen=True)
class Elsewhere:
    """A second process over the same database and store."""

    settings: Settings
    database: str
    threads: ThreadPoolExecutor

    def start(self, work: Callable[[Runtime], Awaitable[Value]]) -> Future[Value]:
        """Begin some work and return at once."""

        async def live() -> Value:
            async with open_runtime(self.settings, self.database) as runtime:
                return await work(runtime)

        return self.threads.submit(lambda: asyncio.run(live()))

    def finish(self, work: Callable[[Runtime], Awaitable[Value]]) -> Value:
        """Do some work to its end; nothing else happens in this process meanwhile."""
        return self.start(work).result(DEADLINE_SECONDS)

    def wait_until_blocked(self, started: Future[Value]) -> Future[Value]:
        """Return once what was started waits for a lock of ours, which we hold on to meanwhile."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self.threads.submit(lambda: asyncio.run(fetch(self.database, _WAITING))).result(DEADLINE_SECONDS):
            assert not started.done(), started.result()
            assert time.monotonic() < deadline, "it never came to wait"
        return started


@contextmanager
def living_elsewhere(settings: Settings, database: str) -> Iterator[Elsewhere]:
    with ThreadPoolExecutor(2) as threads:
        yield Elsewhere(settings, database, threads)


Act = Callable[[], object]


@dataclass(frozen=True)
class Moments:
    """Lets something happen at a failpoint, the first time it is reached or a later one."""

    patch: pytest.MonkeyPatch

    def at(self, module: str, point: str, act: Act, *, hit: int = 1) -> list[object]:
        """Do `act` when a module of the service comes to a failpoint; its outcome is the list's one item then."""
        outcome: list[object] = []
        hits = count(1)

        def reach(name: str) -> None:
            if name == point and next(hits) == hit:
                outcome.append(None)
                outcome[0] = act()

        self.patch.setattr(f"media_analysis.{module}.failpoint", reach)
        return outcome
