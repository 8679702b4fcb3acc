"""Products on their way from a task to the disk, several at once so that they share transactions and fsyncs."""

import asyncio
from typing import Final, Self

from media_analysis.analysis.child.protocol import ProductMade
from media_analysis.files.upload.bodies import Body
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload, UploadService
from media_analysis.jobs.attempts.attempt import Attempt

STORED_AT_ONCE: Final = 32
BYTES_AT_ONCE: Final = 64 * 2**20
"""Between the task and the disk; a product larger than that goes alone."""


class ProductStaging:
    """Stores what one run makes; leaving its block early gives up what is not on disk yet."""

    def __init__(self, uploads: UploadService, run: Attempt) -> None:
        self._uploads = uploads
        self._run = run
        self._tasks: dict[asyncio.Task[None], int] = {}
        self.count = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def add(self, made: ProductMade) -> None:
        """Take a product, once there is room; what went wrong with an earlier one is raised here."""
        size_bytes = len(made.content)
        self.count += 1
        while self._tasks and (
            len(self._tasks) >= STORED_AT_ONCE or sum(self._tasks.values()) + size_bytes > BYTES_AT_ONCE
        ):
            await self._settle_some(asyncio.FIRST_COMPLETED)
        self._tasks[asyncio.create_task(self._store(made))] = size_bytes

    async def finish(self) -> None:
        """Return once everything is on disk."""
        while self._tasks:
            await self._settle_some(asyncio.FIRST_EXCEPTION)

    async def _settle_some(self, until: str) -> None:
        done, _ = await asyncio.wait(self._tasks, return_when=until)
        for task in done:
            del self._tasks[task]
            task.result()

    async def _store(self, made: ProductMade) -> None:
        run, product = self._run, made.product
        await self._uploads.store_file(
            Upload(
                owner=run.owner,
                category=product.category,
                filename=product.filename,
                declared_type=product.media_type,
                declared_bytes=len(made.content),
                job_id=run.job_id,
                parent_id=None if product.source is None else run.sources[product.source].file_id,
                place=Place(
                    role=product.role,
                    ordinal=product.ordinal,
                    instant_seconds=product.instant_seconds,
                    fence=run.fence,
                ),
                run=run.folder_name,
            ),
            _body(made.content),
        )


async def _body(content: bytes) -> Body:
    yield content
