"""`migrate`: to the newest schema, as often as one likes, and in words when it cannot."""

from uuid import uuid4

from media_analysis.db.migrations import head, migrate, revisions
from tests.cli.commands import run
from tests.conftest import execute, fetch


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


async def test_it_goes_back_when_told_to_and_says_first_what_that_loses(empty_database: str) -> None:
    await migrate(empty_database)
    await execute(empty_database, f"INSERT INTO instance (singleton, id) VALUES (true, '{uuid4()}')")

    asked = run("migrate", "--to", "0005", DATABASE_URL=empty_database)
    unknown = run("migrate", "--to", "9999", DATABASE_URL=empty_database)
    before = await fetch(empty_database, "SELECT version_num FROM alembic_version")
    told = run("migrate", "--to", "base", "--yes", DATABASE_URL=empty_database)

    assert (asked.returncode, unknown.returncode, told.returncode) == (1, 1, 0), told.stderr
    assert "lost by going back to 0005: instance.archives_apart (1 row)" in asked.stderr
    assert asked.stderr.splitlines()[-1].endswith("say --yes if it may, after a backup")
    assert ", ".join(revisions()) in unknown.stderr
    assert before[0][0] == head()
    assert "lost by going back to base: instance (1 row)" in told.stderr
    assert "the schema is at base" in told.stderr
    assert await fetch(empty_database, "SELECT * FROM alembic_version") == []
