"""What a sweep would take, decided as it would decide, in a transaction that cannot write."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.retention.due import Position, list_due
from media_analysis.retention.policy import Policy
from media_analysis.retention.sorting import Sorted, sort_out
from media_analysis.retention.strategy import Strategy
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
) -> AsyncIterator[tuple[Category, Sorted]]:
    """Yield page by page what goes and what stays of all that is due; on one snapshot if the session has one."""
    for category in categories:
        after: Position | None = None
        trash = strategy.kept_when_swept(category) is not None
        while due := await list_due(session, category, now=now, after=after, limit=PAGE, only_pending=only_pending):
            yield category, sort_out(due, policy.of(category), now, trash=trash)
            after = due[-1].position
