"""Replicas read again beside primaries, so that both are known to be whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from media_analysis.db.database import Database
from media_analysis.errors import MediaAnalysisError
from media_analysis.integrity.inspection import Finding, Inspector, Problem, ReadThrottle, TrackedFile
from media_analysis.replication.claiming import list_copied
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import ObjectStore

log = structlog.get_logger()


@dataclass(frozen=True)
class ReplicaInspector:
    """Reads replicas at the pace of the scrub; where there are none, nothing."""

    db: Database
    store: ObjectStore
    throttle: ReadThrottle

    async def find_lost(self, files: Sequence[TrackedFile]) -> Mapping[UUID, str]:
        """Return what is wrong with replicas that should be whole; of those that are away, nothing is said."""
        if not isinstance(self.store, ReplicatedStore) or not files:
            return {}
        async with self.db.read_only() as session:
            copied = await list_copied(session, [file.id for file in files])
        try:
            inspector = Inspector(self.db, await self.store.replica.require(), self.throttle)
            findings = await self._read(inspector, [file for file in files if file.id in copied])
            confirmed = await inspector.confirm(findings, read=True)
        except MediaAnalysisError as error:
            log.warning("scrub.replicas_unread", reason=str(error))
            return {}
        return {
            file_id: f"the replica: {finding.sentence}"
            for file_id, finding in confirmed.items()
            if finding.problem is not Problem.UNREADABLE
        }

    async def _read(self, inspector: Inspector, files: Sequence[TrackedFile]) -> Mapping[UUID, Finding]:
        findings = dict(await inspector.look(files))
        for file in files:
            outcome = findings.get(file.id) or await inspector.read(file)
            if isinstance(outcome, Finding):
                findings[file.id] = outcome
        return findings
