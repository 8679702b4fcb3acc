"""Taking some of the files that a filter names, in the caller's transaction."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import chunks, of_ids
from media_analysis.deletion.tombstones import Freed, Order
from media_analysis.files import ledger
from media_analysis.jobs.result_deletion import take_results
from media_analysis.retention.families import lock_families
from media_analysis.retention.matches.queries import KeptMatch, MatchMember, Question, list_kept, list_members
from media_analysis.states import RetentionRule


@dataclass(slots=True)
class TakenMatches:
    """What one transaction took, and what it left."""

    kept: Sequence[KeptMatch]
    trashed: dict[UUID, MatchMember] = field(default_factory=dict)
    deleted: dict[UUID, MatchMember] = field(default_factory=dict)
    refused: int = 0
    """How many files it left because more would have gone than may."""
    results: int = 0
    purges: Sequence[UUID] = ()
    order: Order | None = None

    @property
    def groups(self) -> Sequence[tuple[dict[UUID, MatchMember], bool]]:
        """What goes, and whether that is for good."""
        return [(members, for_good) for members, for_good in ((self.trashed, False), (self.deleted, True)) if members]

    def choose(self, families: Iterable[Sequence[MatchMember]], *, most: int) -> None:
        """Choose which families go: each whole, and no more than so many files all together."""
        chosen, refused = set[UUID](), set[UUID]()
        for family in families:
            more = {member.id: member for member in family}
            if len(chosen) + len(more.keys() - chosen) > most:
                refused.update(more)
                continue
            chosen.update(more)
            (self.deleted if family[0].for_good else self.trashed).update(more)
        for file_id in self.trashed.keys() & self.deleted.keys():
            del self.deleted[file_id]  # it goes with something that can be restored
        self.refused = len(refused - chosen)


async def take(
    session: AsyncSession,
    deleter: Deleter,
    question: Question,
    asked: DeletionRequest,
    ids: Sequence[UUID],
    *,
    most: int,
) -> TakenMatches:
    """Delete those of some files that are still as the filter wants them, and that nothing protects.

    At most `most` go, what was derived from them included, which goes with its file or not at all.
    """
    if question.derived:
        await lock_families(session, ids, owner=question.wanted.owner)
    else:
        await of_ids(ids).lock(session)
    taken = TakenMatches(await list_kept(session, question, ids))
    kept = {file.id for file in taken.kept}
    families = await list_members(session, question, [file_id for file_id in ids if file_id not in kept])
    taken.choose((families[file_id] for file_id in ids if file_id in families), most=most)
    freed = Freed()
    for members, for_good in taken.groups:
        kept_for = None if for_good else deleter.strategy.kept_for(asked)
        batch = await deleter.begin(session, asked, now=question.now, kept_for=kept_for)
        for part in chunks(sorted(members)):
            freed = freed.plus(await batch.take(session, part))
        taken.order = batch.order
    taken.purges = freed.purges
    acts = [act async for act in _take_results(session, question, asked, taken)]
    await ledger.move(session, freed.moved)
    await add_events(session, acts)
    return taken


async def _take_results(
    session: AsyncSession, question: Question, asked: DeletionRequest, taken: TakenMatches
) -> AsyncIterator[Act]:
    """Take the results about what goes, and yield what the trail tells of it: an act for every owner."""
    for members, for_good in taken.groups:
        if question.derived:
            results = await take_results(session, "media_file_id", list(members), for_good=for_good)
            taken.results += sum(results.values())
        named = Counter(member.owner for member in members.values() if member.matches)
        derived = Counter(member.owner for member in members.values() if not member.matches)
        for owner in sorted(named):
            yield Act(
                actor=asked.actor,
                action=Action.DELETED if for_good else Action.TRASHED,
                owner=owner,
                rule=RetentionRule.REQUESTED,
                reason=asked.reason,
                details={
                    "filter": question.wanted.facts(),
                    "files": named[owner],
                    "derived_files": derived[owner],
                    "secure": asked.secure,
                },
            )
