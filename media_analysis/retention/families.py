"""A file with all that was derived from it, and the results about them: they go together when somebody asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.columns import CATEGORY
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import NOTHING, Amount, DeletionBatch, Weight, chunks, of_ids
from media_analysis.deletion.strategy import Strategy
from media_analysis.deletion.tombstones import Freed
from media_analysis.errors import FileHeld, FileNotReady, SessionLimited
from media_analysis.files import ledger
from media_analysis.files.archived import require_no_segment
from media_analysis.files.queries import get_file, list_outside
from media_analysis.files.service import raise_gone, require_living
from media_analysis.jobs.archived import require_none_derived
from media_analysis.jobs.queries import list_users
from media_analysis.jobs.result_deletion import take_results
from media_analysis.policy.decision import find_protection
from media_analysis.states import FileState, RetentionRule, finite
from media_analysis.storage.category import SCRATCH, Category

MOST_GENERATIONS: Final = 8

_FIND: Final = text("""
    WITH RECURSIVE family AS (
        SELECT id, owner, category, 0 AS generation FROM media_files
        WHERE id = ANY(CAST(:ids AS uuid[])) AND owner = coalesce(CAST(:owner AS text), owner)
        UNION
        SELECT child.id, child.owner, child.category, family.generation + 1 FROM family
        JOIN media_files AS child ON child.parent_id = family.id AND child.owner = family.owner
        WHERE family.generation < :most AND child.rendition IS NULL
    )
    SELECT DISTINCT id, category FROM family ORDER BY id
""").columns(category=CATEGORY)
_COUNT_RESULTS: Final = text("""
    SELECT count(*) FROM analysis_results
    WHERE media_file_id = ANY(CAST(:ids AS uuid[])) AND (CAST(:for_good AS boolean) OR published)
""")


class Head(NamedTuple):
    """The file itself that is to be deleted."""

    category: Category
    owner: str
    facts: DueFile


@dataclass(frozen=True, kw_only=True, slots=True)
class FileDeletion:
    """What goes with a file."""

    head: Head
    with_derived: bool
    derived: Weight
    """What was made from it, and from that, of the same owner."""
    derived_ids: Sequence[UUID]
    results: int
    kept_for: timedelta | None
    """How long all of it stays restorable; None is not at all."""
    restorable_until: datetime | None
    remaining: Amount | None = NOTHING
    """What of it is still to be removed, as of a job."""


async def lock_families(session: AsyncSession, file_ids: Sequence[UUID], *, owner: str | None) -> None:
    """Lock an owner's files with what was derived from them, in one order; nobody else's are waited for."""
    locked: frozenset[UUID] = frozenset()
    while new := frozenset(await _find_families(session, file_ids, owner=owner)) - locked:
        await of_ids(sorted(new)).lock(session)
        locked |= new


async def require_head(
    session: AsyncSession,
    found: tuple[Category, str, DueFile] | None,
    file_id: UUID,
    *,
    owner: str | None,
    now: datetime,
    asked: DeletionRequest,
) -> Head:
    """Return the file somebody wants deleted, if that may be; for good it may be trash, or have expired.

    Raises:
        FileNotFound, FileGone, FileNotReady, FileHeld: there is nothing to delete, or something protects it; if jobs
            work with it, it names them.
        ArchiveOfJob: it goes with its run only.

    """
    if found is None:
        await raise_gone(session, file_id, owner=owner)
    head = Head(*found)
    if head.facts.state == FileState.PENDING:
        raise FileNotReady(file_id)
    await require_no_segment(session, file_id)
    if not asked.for_good:
        await require_living(session, file_id, owner=owner, now=now)
    if asked.condition is not None:
        known = await get_file(session, file_id, owner=owner, now=now)
        if known is None:
            await raise_gone(session, file_id, owner=owner)
        asked.condition(known[0])
    protection = find_protection(head.facts, now)
    if protection is not None:
        until = finite(protection.until)
        in_use = protection.rule is RetentionRule.JOB_LEASE
        users = await list_users(session, file_id, now=now) if in_use else ()
        raise FileHeld(file_id, rule=protection.rule.value, until=until, job_ids=users)
    return head


async def weigh_family(
    session: AsyncSession, head: Head, *, now: datetime, asked: DeletionRequest, strategy: Strategy, derived: bool
) -> FileDeletion:
    """Say what a deletion takes beside the file itself, how long all of it can come back, and what protects some of it.

    Raises:
        DerivedArchived: some of what was derived lies in archives, and would stay.
        SessionLimited: some of it is not to be deleted by whoever asks.

    """
    family = await _find_families(session, [head.facts.id], owner=head.owner) if derived else {}
    family = {file_id: category for file_id, category in family.items() if file_id != head.facts.id}
    ids, kept_for = list(family), strategy.kept_for(asked, scratch={head.category, *family.values()} <= SCRATCH)
    about = [head.facts.id, *ids] if derived else []
    if derived:
        await require_none_derived(session, about, owner=head.owner)
    if asked.limit is not None and await list_outside(session, ids, limit=asked.limit):
        raise SessionLimited(
            "what was derived from the file lies outside of the session's limit; derived=keep leaves it"
        )
    return FileDeletion(
        head=head,
        with_derived=derived,
        derived=await of_ids(ids).weigh(session, now=now, with_trash=kept_for is None),
        derived_ids=ids,
        results=(await session.execute(_COUNT_RESULTS, {"ids": about, "for_good": kept_for is None})).scalar_one(),
        kept_for=kept_for,
        restorable_until=None if kept_for is None else now + kept_for,
    )


def require_derived_unprotected(going: FileDeletion) -> None:
    """Return if nothing protects what was derived from the file.

    Raises:
        FileHeld: something does; the file may go alone.

    """
    if going.derived.obstacles:
        first = going.derived.obstacles[0]
        raise FileHeld(going.head.facts.id, rule=first.rule.value, until=first.until, derived_files=first.files)


async def take_family(session: AsyncSession, going: FileDeletion, batch: DeletionBatch) -> Sequence[UUID]:
    """Delete locked files that nothing protects, as weighed; return the outbox entries of their bytes."""
    order, file_id, freed = batch.order, going.head.facts.id, Freed()
    for part in (of_ids([file_id]), *chunks(going.derived_ids)):
        freed = freed.plus(await batch.take(session, part))
    if going.with_derived:
        await take_results(session, "media_file_id", [file_id, *going.derived_ids], for_good=batch.kept_for is None)
    await ledger.move(session, freed.moved)
    with_it = {"derived_files": going.derived.total.files, "results": going.results}
    act = Act(
        actor=order.actor,
        action=Action.DELETED if batch.kept_for is None else Action.TRASHED,
        owner=going.head.owner,
        file_id=file_id,
        rule=RetentionRule.REQUESTED,
        reason=order.reason,
        details={name: count for name, count in with_it.items() if count} | ({"secure": True} if order.secure else {}),
    )
    await add_events(session, [act])
    return freed.purges


async def _find_families(
    session: AsyncSession, file_ids: Sequence[UUID], *, owner: str | None
) -> Mapping[UUID, Category]:
    """Return an owner's files, and what was derived from them."""
    rows = await session.execute(_FIND, {"ids": list(file_ids), "owner": owner, "most": MOST_GENERATIONS})
    return {row.id: row.category for row in rows}
