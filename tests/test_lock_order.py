"""The recorder of lock orders finds what it is there for."""

import pytest
from sqlalchemy import text

from media_analysis.runtime import Runtime
from tests.conftest import LOCKS
from tests.lock_order import locked_by, violation_of


@pytest.mark.parametrize(
    ("statement", "early", "late"),
    [
        ("SELECT id FROM media_files WHERE id = 1 ORDER BY id FOR UPDATE", ["media_files"], []),
        ("SELECT id FROM purges LIMIT 1 FOR UPDATE SKIP LOCKED", ["?purges"], []),
        ("SELECT 1 FROM a JOIN analysis_jobs AS job ON true FOR SHARE OF job", ["analysis_jobs"], []),
        ("WITH w AS (SELECT id FROM x FOR KEY SHARE) UPDATE y SET a = 1 FROM w", ["x"], []),
        (
            "WITH w AS (UPDATE y SET a = 1 RETURNING b) SELECT 1 FROM q.x JOIN w ON true FOR UPDATE OF x",
            [],
            ["x"],
        ),
        ("UPDATE y SET a = (SELECT 1)", [], []),
        ("SELECT 1 FROM x WHERE a IS NOT DISTINCT FROM CAST(b AS text) FOR UPDATE", ["x"], []),
        ("SELECT pg_advisory_xact_lock(1)", ["advisory"], []),
    ],
)
def test_what_a_statement_locks_is_read_from_it(statement: str, early: list[str], late: list[str]) -> None:
    assert locked_by(statement) == (tuple(early), tuple(late))


@pytest.mark.parametrize(
    ("order", "is_violation"),
    [
        (["analysis_jobs", "media_files", "ledger"], False),
        (["media_files", "analysis_jobs"], True),
        (["media_files", "+analysis_jobs", "analysis_jobs"], False),
        (["media_files", "?analysis_jobs"], False),
        (["?media_files", "analysis_jobs"], True),
        (["+ledger_days", "ledger"], True),
        (["analysis_jobs", "media_files", "analysis_jobs"], False),
        (["unheard_of"], True),
    ],
)
def test_waiting_for_what_comes_before_what_is_held_is_a_violation(order: list[str], *, is_violation: bool) -> None:
    assert (violation_of(order) is not None) is is_violation


async def test_a_transaction_that_changes_the_days_before_the_accounts_is_found(runtime: Runtime) -> None:
    async with runtime.db.transaction() as session:
        await session.execute(text("INSERT INTO ledger_days VALUES (now(), 'uploads', 1, 1)"))
        await session.execute(text("INSERT INTO ledger VALUES ('alice', 'uploads', 0, 0, 0)"))
        await session.execute(text("DELETE FROM ledger_days"))
        await session.execute(text("DELETE FROM ledger"))

    assert [found.partition(":")[0] for found in LOCKS.take_violations()] == ["ledger is locked after ledger_days"]
