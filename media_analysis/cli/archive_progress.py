"""What the commands about archives share: a bar of bytes, and working until tasks have ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from uuid import UUID

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from media_analysis.archive.watching import Named, TaskWatch
from media_analysis.cli.console import err
from media_analysis.runtime import Runtime

LOOK_SECONDS: Final = 0.5
COLUMNS: Final = (
    TextColumn("{task.description}"),
    BarColumn(),
    DownloadColumn(binary_units=True),
    TransferSpeedColumn(),
    TimeElapsedColumn(),
)


class Bytes(NamedTuple):
    """How much of how much is done."""

    done: int
    total: int


@asynccontextmanager
async def bar_of_bytes(title: str, look: Callable[[], Awaitable[Bytes]]) -> AsyncIterator[None]:
    """Show how far the block is, in a terminal; anything else is left in peace."""
    if not err.is_terminal:
        yield
        return
    with Progress(*COLUMNS, console=err) as bar:
        task = bar.add_task(title, total=None)

        async def show() -> None:
            seen = await look()
            bar.update(task, completed=seen.done, total=seen.total)

        async def repeat() -> None:
            while True:
                await show()
                await asyncio.sleep(LOOK_SECONDS)

        shown = asyncio.create_task(repeat())
        try:
            yield
        finally:
            shown.cancel()
            await asyncio.wait([shown])
        await show()


async def work_off(runtime: Runtime, title: str, ids: Sequence[UUID]) -> Sequence[Named]:
    """Work until these tasks have ended, here or in a service beside, and return them; other waiting ones end too."""
    watch = TaskWatch(runtime.db)

    async def look() -> Bytes:
        standing = await watch.standing(ids)
        return Bytes(standing.done_bytes, standing.total_bytes)

    async with bar_of_bytes(title, look):
        await runtime.archives.execution.run_waiting()
        while (await watch.standing(ids)).open:  # another process has them, unless it falls silent
            await asyncio.sleep(LOOK_SECONDS)
            await runtime.archives.execution.run_waiting()
    return await watch.list_named(ids)
