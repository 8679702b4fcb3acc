"""`migrate`: to the newest schema, as often as one likes, and in words when it cannot."""

from media_analysis.db.migrations import head
from tests.cli.commands import run
from tests.conftest import fetch


async def test_migrating_twice_ends_at_the_newest_schema(empty_database: str) -> None:
    first, second = run("migrate", DATABASE_URL=empty_database), run("migrate", DATABASE_URL=empty_database)
    revision = (await fetch(empty_database, "SELECT version_num FROM alembic_version"))[0][0]

    assert [first.returncode, second.returncode] == [0, 0]
    assert f"the schema is at {head()}" in second.stderr
    assert revision == head()


def test_a_server_that_is_not_there_is_told_in_one_sentence() -> None:
    refused = run("migrate", DATABASE_URL="postgresql://someone:secret@127.0.0.1:1/any")

    assert refused.returncode == 1
    assert refused.stderr.startswith("media-analysis: the database does not answer")
    assert "secret" not in refused.stderr
    assert "Traceback" not in refused.stderr
