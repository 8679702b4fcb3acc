"""Products on their way from a task to the disk, several at once so that they share transactions and fsyncs."""

import asyncio
import re
from typing import Final, Self
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.analysis.child.protocol import ProductMade
from media_analysis.analysis.task import Product
from media_analysis.errors.analysis import OutputRefused
from media_analysis.files.upload.bodies import Body
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload, UploadService
from media_analysis.jobs.attempts.attempt import Attempt

STORED_AT_ONCE: Final = 32
BYTES_AT_ONCE: Final = 64 * 2**20
"""Between the task and the disk; a product larger than that goes alone."""

_REFERENCE: Final = re.compile(rb"\{([a-z0-9_]{1,40})/([0-9]{1,10})\}")
"""As `analysis.task.reference` writes it."""


class ProductStaging:
    """Stores what one run makes; leaving its block early gives up what is not on disk yet."""

    def __init__(self, uploads: UploadService, run: Attempt) -> None:
        self._uploads = uploads
        self._run = run
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._ids: dict[tuple[str, int], UUID] = {}
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
        product = made.product
        content = _REFERENCE.sub(self._resolved, made.content) if product.refers else made.content
        size_bytes = len(content)
        self.count += 1
        file_id = self._ids[product.role, product.ordinal] = uuid7()
        while self._tasks and (
            len(self._tasks) >= STORED_AT_ONCE or sum(self._tasks.values()) + size_bytes > BYTES_AT_ONCE
        ):
            await self._settle_some(asyncio.FIRST_COMPLETED)
        self._tasks[asyncio.create_task(self._store(product, content, file_id))] = size_bytes

    async def finish(self) -> None:
        """Return once everything is on disk."""
        while self._tasks:
            await self._settle_some(asyncio.FIRST_EXCEPTION)

    async def _settle_some(self, until: str) -> None:
        done, _ = await asyncio.wait(self._tasks, return_when=until)
        for task in done:
            del self._tasks[task]
            task.result()

    def _resolved(self, match: re.Match[bytes]) -> bytes:
        file_id = self._ids.get((match[1].decode(), int(match[2])))
        if file_id is None:
            raise OutputRefused("a product refers to another that was not handed over before it")
        return str(file_id).encode()

    async def _store(self, product: Product, content: bytes, file_id: UUID) -> None:
        run = self._run
        await self._uploads.store_file(
            Upload(
                owner=run.owner,
                category=product.category,
                filename=product.filename,
                declared_type=product.media_type,
                declared_bytes=len(content),
                job_id=run.job_id,
                parent_id=None if product.source is None else run.sources[product.source].file_id,
                place=Place(
                    role=product.role,
                    ordinal=product.ordinal,
                    instant_seconds=product.instant_seconds,
                    fence=run.fence,
                ),
                run=run.folder_name,
                file_id=file_id,
            ),
            _body(content),
        )


async def _body(content: bytes) -> Body:
    yield content
