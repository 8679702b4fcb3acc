"""What a sweep would take, decided as it would decide, in a transaction that cannot write."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.deletion.decisions import Decisions, decide_each
from media_analysis.deletion.due import DuePosition, list_due
from media_analysis.deletion.strategy import Strategy
from media_analysis.policy.decision import Policy
from media_analysis.storage.category import Category

PAGE: Final = 5_000


async def rehearse(
    session: AsyncSession,
    categories: Sequence[Category],
    policy: Policy,
    *,
    now: datetime,
    strategy: Strategy,
    only_pending: bool = False,
) -> AsyncIterator[tuple[Category, Decisions]]:
    """Yield page by page what goes and what stays of all that is due; on one snapshot if the session has one."""
    for category in categories:
        after: DuePosition | None = None
        trash = strategy.kept_when_swept(category) is not None
        while due := await list_due(session, category, now=now, after=after, limit=PAGE, only_pending=only_pending):
            yield category, decide_each(due, policy.of(category), now, trash=trash)
            after = due[-1].position
