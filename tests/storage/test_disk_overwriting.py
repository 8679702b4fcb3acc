"""Secure deletion: the bytes are written over before they are unlinked, and the tombstone says what was done."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE
from media_analysis.runtime import Runtime
from media_analysis.storage.overwriting import CHUNK_BYTES, overwrite_all
from tests.conftest import Client, execute, fetch
from tests.crash.service import served
from tests.disks import disk_of
from tests.oracle import inspect_everything

SECRET = b"what nobody may read again" * 50_000
URL = "/api/v1/files"


async def object_of(database: str, root: Path, file_id: str) -> Path:
    (row,) = await fetch(database, f"SELECT key FROM media_files WHERE id = '{file_id}'")
    return root / str(row["key"])


async def stone(database: str) -> dict[str, Any]:
    (row,) = await fetch(database, "SELECT method::text, reason, purged_at, deleted_at, rule::text FROM tombstones")
    return dict(row)


def test_every_byte_is_written_over_in_place(tmp_path: Path) -> None:
    contents = {"empty": b"", "small": b"x" * 10, "large": b"y" * (2 * CHUNK_BYTES + 1)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    failed = overwrite_all(tmp_path, [*contents, "absent"])

    assert failed == {}
    for name, content in contents.items():
        now = (tmp_path / name).read_bytes()
        assert len(now) == len(content)
        assert not content or now != content
        assert content[:16] not in now or not content


def test_what_cannot_be_written_over_is_told_and_no_link_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(SECRET)
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "folder").mkdir()

    failed = overwrite_all(tmp_path, ["link", "folder"])

    assert failed == {"link": "ELOOP", "folder": "EISDIR"}
    assert elsewhere.read_bytes() == SECRET


@pytest.mark.parametrize("secure", [True, False])
async def test_the_bytes_that_somebody_still_holds_open_are_others(
    client: Client, runtime: Runtime, database: str, *, secure: bool
) -> None:
    file = await client.upload(SECRET)
    path = await object_of(database, disk_of(runtime.store).root, file["id"])
    asked = {"secure": "true", "reason": "asked to forget"} if secure else {"strategy": "hard"}

    with path.open("rb") as held:
        answer = await client.request("DELETE", f"{URL}/{file['id']}", by="admin", params=asked)
        left = held.read()

    said = await stone(database)
    assert answer.status_code == 204
    assert not path.exists()
    assert len(left) == len(SECRET)
    assert (left == SECRET) is not secure
    assert (SECRET[:32] in left) is not secure
    assert said["method"] == ("overwrite_best_effort" if secure else "unlink")
    assert (said["purged_at"] is not None) is secure
    assert said["reason"] == asked.get("reason")


async def test_an_object_that_cannot_be_written_over_stays_on_the_outbox_and_says_no_more_than_that(
    client: Client, runtime: Runtime, database: str
) -> None:
    file = await client.upload(SECRET)
    path = await object_of(database, disk_of(runtime.store).root, file["id"])
    path.rename(path.with_suffix(".away"))
    path.mkdir()

    answer = await client.request("DELETE", f"{URL}/{file['id']}", by="admin", params={"secure": "true"})
    (waiting,) = await fetch(database, "SELECT secure, last_error FROM purges WHERE confirmed_at IS NULL")
    before = await stone(database)
    path.rmdir()
    path.with_suffix(".away").rename(path)
    await execute(database, "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
    with path.open("rb") as held:
        await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
        left = held.read()

    assert (answer.status_code, answer.json()["pending"]) == (200, True)
    assert tuple(waiting) == (True, "EISDIR")
    assert before["purged_at"] is None
    assert left != SECRET
    assert (await stone(database))["purged_at"] is not None


@pytest.mark.crash
async def test_a_crash_between_the_overwriting_and_the_unlink_is_repeated(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    store, quiet = tmp_path / "var" / "store", {"STORAGE_CLEANUP_ENABLED": "false"}

    async with served(environment, **quiet, **{KILL_VARIABLE: "delete.overwritten:1"}) as service:
        assert service.http is not None
        answer = await service.http.post("/files", params={"category": "uploads", "filename": "a"}, content=SECRET)
        path = await object_of(database, store, answer.json()["id"])
        with pytest.raises(httpx.TransportError):
            await service.http.delete(f"/files/{answer.json()['id']}", params={"secure": "true"})
        await service.wait_for_death()
    left, violations = path.read_bytes(), await inspect_everything(database, store)
    before = await stone(database)
    await execute(database, "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
    async with served(environment, **quiet) as service:
        assert service.http is not None
        await service.http.post("/storage/cleanup", params={"dry_run": "false"})

    assert violations == []
    assert len(left) == len(SECRET)
    assert left != SECRET
    assert (before["method"], before["purged_at"]) == ("overwrite_best_effort", None)
    assert not path.exists()
    assert (await stone(database))["purged_at"] is not None
    assert await inspect_everything(database, store) == []


def test_a_pipe_in_an_objects_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert overwrite_all(tmp_path, ["pipe"]) == {}
