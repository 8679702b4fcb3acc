"""Storage by where it is in its life: active, in archives, or in the trash, for one owner and for all."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event

from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.archive.archived import CONTENTS, Run, archive, make_run, restore
from tests.conftest import Client, execute, fetch
from tests.retention.test_claim_plan import _FILL as _FILES
from tests.retention.test_claim_plan import nodes

URL = "/api/v1/storage/stats"
SOURCE = b"a film"
RUN_BYTES = sum(map(len, CONTENTS.values()))
NOTHING = {"files": 0, "size_bytes": 0}
NO_ARCHIVE = {**NOTHING, "originals": NOTHING}
_FILL = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
        completed_at, archived_at)
    SELECT gen_random_uuid(), 'owner-' || n % 10, 'n', 'probe', 'completed', 1, 0, 1, 'run-' || n, 'outputs', now(),
        CASE WHEN n % 10 = 0 THEN now() END
    FROM generate_series(1, 5000) AS n
"""
_PACK = """
    INSERT INTO archived_files (file_id, archive_id, job_id, owner, name, category, filename, media_type, size_bytes,
        sha256, created_at, stored_at, expiry_explicit, frame_offset, skip_bytes)
    SELECT gen_random_uuid(), job.id, job.id, job.owner, 'f' || n, 'frames', 'f', 'image/jpeg', n, '', now(), now(),
        false, 0, 0
    FROM analysis_jobs AS job, generate_series(1, 20) AS n WHERE job.archived_at IS NOT NULL
"""


async def lives(client: Client, *, by: str = "alice") -> dict[str, Any]:
    answer = await client.request("GET", URL, by=by)
    assert answer.status_code == 200, answer.text
    return {name: answer.json()[name] for name in ("active", "archived", "trashed", "used_bytes")}


async def archive_bytes(database: str, run: Run) -> int:
    query = "SELECT size_bytes FROM media_files WHERE role = 'archive' AND job_id = $1"
    return sum([row["size_bytes"] for row in await fetch(database, query, run.id)])


async def test_all_is_active_until_a_run_is_archived(client: Client, runtime: Runtime) -> None:
    await make_run(runtime)

    told = await lives(client)

    assert told["active"] == {"files": len(CONTENTS) + 1, "size_bytes": RUN_BYTES + len(SOURCE)}
    assert (told["archived"], told["trashed"]) == (NO_ARCHIVE, NOTHING)


async def test_an_archive_is_told_with_what_it_holds(client: Client, runtime: Runtime, database: str) -> None:
    run, other = await make_run(runtime), await make_run(runtime, owner="bob")
    await archive(runtime, run.id)
    size_bytes = await archive_bytes(database, run)

    own, bobs, everybodys = [await lives(client, by=by) for by in ("alice", "bob", "admin")]

    originals = {"files": len(CONTENTS), "size_bytes": RUN_BYTES}
    assert own["archived"] == {"files": 1, "size_bytes": size_bytes, "originals": originals}
    assert own["active"] == {"files": 1, "size_bytes": len(SOURCE)}
    assert size_bytes < RUN_BYTES
    assert bobs["archived"] == NO_ARCHIVE
    assert bobs["active"] == {"files": len(other.files) + 1, "size_bytes": RUN_BYTES + len(SOURCE)}
    assert everybodys["archived"] == own["archived"]
    for told in (own, bobs, everybodys):
        parts = (told["active"], told["archived"], told["trashed"])
        assert sum(part["size_bytes"] for part in parts) == told["used_bytes"]


async def test_a_restored_run_is_active_beside_the_archive_it_keeps(
    client: Client, runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)

    told = await lives(client)

    assert told["active"] == {"files": len(CONTENTS) + 1, "size_bytes": RUN_BYTES + len(SOURCE)}
    assert told["archived"] == {"files": 1, "size_bytes": await archive_bytes(database, run), "originals": NOTHING}


async def test_what_a_client_uploads_as_an_archive_is_active(client: Client) -> None:
    await client.upload(b"a tarball", category="archives")

    told = await lives(client)

    assert (told["active"], told["archived"]) == ({"files": 1, "size_bytes": 9}, NO_ARCHIVE)


class TestTrash:
    """A service that deletes by way of the trash."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft"}

    async def test_the_trash_is_neither_active_nor_archived(
        self, client: Client, runtime: Runtime, database: str
    ) -> None:
        run = await make_run(runtime)
        await archive(runtime, run.id)
        size_bytes = await archive_bytes(database, run)
        file = await client.upload(b"12345")
        await client.request("DELETE", f"/api/v1/files/{file['id']}")
        await client.request("DELETE", f"/api/v1/jobs/{run.id}")

        told = await lives(client)

        assert told["trashed"] == {"files": 2, "size_bytes": 5 + size_bytes}
        assert told["archived"] == NO_ARCHIVE
        assert told["active"] == {"files": 1, "size_bytes": len(SOURCE)}


class TestPlan:
    """Many archived runs, without objects, hence without the oracle."""

    @pytest.fixture
    async def runtime(self, settings: Settings, database: str) -> AsyncIterator[Runtime]:
        async with open_runtime(settings, database) as opened:
            yield opened

    @pytest.mark.parametrize("owner", [None, "owner-0"])
    async def test_lives_are_summed_from_indexes_of_archives_and_never_by_reading_all_files(
        self, runtime: Runtime, database: str, owner: str | None
    ) -> None:
        await execute(database, _FILL, _PACK, _FILES.format(rows=10_000, due=100))
        tables = ("analysis_jobs", "archived_files", "media_files")
        # Indexes keep the pages of all that earlier tests planted, until reading the table seems cheaper.
        await execute(database, *(f"VACUUM ANALYZE {table}" for table in tables))
        await execute(database, *(f"REINDEX TABLE {table}" for table in tables))
        asked: list[tuple[str, Any]] = []

        def note(_connection: object, _cursor: object, statement: str, values: Any, *_rest: object) -> None:
            asked.append((statement, values))

        event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
        told = await runtime.retention.status.lives(owner=owner)
        event.remove(runtime.db.engine.sync_engine, "before_cursor_execute", note)
        plans: list[dict[str, Any]] = []
        async with runtime.db.engine.connect() as connection:
            for statement, values in asked:
                plan = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)).scalar_one()
                plans += nodes(plan[0]["Plan"])

        assert told.originals.files == 10_000
        scanned = {node["Relation Name"] for node in plans if node["Node Type"] == "Seq Scan"}
        assert scanned & {"analysis_jobs", "media_files"} == set()
