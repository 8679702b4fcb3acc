"""A PostgreSQL of a test's own, to be switched off, frozen and switched on again."""

import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from media_analysis.db.embedded import embedded_server
from tests.db.embedded.servers import pid_of


class Power:
    """Switches one embedded server; its URL stays the same."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = ""
        self._running = AsyncExitStack()

    async def switch_on(self) -> None:
        self.url = (await self._running.enter_async_context(embedded_server(self.directory))).url

    async def switch_off(self) -> None:
        await self._running.aclose()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server in its tracks: connections stay open, nobody answers."""
        processes = self._processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        postmaster = pid_of(self.directory)
        assert postmaster is not None
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]
