"""Primaries and replicas held against rows: what is missing or of another size is made a duty; nothing goes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from media_analysis.db.database import Database, retried
from media_analysis.deletion.unclaimed import list_unclaimed
from media_analysis.files.damage import mark_damaged
from media_analysis.integrity.inspection import BEFORE_ALL, Finding, Inspector, ReadThrottle, TrackedFile, list_tracked
from media_analysis.replication.claiming import copy_again, list_copied, list_noted_keys
from media_analysis.replication.service import ACTOR
from media_analysis.replication.suite import ReplicationServices

PAGE: Final = 1000
SHOWN: Final = 100
"""Objects nobody knows that are named; beyond it they are counted."""


@dataclass
class ComparisonReport:
    """What was found, and what was made a duty of it."""

    files: int = 0
    lost_replicas: int = 0
    """Replicas that are missing, or of another size."""
    damaged: int = 0
    """Primaries that are; those that have a replica are mended from it."""
    unknown: int = 0
    """Objects beside the replicas that no file is of."""
    unknown_keys: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReplicaComparison:
    """Looks at names and sizes on both sides, page by page; a scrub reads what is inside."""

    db: Database
    replication: ReplicationServices

    async def run(self) -> ComparisonReport:
        """Compare everything.

        Raises:
            MarkerMismatch, StoreUnavailable: one of the two stores is away; nothing is said of what lies there.

        """
        report, store = ComparisonReport(), self.replication.store
        throttle, replica = ReadThrottle(None), await store.replica.require()
        await store.require_marker()
        primaries, replicas = (Inspector(self.db, one, throttle) for one in (store.primary, replica))
        after: UUID = BEFORE_ALL
        while files := await self._list(after):
            copied = await self._copied(files)
            damaged = await primaries.confirm(await primaries.look(files), read=False)
            lost = await replicas.confirm(
                await replicas.look([file for file in files if file.id in copied]), read=False
            )
            await self._note(damaged, lost)
            report.files += len(files)
            report.damaged += len(damaged)
            report.lost_replicas += len(lost)
            after = files[-1].id
        async for batch in replica.walk(PAGE):
            await self._add_unknown(report, [entry.name for entry in batch if entry.sayable])
        return report

    async def _list(self, after: UUID) -> Sequence[TrackedFile]:
        async with self.db.read_only() as session:
            return await list_tracked(session, after=after, limit=PAGE)

    async def _copied(self, files: Sequence[TrackedFile]) -> Collection[UUID]:
        async with self.db.read_only() as session:
            return await list_copied(session, [file.id for file in files])

    @retried
    async def _note(self, damaged: Mapping[UUID, Finding], lost: Mapping[UUID, Finding]) -> None:
        async with self.db.transaction() as session:
            sentences = {file_id: finding.sentence for file_id, finding in damaged.items()}
            await mark_damaged(session, sentences, actor=ACTOR)
            await copy_again(
                session, {file_id: f"the replica: {finding.sentence}" for file_id, finding in lost.items()}
            )

    async def _add_unknown(self, report: ComparisonReport, names: Sequence[str]) -> None:
        """Note what no file, no open deletion and no copying under way is of."""
        async with self.db.read_only() as session:
            unclaimed = await list_unclaimed(session, names)
            noted = await list_noted_keys(session, unclaimed) if unclaimed else ()
        unknown = [name for name in unclaimed if name not in noted]
        report.unknown += len(unknown)
        report.unknown_keys.extend(unknown[: SHOWN - len(report.unknown_keys)])
