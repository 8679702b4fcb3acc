"""Working through archive tasks: claimed by one process at a time, renewed while they run, ended with their outcome."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import structlog

from media_analysis.archive import tasks
from media_analysis.archive.archiving import Archiver
from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.archive.progress import Stopped, TaskProgress, telling
from media_analysis.archive.restoring import Restorer
from media_analysis.archive.tasks import MAX_ATTEMPTS, TaskEnding
from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database, retried
from media_analysis.errors import MediaAnalysisError, RunChanged, Unavailable
from media_analysis.failpoints import failpoint
from media_analysis.files.upload.room import RoomMaker
from media_analysis.storage.category import Category

PAUSES: Final = (1, 5, 25)
"""How long a task waits before it tries again, when database or store did not answer, in units of the first pause."""
Observe = Callable[[ArchiveTask], None]
log = structlog.get_logger()


@dataclass(frozen=True)
class ArchiveExecution:
    """Runs archive tasks, at most `concurrency` at once; `observe` hears of every one that ended here."""

    db: Database
    archiver: Archiver
    restorer: Restorer
    concurrency: int
    observe: Observe
    room: RoomMaker
    """Hears of the bytes that tasks bring."""
    pauses: Sequence[float] = PAUSES
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    """Rings when this process was asked for a task."""

    async def run_waiting(self) -> int:
        """Work until no task waits; return how many ended here.

        Raises:
            DatabaseUnavailable: no more could be claimed; those under way have ended.

        """
        ended = await asyncio.gather(*(self._work() for _ in range(self.concurrency)), return_exceptions=True)
        for failed in ended:
            if isinstance(failed, BaseException):
                raise failed
        return sum(count for count in ended if isinstance(count, int))

    async def _work(self) -> int:
        ended = 0
        while task := await self._claim():
            await self._run(task)
            ended += 1
        return ended

    @retried
    async def _claim(self) -> ArchiveTask | None:
        async with self.db.transaction() as session:
            task = await tasks.claim_task(session)
        if task is not None:
            failpoint("archive.claimed")
        return task

    async def _run(self, task: ArchiveTask) -> None:
        """Run a claimed task to its end; what fails is written down, what is cancelled is handed back."""
        progress = TaskProgress(total_bytes=task.total_bytes)
        try:
            if task.attempts > MAX_ATTEMPTS:
                await self._end(task, _failed("too_many_attempts", "every attempt ended without a word"))
                return
            async with telling(progress, lambda told: self._tell(task, told)):
                await self._persist(task, progress)
            await self._look_at_marks()
        except MediaAnalysisError as error:
            await self._end(task, _failed(error.code, str(error)))
        except Stopped:
            log.warning("archive.taken_over", task_id=str(task.id))
            return
        except asyncio.CancelledError:
            if progress.lost:
                _uncancel()  # it was us who cancelled, as nobody listens any more
                log.warning("archive.taken_over", task_id=str(task.id))
                return
            await carry_through(self._hand_back(task))
            raise
        except Exception as error:
            log.exception("archive.crashed", task_id=str(task.id))
            await self._end(task, _failed("crashed", type(error).__name__))
        await self._notice(task)

    async def _look_at_marks(self) -> None:
        for category in Category:
            await self.room.notice(category)

    async def _persist(self, task: ArchiveTask, progress: TaskProgress) -> None:
        """Try again what may pass: at once where the run changed meanwhile, else after a pause."""
        for retry, pause in enumerate(self.pauses):
            try:
                await self._attempt(task, progress, retry)
            except (RunChanged, Unavailable) as error:
                log.info("archive.begun_again", task_id=str(task.id), reason=error.code)
                if isinstance(error, Unavailable):
                    progress.begin("retrying")
                    await asyncio.sleep(pause)
            else:
                return
        await self._attempt(task, progress, len(self.pauses))

    async def _attempt(self, task: ArchiveTask, progress: TaskProgress, retry: int) -> None:
        match task.kind:
            case ArchiveTaskKind.ARCHIVE:
                await self.archiver.run(task, progress, retry=retry)
            case ArchiveTaskKind.RESTORE:
                await self.restorer.run(task, progress)
            case _:
                assert_never(task.kind)

    async def _tell(self, task: ArchiveTask, progress: TaskProgress) -> bool:
        try:
            async with self.db.transaction() as session:
                known = await tasks.mark_progress(
                    session,
                    task,
                    stage=progress.stage,
                    done_bytes=progress.done_bytes,
                    total_bytes=progress.total_bytes,
                )
                # Once it has ended well, what is left is to see its originals' bytes off.
                going_on = known or await tasks.is_completed(session, task)
        except Exception as error:  # noqa: BLE001 - the lease outlasts a short absence, whatever it was
            log.warning("archive.untold", task_id=str(task.id), reason=type(error).__name__)
            return True
        progress.lost = not going_on
        return going_on

    async def _end(self, task: ArchiveTask, ending: TaskEnding) -> None:
        try:
            async with self.db.transaction() as session:
                await tasks.mark_ended(session, task, ending)
        except MediaAnalysisError as error:
            log.warning("archive.left_running", task_id=str(task.id), reason=error.code)

    async def _hand_back(self, task: ArchiveTask) -> None:
        """Let another begin at once; where that cannot be said its lease ends, and the cancellation stays one."""
        try:
            async with self.db.transaction() as session:
                await tasks.mark_handed_back(session, task)
        except MediaAnalysisError as error:
            log.warning("archive.left_running", task_id=str(task.id), reason=error.code)

    async def _notice(self, task: ArchiveTask) -> None:
        try:
            async with self.db.read_only() as session:
                ended = await tasks.get_task(session, task.id)
        except MediaAnalysisError:
            return
        if ended is not None:
            self.observe(ended)
            log.info("archive.ended", **_facts(ended))


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def _failed(code: str, reason: str) -> TaskEnding:
    return TaskEnding(status=ArchiveTaskStatus.FAILED, error_code=code, error=reason)


def _facts(task: ArchiveTask) -> dict[str, Any]:
    told = {"task_id": str(task.id), "job_id": str(task.job_id), "kind": task.kind.value, "status": task.status.value}
    return told if task.error_code is None else {**told, "code": task.error_code, "reason": task.error}
