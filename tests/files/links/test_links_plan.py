"""Links are listed, and counted, along an index, however many others have, and however many have ended."""

from uuid import UUID, uuid4

import pytest

from media_analysis.files.links.statements import get_maker, list_links
from media_analysis.runtime import Runtime
from media_analysis.sessions.models import Role
from tests.api.links import HOUR
from tests.conftest import execute
from tests.plans import as_new, count_rows_read

KEY, FILE = uuid4(), uuid4()
ADD = f"""
    INSERT INTO links (id, kind, owner, key_id, session_id, created_by, file_id, disposition, expires_at, revoked_at)
    SELECT gen_random_uuid(), 'download', CASE WHEN n % 1000 = 0 THEN 'quiet' ELSE 'loud' END, '{KEY}',
        gen_random_uuid(), 'x', CASE WHEN n % 2000 = 0 THEN '{FILE}' ELSE gen_random_uuid() END,
        'attachment', now() + interval '1 hour', CASE WHEN n % 3 = 0 THEN now() END
    FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize(
    ("owner", "file_id", "limit", "found"),
    [
        ("quiet", None, 50, 20),
        ("quiet", FILE, 50, 10),
        (None, FILE, 50, 10),
        ("loud", None, 50, 50),
        (None, None, 50, 50),
    ],
)
async def test_a_page_reads_no_more_than_its_links(
    runtime: Runtime, database: str, owner: str | None, file_id: UUID | None, limit: int, found: int
) -> None:
    await execute(
        database, f"INSERT INTO link_keys (id, secret) VALUES ('{KEY}', '\\x{'00' * 32}')", ADD, as_new("links")
    )

    async with runtime.db.read_only() as session:
        before = await count_rows_read(session)
        links = await list_links(session, owner=owner, file_id=file_id, before=None, limit=limit)
        rows = await count_rows_read(session) - before

    assert len(links) == found
    assert rows <= 4 * limit


async def test_good_links_are_counted_up_to_what_an_owner_may_have(runtime: Runtime, database: str) -> None:
    await execute(
        database, f"INSERT INTO link_keys (id, secret) VALUES ('{KEY}', '\\x{'00' * 32}')", ADD, as_new("links")
    )
    made, _ = await runtime.sessions.create(owner="loud", role=Role.USER, ttl=HOUR)

    async with runtime.db.read_only() as session:
        few = await get_maker(session, made.id, owner="quiet", most=10_000)
        many = await get_maker(session, made.id, owner="loud", most=100)

    assert few.living == 14
    assert many.living == 100
