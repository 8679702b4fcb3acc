"""Plans: rehearsals that are kept, so that exactly what somebody looked at can be carried out."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.db.ids import find_ids
from media_analysis.deletion.decisions import Decisions
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.strategy import Strategy
from media_analysis.errors import PlanNotFound
from media_analysis.failpoints import failpoint
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.models import Plan, SweepStatus
from media_analysis.retention.plans import queries as plan_queries
from media_analysis.retention.plans.queries import START, PlannedFile
from media_analysis.retention.rehearsal import rehearse
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category

HASH_PAGE: Final = 5_000


@dataclass(frozen=True)
class PlanPage:
    """Some plans, newest first, with how the sweeps that applied them stand, and where the next page begins."""

    plans: Sequence[tuple[Plan, SweepStatus | None]]
    next_before: UUID | None


@dataclass(frozen=True)
class PlanFilePage:
    """Some files of a plan by id, and where the next page begins."""

    files: Sequence[PlannedFile]
    next_after: UUID | None


@dataclass(frozen=True)
class PlanService:
    """Makes plans and shows them."""

    db: Database
    lifetime: timedelta

    @retried
    async def create(self, categories: Sequence[Category], *, actor: str, now: datetime | None = None) -> Plan:
        """Write down what a sweep of these categories would take now, all of it decided on one snapshot.

        Uploads that were given up are no part of plans: nobody was promised anything of them.
        """
        async with self.db.transaction() as session:
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            now = now or (await session.execute(text("SELECT now()"))).scalar_one()
            policy = await require_policy(session)
            plan = Plan(
                id=uuid7(),
                hash="",
                policy_version=policy.version,
                created_at=now,
                created_by=actor,
                expires_at=now + self.lifetime,
                files=0,
                size_bytes=0,
                categories={},
            )
            session.add(plan)
            await session.flush()
            plan.categories = await self._write_down(session, plan.id, categories, policy, now)
            plan.files = sum(part["files"] for part in plan.categories.values())
            plan.size_bytes = sum(part["bytes"] for part in plan.categories.values())
            plan.hash = await _hash(session, plan)
            details = {"plan_id": str(plan.id), "hash": plan.hash, "files": plan.files, "bytes": plan.size_bytes}
            await add_events(session, [Act(actor=actor, action=Action.PLANNED, details=details)])
            await session.flush()
            failpoint("plan.making")
        failpoint("plan.made")
        return plan

    async def get(self, plan_id: UUID) -> tuple[Plan, SweepStatus | None]:
        """Return a plan, and how the sweep that applied it stands; anything but completed means in part.

        Raises:
            PlanNotFound: there is none of this id.

        """
        async with self.db.read_only() as session:
            found = await plan_queries.get_plan(session, plan_id)
        if found is None:
            raise PlanNotFound(plan_id)
        return found

    async def find(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of plans that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            return await find_ids(session, Plan.id, digits, limit=limit)

    async def list(self, *, before: UUID | None, limit: int) -> PlanPage:
        """Return one page of plans, newest first."""
        async with self.db.read_only() as session:
            plans = await plan_queries.list_plans(session, before=before, limit=limit + 1)
        more = len(plans) > limit
        return PlanPage(plans[:limit], plans[limit - 1][0].id if more else None)

    async def list_files(self, plan_id: UUID, *, after: UUID | None, limit: int) -> PlanFilePage:
        """Return one page of the files a plan names, in the order of their ids.

        Raises:
            PlanNotFound: there is none of this id.

        """
        async with self.db.read_only() as session:
            if await plan_queries.get_plan(session, plan_id) is None:
                raise PlanNotFound(plan_id)
            files = await plan_queries.list_files(session, plan_id, after=after or START, limit=limit + 1)
        more = len(files) > limit
        return PlanFilePage(files[:limit], files[limit - 1].id if more else None)

    async def _write_down(
        self, session: AsyncSession, plan_id: UUID, categories: Sequence[Category], policy: Policy, now: datetime
    ) -> dict[str, dict[str, int]]:
        sums: dict[str, Counter[str]] = {category.value: Counter(files=0, bytes=0) for category in categories}
        # With or without trash, the same files go.
        async for category, decided in rehearse(session, categories, policy, now=now, strategy=Strategy()):
            planned = _planned(decided)
            await plan_queries.add_files(session, plan_id, {file_id: rule for file_id, (rule, _) in planned.items()})
            size_bytes = sum(file.size_bytes for _, file in planned.values())
            sums[category.value].update(files=len(planned), bytes=size_bytes)
        return {name: dict(part) for name, part in sums.items()}


def _planned(decided: Decisions) -> Mapping[UUID, tuple[RetentionRule, DueFile]]:
    """Return what goes, be it into the trash or for good, but for uploads that were given up."""
    return {
        file.id: (rule, file)
        for files_by_rule in (decided.deleted, decided.trashed)
        for rule, files in files_by_rule.items()
        if rule is not RetentionRule.UPLOAD_ABANDONED
        for file in files
    }


async def _hash(session: AsyncSession, plan: Plan) -> str:
    """Return the SHA-256 over the policy's version and a line for every file, sorted by id."""
    digest = hashlib.sha256(f"{plan.policy_version}\n".encode())
    after = START
    while files := await plan_queries.list_files(session, plan.id, after=after, limit=HASH_PAGE):
        digest.update("".join(file.line for file in files).encode())
        after = files[-1].id
    return digest.hexdigest()
