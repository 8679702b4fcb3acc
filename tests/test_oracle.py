"""The oracle turns red for every promise somebody breaks by hand."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import chunks, execute
from tests.disks import disk_of
from tests.files.conftest import registration
from tests.oracle import inspect_everything

UPLOAD = Upload(owner="alice", category=Category.UPLOADS, filename="a", idempotency_key="once")


@dataclass(frozen=True)
class Planted:
    """A world without a fault: one file stored, one deleted, one on its way."""

    database: str
    root: Path
    stored: MediaFile
    deleted: MediaFile

    @property
    def path(self) -> Path:
        return self.root / self.stored.key

    async def violations(self) -> list[str]:
        acknowledged = {
            str(file.id): file.sha256.hex() for file in (self.stored, self.deleted) if file.sha256 is not None
        }
        return await inspect_everything(self.database, self.root, acknowledged=acknowledged)


async def _plant(runtime: Runtime, database: str) -> Planted:
    stored = await runtime.files.uploads.store_file(UPLOAD, chunks(b"stored"))
    deleted = await runtime.files.uploads.store_file(replace(UPLOAD, idempotency_key="twice"), chunks(b"deleted"))
    await delete_file(runtime, deleted.id, owner="alice", actor="alice")
    asked = registration(reserved_bytes=9)
    await runtime.upload_transactions.register(asked)
    (await runtime.upload_transactions.create(asked)).close()
    return Planted(database, disk_of(runtime.store).root, stored, deleted)


@pytest.fixture
async def planted(settings: Settings, database: str) -> AsyncIterator[Planted]:
    async with open_runtime(settings, database) as runtime:
        yield await _plant(runtime, database)


async def test_a_world_without_a_fault_has_no_violation(planted: Planted) -> None:
    assert await planted.violations() == []


@pytest.mark.parametrize(
    ("promise", "statement"),
    [
        (1, "UPDATE media_files SET state = 'archived' WHERE state = 'stored'"),
        (1, "UPDATE media_files SET sha256 = '\\x00' WHERE state = 'stored'"),
        (2, "DELETE FROM media_files WHERE state = 'pending'"),
        (3, "UPDATE media_files SET size_bytes = size_bytes + 1 WHERE state = 'stored'"),
        (3, "UPDATE media_files SET sha256 = '\\x00' WHERE state = 'stored'"),
        (3, "UPDATE media_files SET key = 'clips/nowhere.bin' WHERE state = 'stored'"),
        (4, "UPDATE media_files SET due_at = NULL WHERE state = 'pending'"),
        (5, "UPDATE tombstones SET held_until = deleted_at + interval '1 microsecond'"),
        (5, "UPDATE tombstones SET rule = 'category_lifetime', due_at = NULL"),
        (5, "UPDATE tombstones SET rule = 'explicit_expiry', due_at = deleted_at + interval '1 microsecond'"),
        (5, "UPDATE tombstones SET rule = 'upload_abandoned', due_at = NULL"),
        (5, "UPDATE tombstones SET job_held_until = deleted_at + interval '1 microsecond'"),
        (5, "UPDATE tombstones SET min_retain_until = deleted_at + interval '1 microsecond'"),
        (5, "UPDATE tombstones SET leased_until = deleted_at + interval '1 microsecond'"),
        (5, "UPDATE tombstones SET rule = 'category_lifetime', due_at = deleted_at, expires_at = NULL"),
        (5, "UPDATE tombstones SET rule = 'pressure'"),
        (5, "UPDATE tombstones SET rule = 'hold'"),
        (5, "UPDATE media_files SET state = 'trashed' WHERE state = 'stored'"),
        (5, "UPDATE media_files SET trash_reason = 'left behind' WHERE state = 'stored'"),
        (6, "UPDATE tombstones SET id = (SELECT id FROM media_files WHERE state = 'stored')"),
        (7, "DELETE FROM tombstones"),
        (7, "DELETE FROM media_files WHERE state = 'stored'"),
        (8, "DELETE FROM purges"),
        (8, "UPDATE purges SET confirmed_at = NULL, due_at = NULL"),
        (8, "UPDATE purges SET tombstone_ids = ARRAY[id]"),
        (15, "UPDATE ledger SET files = files + 1"),
        (15, "UPDATE ledger SET size_bytes = size_bytes + 1"),
        (15, "UPDATE ledger SET reserved_bytes = reserved_bytes - 1"),
        (15, "UPDATE ledger SET category = 'clips'"),
        (15, "DELETE FROM ledger"),
        (15, "UPDATE ledger SET trashed_files = trashed_files + 1"),
        (15, "UPDATE ledger SET trashed_bytes = trashed_bytes + 1"),
        (15, "UPDATE category_usage SET size_bytes = size_bytes + 1 WHERE category = 'uploads'"),
        (15, "UPDATE category_usage SET size_bytes = 1 WHERE category = 'clips'"),
        (15, "UPDATE due_days SET files = files + 1"),
        (15, "UPDATE due_days SET size_bytes = size_bytes - 1"),
        (15, "UPDATE due_days SET due_on = due_on + 1"),
        (15, "DELETE FROM due_days"),
        (16, "UPDATE idempotency_keys SET answer = NULL"),
        (16, "UPDATE media_files SET state = 'pending', due_at = now() WHERE state = 'stored'"),
    ],
)
async def test_a_promise_broken_in_the_database_is_seen(planted: Planted, promise: int, statement: str) -> None:
    await execute(planted.database, statement)

    assert _promises(await planted.violations()) >= {promise}


def _lose(world: Planted) -> None:
    world.path.unlink()


def _shorten(world: Planted) -> None:
    world.path.write_bytes(b"store")


def _flip(world: Planted) -> None:
    world.path.write_bytes(b"sTored")


def _link(world: Planted) -> None:
    os.link(world.path, world.root.parent / "second name")


def _replace_by_link(world: Planted) -> None:
    world.path.rename(world.root.parent / "elsewhere")
    world.path.symlink_to(world.root.parent / "elsewhere")


def _replace_by_directory(world: Planted) -> None:
    world.path.unlink()
    world.path.mkdir()


@pytest.mark.parametrize("breach", [_lose, _shorten, _flip, _link, _replace_by_link, _replace_by_directory])
async def test_bytes_that_are_not_what_their_row_says_are_seen(
    planted: Planted, breach: Callable[[Planted], None]
) -> None:
    breach(planted)

    assert _promises(await planted.violations()) == {3}


def _add_file(world: Planted) -> None:
    (world.path.parent / "stray.part").touch()


def _add_marker_elsewhere(world: Planted) -> None:
    (world.path.parent / ".media-analysis").touch()


def _add_link_to_directory(world: Planted) -> None:
    (world.root / "clips/elsewhere").symlink_to(world.root.parent)


def _bring_back(world: Planted) -> None:
    (world.root / world.deleted.key).write_bytes(b"deleted")


@pytest.mark.parametrize("breach", [_add_file, _add_marker_elsewhere, _add_link_to_directory, _bring_back])
async def test_objects_nobody_knows_are_seen(planted: Planted, breach: Callable[[Planted], None]) -> None:
    breach(planted)

    assert _promises(await planted.violations()) == {2}


async def test_an_object_whose_deletion_is_under_way_is_known(planted: Planted) -> None:
    _bring_back(planted)
    await execute(
        planted.database,
        f"UPDATE purges SET tombstone_ids = ARRAY['{planted.deleted.id}'::uuid], confirmed_at = NULL, due_at = now()",
    )

    assert await planted.violations() == []


async def test_an_acknowledged_file_with_other_bytes_than_promised_is_seen(planted: Planted) -> None:
    promised = hashlib.sha256(b"what was sent").hexdigest()

    violations = await inspect_everything(
        planted.database, planted.root, acknowledged={str(planted.stored.id): promised}
    )

    assert _promises(violations) == {1}


def _promises(violations: list[str]) -> set[int]:
    return {int(violation.removeprefix("promise ").partition(":")[0]) for violation in violations}
