"""Bars on standard error: how far a command is, in things or in bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from media_analysis.cli.console import err

if TYPE_CHECKING:
    from rich.progress import Progress

LOOK_SECONDS: Final = 0.5


class Bytes(NamedTuple):
    """How much of how much is done."""

    done: int
    total: int


def counting_bar() -> Progress:
    """Return a bar that counts things, to be shown in a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err)


@asynccontextmanager
async def bar_of_bytes(title: str, look: Callable[[], Awaitable[Bytes]]) -> AsyncIterator[None]:
    """Show how far the block is, in a terminal; anything else is left in peace."""
    import asyncio

    if not err.is_terminal:
        yield
        return
    with _bytes_bar() as bar:
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


def _bytes_bar() -> Progress:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )

    amounts = (DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeElapsedColumn())
    return Progress(TextColumn("{task.description}", markup=False), BarColumn(), *amounts, console=err)
