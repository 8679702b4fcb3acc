"""One copy mended from the other, whichever is damaged."""

from pathlib import Path

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.replication.loop import work
from media_analysis.runtime import Runtime
from tests.conftest import Client, StoreFile, execute, fetch
from tests.disks import disk_of
from tests.replication.conftest import Settle, replication_of
from tests.replication.test_copying import LARGE, lying


def first(runtime: Runtime, file: MediaFile) -> Path:
    """Return where a file's primary lies."""
    return disk_of(replication_of(runtime).store.primary).path_of(file.key)


@pytest.mark.parametrize(
    ("content", "damage"),
    [(b"small", "missing"), (LARGE, "flipped"), (b"small", "cut")],
    ids=["missing", "flipped", "cut"],
)
async def test_a_scrub_has_the_primary_mended_from_the_replica_and_says_so(
    runtime: Runtime, store_file: StoreFile, settle: Settle, database: str, content: bytes, damage: str
) -> None:
    file = await store_file(content)
    await settle()
    path = first(runtime, file)
    match damage:
        case "missing":
            path.unlink()
        case "flipped":
            path.write_bytes(b"X" + content[1:])
        case _:
            path.write_bytes(content[:-1])

    assert (await runtime.scrub.run()).problems == 1
    await settle()

    assert path.read_bytes() == content
    (row,) = await fetch(database, "SELECT last_error FROM media_files")
    assert row["last_error"] is None
    query = "SELECT action, actor, reason, details::text FROM audit_events WHERE file_id = $1 ORDER BY id"
    acts = await fetch(database, query, file.id)
    assert [(act["action"], act["actor"]) for act in acts] == [("damaged", "scrub"), ("healed", "replication")]
    assert acts[1]["reason"] == acts[0]["reason"]
    assert replication_of(runtime).store.replica.address in acts[1]["details"]
    set_aside = [
        path
        for path in (disk_of(replication_of(runtime).store.primary).root / ".quarantine").rglob("*")
        if path.is_file()
    ]
    assert len(set_aside) == (damage != "missing")


async def test_a_reader_who_finds_an_object_missing_has_it_mended(
    runtime: Runtime, client: Client, settle: Settle, database: str
) -> None:
    made = await client.upload(b"bytes")
    await settle()
    (key,) = (row["key"] for row in await fetch(database, "SELECT key FROM media_files"))
    disk_of(replication_of(runtime).store.primary).path_of(key).unlink()

    assert (await client.request("GET", f"/api/v1/files/{made['id']}/content")).status_code >= 500
    await settle()

    assert (await client.request("GET", f"/api/v1/files/{made['id']}/content")).content == b"bytes"


@pytest.mark.parametrize("damage", ["missing", "flipped"])
async def test_a_scrub_finds_a_replica_that_is_damaged_and_has_it_made_anew(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path, damage: str
) -> None:
    file = await store_file(b"bytes")
    await settle()
    if damage == "missing":
        (second / file.key).unlink()
    else:
        (second / file.key).write_bytes(b"Bytes")

    assert (await runtime.scrub.run()).problems == 0
    await settle()

    assert (second / file.key).read_bytes() == b"bytes"


async def test_damaged_bytes_never_become_a_copy_and_are_mended_from_one_that_is_found(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path, database: str
) -> None:
    copied, lost = await store_file(b"copied"), await store_file(LARGE)
    await settle()
    await execute(database, "UPDATE replicas SET copied_at = NULL, due_at = now()")
    (second / lost.key).unlink()
    first(runtime, copied).write_bytes(b"Copied")
    first(runtime, lost).write_bytes(b"x" + LARGE[1:])

    while await work(replication_of(runtime)):
        pass
    await replication_of(runtime).replicas.run(is_large=False)

    assert first(runtime, copied).read_bytes() == b"copied"
    assert copied.key in lying(second)
    assert lost.key not in lying(second)
    (row,) = await fetch(database, "SELECT last_error, due_at > now() AS waits FROM replicas WHERE due_at IS NOT NULL")
    assert (row["last_error"], row["waits"]) == ("the primary: hash differs", True)
    # For the oracle of this test, which holds that no object is damaged.
    first(runtime, lost).write_bytes(LARGE)


async def test_what_is_whole_nowhere_is_not_touched(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path, database: str
) -> None:
    file = await store_file(b"bytes")
    await settle()
    first(runtime, file).write_bytes(b"Bytes")
    await runtime.scrub.run()
    (second / file.key).write_bytes(b"bYtes")

    for _ in range(2):
        await replication_of(runtime).replicas.heal_damaged()
        await replication_of(runtime).replicas.run(is_large=False)

    assert (first(runtime, file).read_bytes(), (second / file.key).read_bytes()) == (b"Bytes", b"bYtes")
    first(runtime, file).write_bytes(b"bytes")


async def test_a_file_that_is_deleted_while_it_is_mended_is_gone_in_both(
    runtime: Runtime, client: Client, settle: Settle, second: Path, database: str
) -> None:
    made = await client.upload(b"bytes")
    await settle()
    (key,) = (row["key"] for row in await fetch(database, "SELECT key FROM media_files"))
    await execute(database, "UPDATE replicas SET heals = true, due_at = now()")
    assert (await client.request("DELETE", f"/api/v1/files/{made['id']}")).status_code == 204
    path = disk_of(replication_of(runtime).store.primary).path_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"bytes")  # by a process that was killed before it could see that

    await replication_of(runtime).replicas.run(is_large=False)

    assert not path.exists()
    assert lying(second) == {}
    assert await fetch(database, "SELECT * FROM replicas") == []


async def test_a_file_damaged_on_both_sides_comes_back_from_whichever_is_whole_first(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path, database: str
) -> None:
    file = await store_file(b"whole")
    await settle()
    first(runtime, file).write_bytes(b"WHOLE")
    (second / file.key).write_bytes(b"WhOlE")
    await execute(database, "UPDATE media_files SET last_error = 'hash differs'")
    await work(replication_of(runtime))
    (told,) = await fetch(database, "SELECT last_error, copied_at FROM replicas")
    assert "neither primary nor replica is whole" in told["last_error"]
    assert first(runtime, file).read_bytes() == b"WHOLE"

    (second / file.key).write_bytes(b"whole")
    await execute(database, "UPDATE replicas SET due_at = now()")
    await work(replication_of(runtime))
    await execute(database, "UPDATE replicas SET due_at = now()")
    await settle()

    assert first(runtime, file).read_bytes() == b"whole"
    assert (await fetch(database, "SELECT last_error FROM media_files"))[0][0] is None
