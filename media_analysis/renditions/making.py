"""Pictures as a confined child makes them, while one is waited for."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import Assignment, ProductMade
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.kinds import SINGLE_PICTURE
from media_analysis.analysis.task import Source
from media_analysis.db.database import Database
from media_analysis.errors import AnalysisCrashed, UnsupportedMedia
from media_analysis.errors.analysis import PicturesBusy
from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.attempt import AttemptSource
from media_analysis.jobs.attempts.execution import AttemptOptions
from media_analysis.jobs.attempts.sources import as_tasks_see_them, require_sources
from media_analysis.media.types.known import UNKNOWN, family_of, title_of
from media_analysis.renditions.wishes import PictureWish
from media_analysis.storage.store import ObjectStore

FAMILIES: Final = frozenset({"audio", "image", "video"})
"""Of other types nobody has to look whether they show something."""
LONGEST_SECONDS: Final = 30.0
"""How long somebody waits for one picture; a job may take longer."""


@dataclass(frozen=True)
class PictureMaker:
    """Decodes one picture of a stored file in a child that is gone when it returns, or is cancelled."""

    db: Database
    store: ObjectStore
    options: AttemptOptions
    fork_server: ForkServer

    async def make(self, file: MediaFile, wish: PictureWish) -> bytes:
        """Return a picture as JPEG.

        Raises:
            UnsupportedMedia, CorruptMedia, NoPictures, MediaLimitPassed: it shows none, as for a job.
            InstantPastEnd: it is over at the instant wished for.
            AnalysisTimedOut, AnalysisMemoryPassed, AnalysisCrashed: decoding took too much, or broke down.
            ObjectMissing, ObjectDamaged: the store lost it.
            PicturesBusy: its bytes did not come from a bucket in that time.

        """
        if file.media_type != UNKNOWN and family_of(file.media_type) not in FAMILIES:
            raise UnsupportedMedia(f"{title_of(file.media_type)} shows no picture")
        source = _source_of(file)
        await require_sources(self.db, self.store, [source], read=False)
        async with AsyncExitStack() as lent:
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    sources = await lent.enter_async_context(as_tasks_see_them(self.store, [source]))
            except TimeoutError as error:
                raise PicturesBusy from error
            return await self._decode(sources, wish)

    async def _decode(self, sources: Sequence[Source], wish: PictureWish) -> bytes:
        parameters, limits = wish.options().model_dump(mode="json"), self.options.limits
        assignment = Assignment(kind=SINGLE_PICTURE, sources=sources, parameters=parameters, limits=limits)
        usual = self.options.confinement
        confinement = replace(usual, seconds=min(usual.seconds, LONGEST_SECONDS))
        async with run_task(assignment, confinement=confinement, fork_server=self.fork_server) as messages:
            async for message in messages:
                if isinstance(message, ProductMade):
                    return message.content
        raise AnalysisCrashed("no picture came of it")


def _source_of(file: MediaFile) -> AttemptSource:
    return AttemptSource(
        position=0,
        file_id=file.id,
        key=file.key,
        filename=file.filename,
        media_type=file.media_type,
        size_bytes=file.size_bytes or 0,
        sha256=file.sha256,
    )
