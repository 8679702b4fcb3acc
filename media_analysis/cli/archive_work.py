"""Working until tasks of archives have ended, with a bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from media_analysis.cli.progress import LOOK_SECONDS, Bytes, bar_of_bytes

if TYPE_CHECKING:
    from media_analysis.archive.watching import Named
    from media_analysis.runtime import Runtime


async def work_off(runtime: Runtime, title: str, ids: Sequence[UUID]) -> Sequence[Named]:
    """Work until these tasks have ended, here or in a service beside, and return them; other waiting ones end too."""
    import asyncio

    from media_analysis.archive.watching import TaskWatch

    watch = TaskWatch(runtime.db)

    async def look() -> Bytes:
        progress = await watch.get_progress(ids)
        return Bytes(progress.done_bytes, progress.total_bytes)

    async with bar_of_bytes(title, look):
        await runtime.archives.execution.run_waiting()
        while (await watch.get_progress(ids)).open:  # another process has them, unless it falls silent
            await asyncio.sleep(LOOK_SECONDS)
            await runtime.archives.execution.run_waiting()
    return await watch.list_named(ids)
