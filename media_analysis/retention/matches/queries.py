"""What deleting files takes that a filter names: one row for many, so that millions are judged in flat memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY, living
from media_analysis.deletion.selection import NOTHING, Amount, Obstacle, join
from media_analysis.files.dates import held_until, protection
from media_analysis.files.filters import FileFilter
from media_analysis.jobs.archived import DERIVED_ARCHIVED
from media_analysis.retention.families import MOST_GENERATIONS
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import SCRATCH, Category

STRONGEST_FIRST: Final = (
    RetentionRule.HOLD,
    RetentionRule.JOB_LEASE,
    RetentionRule.MINIMUM_RETENTION,
    RetentionRule.ARCHIVED,
)
"""Why a file that was named stays. The last: it is an archive of a run, or what was derived from it lies in one."""

# What was derived from a file that itself matches is counted with that one, but protects all above it.
_FAMILIES: Final = """
    WITH RECURSIVE family AS (
        SELECT file.id AS head, file.id, file.owner, 0 AS generation, false AS counts_elsewhere
        FROM media_files AS file WHERE file.id = ANY(CAST(:ids AS uuid[])) AND {file_matches}
        UNION
        SELECT family.head, child.id, child.owner, family.generation + 1,
            family.counts_elsewhere OR ({child_matches}) IS TRUE
        FROM family JOIN media_files AS child ON child.parent_id = family.id AND child.owner = family.owner
        WHERE CAST(:derived AS boolean) AND family.generation < :most AND child.rendition IS NULL
    ), member AS (
        SELECT head, id, bool_or(counts_elsewhere) AS counts_elsewhere FROM family GROUP BY head, id
    )
"""
_PLACED: Final = """
    , placed AS (
        SELECT member.head, member.counts_elsewhere, file.*,
            CASE WHEN bool_and(file.category = ANY(CAST(:scratch AS category[]))) OVER (PARTITION BY member.head)
                THEN CAST(:scratch_for_good AS boolean) ELSE CAST(:for_good AS boolean) END AS for_good
        FROM member JOIN media_files AS file ON file.id = member.id
    )
"""
_JUDGED: Final = """
    , told AS (
        SELECT file.*, {protection} AS protection, {held_until} AS hold_ends_at,
            CASE WHEN file.role = 'archive' AND file.job_id IS NOT NULL
                OR CAST(:derived AS boolean) AND {archived} THEN 'archived' END AS archived
        FROM placed AS file WHERE file.state <> 'trashed' OR file.for_good
    ), judged AS (
        SELECT head, id, category, for_good, counts_elsewhere, coalesce(size_bytes, reserved_bytes) AS size_bytes,
            coalesce(protection, archived) AS rule,
            CASE protection WHEN 'hold' THEN nullif(hold_ends_at, 'infinity') WHEN 'job_lease' THEN leased_until
                WHEN 'minimum_retention' THEN min_retain_until END AS until
        FROM told
    ), verdict AS (
        SELECT DISTINCT ON (head) head, rule, CASE WHEN bool_and(until IS NOT NULL) THEN max(until) END AS until
        FROM judged WHERE rule IS NOT NULL GROUP BY head, rule
        ORDER BY head, array_position(CAST(:strongest_first AS text[]), rule)
    )
"""
_COUNT: Final = """
    SELECT judged.category, judged.id = judged.head AS is_named, judged.for_good, verdict.rule, count(*) AS files,
        sum(judged.size_bytes)::bigint AS size_bytes,
        CASE WHEN bool_and(verdict.until IS NOT NULL) THEN max(verdict.until) END AS until,
        coalesce(sum((
            SELECT count(*) FROM analysis_results AS result
            WHERE result.media_file_id = judged.id AND (judged.for_good OR result.published)
        )) FILTER (WHERE CAST(:derived AS boolean) AND verdict.rule IS NULL), 0)::bigint AS results
    FROM judged LEFT JOIN verdict USING (head)
    WHERE judged.id = judged.head OR (NOT judged.counts_elsewhere AND verdict.rule IS NULL)
    GROUP BY 1, 2, 3, 4
"""
_KEPT: Final = """
    SELECT head, judged.category, judged.size_bytes, verdict.rule, verdict.until
    FROM verdict JOIN judged USING (head) WHERE judged.id = head
"""
_MEMBERS: Final = """
    SELECT file.head, file.id, file.owner, file.category, coalesce(file.size_bytes, file.reserved_bytes) AS size_bytes,
        file.for_good, ({file_matches}) IS TRUE AS matches
    FROM placed AS file WHERE file.state <> 'trashed' OR file.for_good ORDER BY file.head, file.id
