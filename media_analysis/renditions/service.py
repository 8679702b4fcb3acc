"""Pictures of files for whoever waits for them: found, or made once however many ask at the same time."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from media_analysis.errors import (
    CorruptMedia,
    MediaAnalysisError,
    MediaLimitPassed,
    NoPictures,
    UnsupportedMedia,
)
from media_analysis.errors.analysis import PicturesBusy
from media_analysis.errors.media import InstantPastEnd
from media_analysis.files.models import MediaFile
from media_analysis.files.renditions import Rendition
from media_analysis.renditions.keeping import RenditionKeeper
from media_analysis.renditions.making import PictureMaker
from media_analysis.renditions.queue import DecodingQueue
from media_analysis.renditions.wishes import PictureWish

LOOK_SECONDS: Final = 0.05
"""How often it is looked whether a picture is there that another process makes."""
REFUSALS: Final = 4_096
"""Of how many pictures it is remembered that there are none; bytes never change."""
LASTING: Final = (UnsupportedMedia, CorruptMedia, NoPictures, InstantPastEnd, MediaLimitPassed)
Wanted = tuple[UUID, str]
log = structlog.get_logger()


@dataclass
class Making:
    """A picture that is being made, and for how many."""

    content: asyncio.Future[bytes]
    task: asyncio.Task[None]
    waiting: int = 0


@dataclass(frozen=True)
class RenditionService:
    """Gives pictures of files; one is decoded once at a time, and few are at once."""

    keeper: RenditionKeeper
    maker: PictureMaker
    queue: DecodingQueue
    _makings: dict[Wanted, Making] = field(default_factory=dict, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _refusals: OrderedDict[Wanted, MediaAnalysisError] = field(default_factory=OrderedDict, init=False)

    async def get(self, file: MediaFile, wish: PictureWish) -> bytes:
        """Return a picture of a stored file as JPEG; when nobody waits for it any more, it is not made.

        Raises:
            UnsupportedMedia, CorruptMedia, NoPictures, MediaLimitPassed, InstantPastEnd: there is no such picture.
            AnalysisTimedOut, AnalysisMemoryPassed, AnalysisCrashed, ObjectMissing, ObjectDamaged: it cannot be made.
            PicturesBusy: too many wait already.

        """
        wanted = (file.id, wish.name)
        if (refusal := self._refusals.get(wanted)) is not None:
            raise refusal.with_traceback(None)
        making = self._makings.get(wanted)
        if making is None:
            kept = await self.keeper.find(file.id, wish)
            if kept is not None and kept.is_whole and (content := await self.keeper.read(kept)) is not None:
                return content
            making = self._makings.get(wanted) or self._begin(file, wish)
        return await self._await(wanted, making)

    async def close(self) -> None:
        """End what is being made; what has been made is kept first."""
        for wanted, making in list(self._makings.items()):
            if not making.content.done():
                making.content.set_exception(PicturesBusy())
                self._call_off(wanted, making)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, file: MediaFile, wish: PictureWish) -> Making:
        content: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        content.add_done_callback(_noted)
        task = asyncio.create_task(self._make(file, wish, content))
        wanted, making = (file.id, wish.name), Making(content, task)
        self._makings[wanted] = making
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._end(wanted, making))
        return making

    async def _await(self, wanted: Wanted, making: Making) -> bytes:
        making.waiting += 1
        try:
            return await asyncio.shield(making.content)
        finally:
            making.waiting -= 1
            if not making.waiting and not making.content.done():
                self._call_off(wanted, making)

    def _call_off(self, wanted: Wanted, making: Making) -> None:
        making.task.cancel()
        if self._makings.get(wanted) is making:
            del self._makings[wanted]  # who asks again while it ends begins anew

    def _end(self, wanted: Wanted, making: Making) -> None:
        self._tasks.discard(making.task)
        if self._makings.get(wanted) is making:
            del self._makings[wanted]

    async def _make(self, file: MediaFile, wish: PictureWish, content: "asyncio.Future[bytes]") -> None:
        try:
            while not content.done():
                await self._find_or_make(file, wish, content)
        except MediaAnalysisError as error:
            self._refuse((file.id, wish.name), content, error)
        except Exception as error:
            log.exception("rendition.failed", file_id=str(file.id), rendition=wish.name)
            if not content.done():
                content.set_exception(error)

    def _refuse(self, wanted: Wanted, content: "asyncio.Future[bytes]", error: MediaAnalysisError) -> None:
        if isinstance(error, LASTING):
            self._refusals[wanted] = error
            if len(self._refusals) > REFUSALS:
                self._refusals.popitem(last=False)
        if not content.done():
            content.set_exception(error)

    async def _find_or_make(self, file: MediaFile, wish: PictureWish, content: "asyncio.Future[bytes]") -> None:
        kept = await self.keeper.find(file.id, wish)
        if kept is not None and kept.is_pending:  # another process makes it
            await asyncio.sleep(LOOK_SECONDS)
        elif kept is not None and kept.is_whole and (found := await self.keeper.read(kept)) is not None:
            content.set_result(found)
        elif (kept is not None and kept.is_abandoned) or not await self.keeper.has_room(file.owner):
            async with self.queue.turn(file.owner):
                content.set_result(await self.maker.make(file, wish))
        else:
            await self._make_and_keep(file, wish, content, kept)

    async def _make_and_keep(
        self, file: MediaFile, wish: PictureWish, content: "asyncio.Future[bytes]", old: Rendition | None
    ) -> None:
        async with self.keeper.place(file, wish, old) as place:
            async with self.queue.turn(file.owner):
                if not await place.take():
                    return
                content.set_result(await self.maker.make(file, wish))
            await place.keep(content.result())


def _noted(content: "asyncio.Future[bytes]") -> None:
    """Look at how a picture ended: nobody may have waited for it to its end."""
    if not content.cancelled():
        content.exception()
