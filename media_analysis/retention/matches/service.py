"""Deletion of all files that a filter names: counted first, then taken batch by batch, none more than was counted."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from media_analysis.db.database import Database, retried
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.pauses import find_clock_pause
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import NOTHING, Amount
from media_analysis.errors import ConfirmationNeeded, DeletionPaused, MediaAnalysisError
from media_analysis.failpoints import failpoint
from media_analysis.files.filters import FileFilter
from media_analysis.files.reading import PLACE, FilePage, FilePlace, list_files
from media_analysis.retention.file_deletion import delete_copies
from media_analysis.retention.guard.breaker import Breaker
from media_analysis.retention.matches.queries import Question, Tally, count, list_sizes
from media_analysis.retention.matches.taking import TakenMatches, take
from media_analysis.states import FileState

PAGE: Final = 1_000
MOST_FILES: Final = 2_000
"""Files that one transaction takes, more only where a single one has more that was derived from it."""
TAKE_SECONDS: Final = 8.0
"""How long files are taken for one answer; who asks again goes on where that ended."""
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchDeletion:
    """What of the files a filter names goes, or went, with what, and what stays."""

    tally: Tally
    restorable_until: datetime | None
    """None if none of it goes into the trash."""
    needs: int | None = None
    """How many files have to be confirmed, None if none have."""
    left: int = 0
    """How many files at least are to go and were not taken: time was over, or more came than was confirmed."""
    remaining: Amount | None = NOTHING
    """What of it is still in the store, as of a job."""


@dataclass(slots=True)
class _Run:
    question: Question
    asked: DeletionRequest
    budget: int
    """How many files may still go."""
    tally: Tally = field(default_factory=Tally)
    purges: list[UUID] = field(default_factory=list)
    refused: int = 0
    """How many files went past the budget."""

    def add(self, taken: TakenMatches) -> None:
        for file in taken.kept:
            self.tally.add_kept(file.category, Amount(1, file.size_bytes), file.obstacle)
        for members, for_good in taken.groups:
            self.budget -= len(members)
            for one in members.values():
                self.tally.add_going(one.category, Amount(1, one.size_bytes), is_named=one.matches, for_good=for_good)
        self.tally.results += taken.results
        self.refused += taken.refused
        self.purges += taken.purges


@dataclass(frozen=True)
class MatchDeletionService:
    """Deletes the files that a filter names, or says what that would take."""

    db: Database
    deleter: Deleter
    breaker: Breaker

    async def preview(self, wanted: FileFilter, asked: DeletionRequest, *, derived: bool = True) -> MatchDeletion:
        """Count what a deletion would take, what stays and why, and whether its number has to be confirmed.

        Every batch is a look of its own: what changes meanwhile may be counted as it was, or as it is.
        """
        question = self._question(wanted, asked, derived=derived, now=await self.db.now())
        tally = await self._count(question)
        too_much = await self._find_excess(question, tally)
        return MatchDeletion(
            tally=tally,
            restorable_until=self._restorable_until(question, asked, tally),
            needs=None if too_much is None else tally.files,
        )

    async def delete(
        self, wanted: FileFilter, asked: DeletionRequest, *, derived: bool = True, confirm: int | None = None
    ) -> MatchDeletion:
        """Delete what a filter names and nothing protects, with what was derived from it, each as if by itself.

        It is counted first, and no more goes than that, or than was confirmed. Each transaction takes some files
        whole, so whatever ends it in the middle loses nothing, and asking again takes the rest.

        Raises:
            ConfirmationNeeded: more would go than the breaker allows, or than was confirmed; nothing was deleted.
            DeletionPaused: the clock is not to be trusted, by which files are protected; nothing was deleted.
            MarkerMismatch, DatabaseUnavailable: nothing was deleted.

        """
        began = time.monotonic()
        await self.deleter.store.require_marker()
        await self._require_clock()
        question = self._question(wanted, asked, derived=derived, now=await self.db.now())
        expected = await self._count(question)
        most = await self._require_confirmed(question, expected, confirm)
        run = _Run(question, asked, budget=most)
        is_whole = await self._take_all(run, until=time.monotonic() + TAKE_SECONDS)
        missed = 0 if is_whole else max(expected.files - run.tally.files, run.refused)
        return MatchDeletion(
            tally=run.tally,
            restorable_until=self._restorable_until(question, asked, run.tally),
            left=missed,
            remaining=await self.deleter.purge_for_answer(run.purges, since=began),
        )

    async def _require_clock(self) -> None:
        await self.breaker.clock.check()
        async with self.db.read_only() as session:
            pause = await find_clock_pause(session)
        if pause is not None:
            raise DeletionPaused(None, pause_id=pause.id, reason=pause.reason)

    async def _require_confirmed(self, question: Question, expected: Tally, confirm: int | None) -> int:
        """Return how many files may go."""
        files = expected.files
        reason = await self._find_excess(question, expected)
        if confirm is None and reason is None:
            return files
        if confirm is None or confirm < files:
            raise ConfirmationNeeded(confirm=str(files), reason=reason or f"{files} files would go")
        return confirm

    async def _find_excess(self, question: Question, tally: Tally) -> str | None:
        is_trash = question.wanted.state is FileState.TRASHED
        reasons = []
        async with self.db.read_only() as session:
            for category, part in tally.going.items():
                excess = await self.breaker.find_excess(session, category, part, trash=is_trash)
                if excess is not None:  # whoever asks may be nobody who learns how much others have
                    going = f"{part.files} files of {category.value}, {part.size_bytes} bytes, would go"
                    reasons.append(f"{going}: more than {excess.percent} % of all there are")
        return "; ".join(reasons) or None

    async def _count(self, question: Question) -> Tally:
        tally = Tally()
        async for page in self._pages(question.wanted):
            async with self.db.read_only() as session:
                await count(session, question, page, tally)
        return tally

    async def _pages(self, wanted: FileFilter) -> AsyncIterator[Sequence[UUID]]:
        """Yield the ids of what is named; what goes meanwhile moves no page."""
        after: FilePlace | None = None
        while True:
            page = await self._read_page(wanted, after)
            if page.files:
                yield [row["id"] for row in page.files]
            if page.next_after is None:
                return
            after = page.next_after

    async def _read_page(self, wanted: FileFilter, after: FilePlace | None) -> FilePage:
        reads = self.db.driver.reads
        return await self.db.retry(lambda: list_files(reads, wanted, after=after, limit=PAGE, shown=PLACE))

    async def _parts(self, question: Question) -> AsyncIterator[Sequence[UUID]]:
        """Yield the same in parts that one transaction takes, with what goes with them."""
        async for page in self._pages(question.wanted):
            sizes: Mapping[UUID, int] = {}
            if question.derived:
                async with self.db.read_only() as session:
                    sizes = await list_sizes(session, question, page)
            part, files = list[UUID](), 0
            for file_id in page:
                more = sizes.get(file_id, 1)
                if part and files + more > MOST_FILES:
                    yield part
                    part, files = [], 0
                part.append(file_id)
                files += more
            yield part

    async def _take_all(self, run: _Run, *, until: float) -> bool:
        """Return whether all was taken that may go."""
        try:
            async for ids in self._parts(run.question):
                if run.refused or time.monotonic() >= until:
                    return False
                await self._take_part(run, ids)
        except MediaAnalysisError as error:
            if not run.tally.going:
                raise  # nothing was deleted
            log.warning("deletion.broken_off", reason=error.code)
            return False
        return not run.refused

    async def _take_part(self, run: _Run, ids: Sequence[UUID]) -> None:
        taken = await self._take(run, ids)
        failpoint("match.taken")
        run.add(taken)
        if taken.deleted and taken.order is not None:
            run.purges += await delete_copies(self.db, list(taken.deleted), taken.order)

    @retried
    async def _take(self, run: _Run, ids: Sequence[UUID]) -> TakenMatches:
        await self.deleter.store.require_marker()
        async with self.db.transaction() as session:
            taken = await take(session, self.deleter, run.question, run.asked, ids, most=run.budget)
            failpoint("match.taking")
        return taken

    def _question(self, wanted: FileFilter, asked: DeletionRequest, *, derived: bool, now: datetime) -> Question:
        strategy = self.deleter.strategy
        return Question(
            wanted=wanted,
            derived=derived,
            for_good=strategy.kept_for(asked) is None,
            scratch_for_good=strategy.kept_for(asked, scratch=True) is None,
            now=now,
        )

    def _restorable_until(self, question: Question, asked: DeletionRequest, tally: Tally) -> datetime | None:
        kept_for = self.deleter.strategy.kept_for(asked)
        return question.now + kept_for if tally.restorable and kept_for is not None else None
