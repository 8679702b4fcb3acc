"""Many files that go together: locked in one order, weighed, and taken chunk by chunk in one transaction."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import TextualSelect, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.db.ids import chunks_of
from media_analysis.deletion import tombstones
from media_analysis.deletion.due import FACTS, DueFile
from media_analysis.deletion.tombstones import Freed, Order
from media_analysis.files.dates import held_until, protection
from media_analysis.files.ledger import Moved
from media_analysis.policy.decision import find_protection
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

_ALL: Final = tuple(FileState)
_NOT_TRASH: Final = (FileState.PENDING, FileState.STORED)
CHUNK: Final = 1_000
"""Files that one statement buries, and one outbox entry names: whoever waits for an answer may wait for an entry."""

_WEIGH: Final = f"""
    WITH judged AS (
        SELECT category, state, coalesce(size_bytes, reserved_bytes) AS size_bytes,
            {protection()} AS rule, {held_until()} AS held_until, leased_until, min_retain_until
        FROM media_files WHERE {{condition}}
    )
    SELECT category, state::text, rule, count(*) AS files, sum(size_bytes)::bigint AS size_bytes,
        CASE rule
            WHEN 'hold' THEN nullif(max(held_until), 'infinity')
            WHEN 'job_lease' THEN max(leased_until)
            WHEN 'minimum_retention' THEN max(min_retain_until)
        END AS until
    FROM judged GROUP BY category, state, rule
"""  # noqa: S608 - fragments of ours


class Amount(NamedTuple):
    """Files, and their bytes."""

    files: int = 0
    size_bytes: int = 0

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.files + other.files, self.size_bytes + other.size_bytes)


NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A rule that keeps some of the files, how many, and until when at the longest; None is until somebody acts."""

    rule: RetentionRule
    files: int
    until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """What there is to take, by category, and what stands against it, strongest first."""

    categories: Mapping[Category, Amount]
    obstacles: Sequence[Obstacle]

    @property
    def total(self) -> Amount:
        amounts = self.categories.values()
        return Amount(sum(amount.files for amount in amounts), sum(amount.size_bytes for amount in amounts))


@dataclass(frozen=True, slots=True)
class FileSelection:
    """A part of the files: a condition on `media_files`, and what it asks for."""

    condition: str
    values: Mapping[str, Any]

    async def weigh(self, session: AsyncSession, *, now: datetime, with_trash: bool) -> Weight:
        """Sum what a deletion takes, and what protects some of it; `with_trash` it takes what is trash already, too."""
        rows = await session.execute(self._weighing(), {**self.values, "now": now})
        categories: dict[Category, Amount] = {}
        obstacles: dict[RetentionRule, Obstacle] = {}
        for category, state, rule, files, size_bytes, until in rows:
            if state == FileState.TRASHED and not with_trash:
                continue
            categories[category] = categories.get(category, Amount()).plus(Amount(files, size_bytes))
            if rule is not None:
                found = Obstacle(RetentionRule(rule), files, until)
                obstacles[found.rule] = join(obstacles.get(found.rule), found)
        strongest = (RetentionRule.HOLD, RetentionRule.JOB_LEASE, RetentionRule.MINIMUM_RETENTION)
        return Weight(
            categories=dict(sorted(categories.items())),
            obstacles=[obstacles[rule] for rule in strongest if rule in obstacles],
        )

    async def lock(self, session: AsyncSession) -> None:
        """Lock them all in the order of ids, as everybody does who locks many."""
        ordered = f"SELECT FROM media_files WHERE {self.condition} ORDER BY id FOR UPDATE"
        await session.execute(text(f"SELECT count(*) FROM ({ordered}) AS locked"), dict(self.values))  # noqa: S608 - constants

    async def read(
        self, session: AsyncSession, states: Sequence[FileState]
    ) -> AsyncIterator[Sequence[tuple[Category, DueFile]]]:
        """Yield the facts of files in one of these states, some at a time, one category after the other.

        It reads on through one cursor: every new query would go over the index entries of what was taken before.
        """
        rows = await session.stream(
            text(
                f"SELECT category::text, {FACTS} FROM media_files WHERE {self.condition} "  # noqa: S608 - constants
                "AND state = ANY(CAST(:states AS file_state[])) ORDER BY category"
            ),
            {**self.values, "states": [state.value for state in states]},
            execution_options={"yield_per": CHUNK},
        )
        async for part in rows.partitions(CHUNK):
            yield [(Category(category), DueFile._make(facts)) for category, *facts in part]

    async def write_tombstones(self, session: AsyncSession, rule: RetentionRule, order: Order) -> Freed:
        """Turn the locked files into tombstones, whatever protects them; an unfinished upload stays."""
        freed = Freed()
        async for page in self.read(session, [FileState.STORED, FileState.TRASHED]):
            for category, group in groupby(page, key=lambda file: file[0]):
                files = {rule: [facts for _, facts in group]}
                claims, moved = await tombstones.write_tombstones(session, files, order, category=category)
                freed = freed.plus(Freed([claim.purge_id for claim in claims], moved))
        return freed

    def _weighing(self) -> TextualSelect:
        return text(_WEIGH.format(condition=self.condition)).columns(category=CATEGORY)


