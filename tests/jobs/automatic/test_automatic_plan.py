"""What is to run by itself is claimed along an index: what is read grows with owners, not with what waits (law 7)."""

import asyncpg
import pytest

from media_analysis.jobs.automatic.starting import CLAIM, MOST, MOST_OF_ONE
from media_analysis.records.kinds import KINDS
from tests.plans import planned

ROWS = 20_000
OWNERS = 5
FILL = f"""
    INSERT INTO upload_analyses (file_id, kind, owner, job_id, due_at, ended_at)
    SELECT uuidv7(), 'probe', CASE WHEN number % {ROWS // OWNERS} = 0 THEN 'o' || number ELSE 'many' END, uuidv7(),
        CASE WHEN number % 2 = 0 THEN now() END, CASE WHEN number % 2 = 1 THEN now() END
    FROM generate_series(1, {ROWS}) AS number
"""
ASKED = {"each": MOST_OF_ONE, "most": MOST, "lease_seconds": 60, "longest": "'1 day'"}


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_claim_reads_the_first_few_of_each_owner(database: str, *, analyzed: bool) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(FILL)
        if analyzed:
            await connection.execute("ANALYZE upload_analyses")
        statement = CLAIM.text
        for name, value in ASKED.items():
            statement = statement.replace(f":{name}", str(value))

        plan = await planned(connection, statement, [], [], plans="custom")
    finally:
        await connection.close()

    assert "ix_upload_analyses_due" in plan.indexes
    assert "upload_analyses" not in plan.read_whole
    assert plan.rows_read < 20 * MOST_OF_ONE * (OWNERS + 1)


def test_what_was_decided_and_what_nobody_looks_at_any_more_has_an_end() -> None:
    (kind,) = (kind for kind in KINDS if kind.name == "upload_analyses")

    assert (kind.table, kind.life) == ("upload_analyses", "upload_analyses")
    assert "coalesce(ended_at, created_at) <" in kind.ending.text
