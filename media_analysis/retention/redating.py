"""Applying a policy: it comes into force, and stored files get its dates in batches."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.instance import Instance
from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_confirmation
from media_analysis.errors import ConfirmationNeeded, PolicySuperseded
from media_analysis.failpoints import failpoint
from media_analysis.files.transitions import redate
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import activate, close_redating, list_undated, require_policy
from media_analysis.retention.preview import DIFFERS, ENDS_AT, KEPT_UNTIL, PolicyPreview, PolicyService, dates_of
from media_analysis.storage.category import Category

Progress = Callable[[int, int], None]
"""Hears how many files have moved so far, and how many there were to move."""

FIRST_ID: Final = UUID(int=0)
POLL_SECONDS: Final = 0.05

# Whoever reads the rules holds this lock until its transaction ends, and took it before its snapshot.
_READERS = text("""
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation = CAST('category_policies' AS regclass)
""")
# Shared with other batches, but not with whoever puts another policy in force: that waits for the batch to end.
_LOCK_RULES = text("""
    SELECT category FROM category_policies
    WHERE category = CAST(:category AS category)
        AND lifetime_seconds IS NOT DISTINCT FROM CAST(:lifetime AS float8)
        AND minimum_seconds IS NOT DISTINCT FROM CAST(:minimum AS float8)
    FOR SHARE
""")
_REDATE = text(f"""
    WITH looked AS MATERIALIZED (
        SELECT id, {DIFFERS} AS differs FROM media_files
        WHERE category = CAST(:category AS category) AND state = 'stored' AND id > :after
        ORDER BY id LIMIT :limit
    ), locked AS MATERIALIZED (
        SELECT id FROM media_files WHERE id = ANY(ARRAY(SELECT id FROM looked WHERE differs)) ORDER BY id FOR UPDATE
    ), moved AS (
        {redate(ENDS_AT, KEPT_UNTIL)} AND {DIFFERS}
        RETURNING file.id
    )
    SELECT (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*) FROM moved) AS files
""")  # noqa: S608 - constants


@dataclass(frozen=True)
class Applied:
    """What applying a policy did."""

    preview: PolicyPreview
    """What was to be expected."""
    files: Mapping[Category, int]
    """How many stored files got other dates."""


@dataclass(frozen=True, kw_only=True)
class RedatingService:
    """Puts policies in force, for what is stored already too."""

    db: Database
    policies: PolicyService
    batch_size: int = 5_000
    patience: timedelta = timedelta(minutes=1)

    @retried
    async def apply(
        self,
        policy: Policy,
        *,
        actor: str,
        confirm: int | None = None,
        now: datetime | None = None,
        progress: Progress = lambda _done, _total: None,
    ) -> Applied:
        """Put a policy in force and give all stored files its dates.

        What breaks off in the middle is finished by applying the same policy again: files that have its dates stay
        as they are. A confirmation covers as many files, newly due or evicted, as it says.

        Raises:
            ConfirmationNeeded: too much would fall due or be evicted at once, and nobody confirmed it; nothing changed.
            PolicySuperseded: another policy came into force meanwhile; that one decides.

        """
        preview = await self.policies.preview(policy, now=now)
        _require_confirmed(preview, confirm)
        undated = await self._activate(policy, preview, actor)
        if undated is None:
            return Applied(preview, {})
        failpoint("policy.activated")
        if undated:
            await self._outlast_readers()
        files: dict[Category, int] = {}
        for category in undated:
            files[category] = 0
            async for moved in self._redate(category, policy):
                files[category] += moved
                progress(sum(files.values()), preview.files)
        async with self.db.transaction() as session:
            await _require_in_force(session, policy.version, policy)
            await close_redating(session, policy, actor=actor, files=files)
            failpoint("policy.closing")
        return Applied(preview, files)

    @retried
    async def _activate(self, policy: Policy, preview: PolicyPreview, actor: str) -> Sequence[Category] | None:
        """Return the categories to re-date; None if the policy is in force and followed by every file."""
        async with self.db.transaction() as session:
            await _require_in_force(session, preview.in_force_version, policy)
            if policy.version != preview.in_force_version:
                await activate(session, policy, actor=actor)
                await _allow_evictions(session, preview, actor=actor)
                return await list_undated(session)
            return await list_undated(session) or None

    async def _outlast_readers(self) -> None:
        """Wait for every transaction that may still store a file by the rules before.

        Waiting for transaction ids would miss an upload that read the old rules and has no id yet: PostgreSQL gives
        it one with its first write. What outlasts our patience is a backup or a report, for statements of uploads are
        ended earlier than that.
        """
        deadline = time.monotonic() + self.patience.total_seconds()
        waiting_for = await self._readers()
        while waiting_for and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            waiting_for &= await self._readers()

    @retried
    async def _readers(self) -> frozenset[str]:
        async with self.db.transaction() as session:
            return frozenset((await session.execute(_READERS)).scalars())

    async def _redate(self, category: Category, policy: Policy) -> AsyncIterator[int]:
        """Yield how many files of each batch moved."""
        after: UUID | None = FIRST_ID
        while after is not None:
            after, files = await self.db.retry(partial(self._redate_batch, category, policy, after))
            yield files

    @retried
    async def _redate_batch(self, category: Category, policy: Policy, after: UUID) -> tuple[UUID | None, int]:
        """Look at one batch of a category's files; return its last one, None behind the end, and how many moved."""
        dates = dates_of(category, policy.of(category))
        async with self.db.transaction() as session:
            if (await session.execute(_LOCK_RULES, dates)).one_or_none() is None:
                raise PolicySuperseded(policy_version=policy.version)
            last, files = (await session.execute(_REDATE, {**dates, "after": after, "limit": self.batch_size})).one()
            failpoint("policy.redating")
            return last, files


def _require_confirmed(preview: PolicyPreview, confirm: int | None) -> None:
    if preview.needs_confirmation and (confirm is None or confirm < preview.confirm):
        evicted = f" and {preview.evicted_files} be evicted" if preview.evicted_files else ""
        reason = f"{preview.newly_due_files} files would fall due{evicted} at once, an unusual share of a category"
        raise ConfirmationNeeded(confirm=str(preview.confirm), reason=reason)


async def _allow_evictions(session: AsyncSession, preview: PolicyPreview, *, actor: str) -> None:
    """Let the breaker of evictions know what was confirmed with the policy."""
    for category, impact in preview.categories.items():
        if impact.passes_share:
            finding = PauseFinding(
                cause=PauseCause.MARKS,
                reason=f"policy {preview.policy_version} was confirmed",
                files=impact.evicted_files,
                size_bytes=impact.evicted_bytes,
            )
            await add_confirmation(session, category, finding, by=actor)


async def _require_in_force(session: AsyncSession, version: str, policy: Policy) -> None:
    """Let nobody else change the policy until the transaction ends, after making sure that nobody did."""
    await session.execute(select(Instance.id).with_for_update())
    if (await require_policy(session)).version != version:
        raise PolicySuperseded(policy_version=policy.version)
