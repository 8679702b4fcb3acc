"""A page of the feed is read along the index of its owner, however much others did."""

from media_analysis.feed.events import START, EventSelection
from media_analysis.feed.reading import read_page
from media_analysis.runtime import Runtime
from tests.conftest import execute
from tests.plans import as_new, count_rows_read

ADD = """
    INSERT INTO events (owner, type, file_ids)
    SELECT CASE WHEN n % 1000 = 0 THEN 'quiet' ELSE 'loud' END, 'file.stored', ARRAY[gen_random_uuid()]
    FROM generate_series(1, 20000) AS n
"""


async def test_a_page_of_one_owner_reads_no_events_of_others(runtime: Runtime, database: str) -> None:
    await execute(database, ADD, as_new("events"))
    until = (await runtime.feed.now()).logged
    wanted = EventSelection(owners=frozenset({"quiet"}))

    async with runtime.db.read_only() as session:
        before = await count_rows_read(session)
        page = await read_page(session, wanted, START, until=until, limit=50)
        rows = await count_rows_read(session) - before

    assert len(page.events) == 20
    assert rows < 200