"""
_SIZES: Final = "SELECT head, count(*) AS files FROM member GROUP BY head HAVING count(*) > 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Which files somebody wants deleted, and how that would be done; all of it is as of one instant."""

    wanted: FileFilter
    """With a state: `stored`, or `trashed`."""
    derived: bool
    """Whether what was derived from them goes with them, and the results about all of them."""
    for_good: bool
    scratch_for_good: bool
    """The same of what is nothing but scratch."""
    now: datetime

    def values(self, ids: Sequence[UUID]) -> dict[str, Any]:
        """Return what the statements of this module want to know."""
        wanted = self.wanted
        given: dict[str, Any] = {
            "owner": wanted.owner,
            "job_id": wanted.job_id,
            "expires_before": wanted.expires_before,
        }
        for place, label in enumerate(wanted.labels):
            given |= {f"label_{place}_key": label.key, f"label_{place}_value": label.value}
        return {name: value for name, value in given.items() if value is not None} | {
            "ids": list(ids),
            "now": self.now,
            "derived": self.derived,
            "most": MOST_GENERATIONS,
            "for_good": self.for_good,
            "scratch_for_good": self.scratch_for_good,
            "scratch": [category.value for category in SCRATCH],
            "strongest_first": [rule.value for rule in STRONGEST_FIRST],
        }

    def matches(self, file: str) -> str:
        """Return the condition that a row of `media_files` is one of them, as `files.reading` lists them."""
        wanted = self.wanted
        conditions = [f"{file}.state = '{wanted.state}'"]
        if wanted.state is not FileState.TRASHED:
            conditions.append(living(f"{file}.expires_at"))
        conditions += wanted.of_categories(file)
        if wanted.owner is not None:
            conditions.append(f"{file}.owner = :owner")
        if wanted.job_id is not None:
            conditions.append(f"{file}.job_id = :job_id")
        if wanted.expires_before is not None:
            conditions.append(f"{file}.expires_at < :expires_before")
        for place, label in enumerate(wanted.labels):
            conditions.append(label.condition(_naming(place), f"{file}.labels"))
        return " AND ".join(conditions)


class KeptMatch(NamedTuple):
    """A file that was named and stays: something protects it, or what was derived from it."""

    id: UUID
    category: Category
    size_bytes: int
    obstacle: Obstacle


class MatchMember(NamedTuple):
    """A file that goes: because it was named, or with one that was, its head."""

    head: UUID
    id: UUID
    owner: str
    category: Category
    size_bytes: int
    for_good: bool
    """Whether it could not be restored."""
    matches: bool


@dataclass(slots=True)
class Tally:
    """What a deletion takes of the files that were named, by category, and what stays."""

    matched: dict[Category, Amount] = field(default_factory=dict)
    going: dict[Category, Amount] = field(default_factory=dict)
    """All that goes, named or not."""
    derived: dict[Category, Amount] = field(default_factory=dict)
    """What of that was not named: what was derived from what was."""
    kept: dict[RetentionRule, Obstacle] = field(default_factory=dict)
    results: int = 0
    restorable: bool = False
    """Whether some of it goes into the trash."""

    def add_going(self, category: Category, amount: Amount, *, is_named: bool, for_good: bool) -> None:
        """Count files that go."""
        _add(self.going, category, amount)
        _add(self.matched if is_named else self.derived, category, amount)
        self.restorable |= not for_good

    def add_kept(self, category: Category, amount: Amount, obstacle: Obstacle) -> None:
        """Count files that were named and stay."""
        _add(self.matched, category, amount)
        self.kept[obstacle.rule] = join(self.kept.get(obstacle.rule), obstacle)

    @property
    def files(self) -> int:
        """How many files go."""
        return sum(amount.files for amount in self.going.values())

    @property
    def obstacles(self) -> Sequence[Obstacle]:
        """Why the others stay, strongest first."""
        return [self.kept[rule] for rule in STRONGEST_FIRST if rule in self.kept]


async def count(session: AsyncSession, question: Question, ids: Sequence[UUID], tally: Tally) -> None:
    """Count those of some files that are as the filter wants them, with what goes with each."""
    query = text(_families(question) + _judged() + _COUNT).columns(category=CATEGORY)
    for row in await session.execute(query, question.values(ids)):
        amount = Amount(row.files, row.size_bytes)
        if row.rule is None:
            tally.add_going(row.category, amount, is_named=row.is_named, for_good=row.for_good)
            tally.results += row.results
        else:
            tally.add_kept(row.category, amount, Obstacle(RetentionRule(row.rule), row.files, row.until))


async def list_kept(session: AsyncSession, question: Question, ids: Sequence[UUID]) -> Sequence[KeptMatch]:
    """Return those of some files that are as the filter wants them and may not go, and why."""
    query = text(_families(question) + _judged() + _KEPT).columns(category=CATEGORY)
    rows = await session.execute(query, question.values(ids))
    return [
        KeptMatch(row.head, row.category, row.size_bytes, Obstacle(RetentionRule(row.rule), 1, row.until))
        for row in rows
    ]


async def list_members(
    session: AsyncSession, question: Question, ids: Sequence[UUID]
) -> Mapping[UUID, list[MatchMember]]:
    """Return what goes with each of those files that are as the filter wants them, the file itself among it."""
    members = _MEMBERS.format(file_matches=question.matches("file"))
    query = text(_families(question) + _PLACED + members).columns(category=CATEGORY)
    rows = await session.execute(query, question.values(ids))
    return {head: list(group) for head, group in groupby(map(MatchMember._make, rows), key=lambda member: member.head)}


async def list_sizes(session: AsyncSession, question: Question, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return how many files there are with each that others were derived from, the file itself among them."""
    rows = await session.execute(text(_families(question) + _SIZES), question.values(ids))
    return {row.head: row.files for row in rows}


def _naming(place: int) -> Callable[[object], str]:
    """Return what names the values of a filter by a label in turn: its key, and its value."""
    names = iter((f":label_{place}_key", f":label_{place}_value"))
    return lambda _value: next(names)


def _families(question: Question) -> str:
    return _FAMILIES.format(file_matches=question.matches("file"), child_matches=question.matches("child"))


def _judged() -> str:
    kept_by = {"protection": protection("file"), "held_until": held_until("file"), "archived": DERIVED_ARCHIVED}
    return _PLACED + _JUDGED.format(**kept_by)


def _add(sums: dict[Category, Amount], category: Category, more: Amount) -> None:
    sums[category] = sums.get(category, NOTHING).plus(more)