@dataclass(frozen=True, slots=True)
class DeletionBatch:
    """How one transaction takes files, chunk by chunk; the ledger is told of all of them at its end."""

    order: Order
    kept_for: timedelta | None
    """How long what goes stays restorable; None deletes at once, and what is trash already with it."""
    rule: RetentionRule = RetentionRule.REQUESTED

    async def take(self, session: AsyncSession, selection: FileSelection) -> Freed:
        """Take locked files, all there are; none of them may be protected, which was weighed before.

        Their renditions end with them; what is deleted at once takes them along.
        """
        freed = Freed()
        states = _ALL if self.kept_for is None else _NOT_TRASH
        async for files in selection.read(session, states):
            for category, group in groupby(files, key=lambda file: file[0]):
                freed = freed.plus(await self._take(session, category, [facts for _, facts in group]))
            if self.kept_for is None:
                renditions = of_renditions([facts.id for _, facts in files])
                freed = freed.plus(await renditions.write_tombstones(session, self.rule, self.order))
        return freed

    async def _take(self, session: AsyncSession, category: Category, files: Sequence[DueFile]) -> Freed:
        for file in files:
            if file.state != FileState.PENDING and find_protection(file, self.order.now) is not None:
                raise RuntimeError(f"{file.id} is protected and was to be deleted")
        unfinished = [file for file in files if file.state == FileState.PENDING]
        finished = [file for file in files if file.state != FileState.PENDING]
        deleted = {RetentionRule.UPLOAD_ABANDONED: unfinished} if unfinished else {}
        moved: list[Moved] = []
        if finished and self.kept_for is None:
            deleted[self.rule] = finished
        elif finished and self.kept_for is not None:
            moved = await tombstones.move_to_trash(session, {self.rule: finished}, self.order, kept_for=self.kept_for)
        claims, gone = await tombstones.write_tombstones(session, deleted, self.order, category=category)
        return Freed([claim.purge_id for claim in claims], [*moved, *gone])


def of_job(job_id: UUID) -> FileSelection:
    """Return the files of a job, whoever put them there; its sources are not among them."""
    return FileSelection("job_id = :job_id", {"job_id": job_id})


def of_ids(ids: Sequence[UUID]) -> FileSelection:
    """Return single files."""
    return FileSelection("id = ANY(CAST(:ids AS uuid[]))", {"ids": list(ids)})


def of_renditions(ids: Sequence[UUID]) -> FileSelection:
    """Return the pictures that are kept of files; what protects one by itself leaves it to the sweep."""
    return FileSelection(
        "rendition IS NOT NULL AND parent_id = ANY(CAST(:ids AS uuid[])) AND held_until IS NULL"
        " AND leased_until IS NULL AND min_retain_until IS NULL",
        {"ids": list(ids)},
    )


def chunks(ids: Sequence[UUID]) -> Iterator[FileSelection]:
    """Return many files in parts."""
    return map(of_ids, chunks_of(ids, CHUNK))


def join(known: Obstacle | None, more: Obstacle) -> Obstacle:
    """Return one obstacle of all files that a rule keeps."""
    if known is None:
        return more
    until = None if known.until is None or more.until is None else max(known.until, more.until)
    return Obstacle(more.rule, known.files + more.files, until)
