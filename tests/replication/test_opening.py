"""Where replicas may lie, and starting with them when the primary store is lost."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.errors import InvalidSettings, ObjectMissing, StoreUnavailable
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.replication import claiming
from media_analysis.replication.loop import work
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from media_analysis.storage.marker import adopt_store
from tests.asking import delete_file
from tests.conftest import execute, fetch, storing
from tests.disks import disk_of
from tests.replication.conftest import replication_of, settled
from tests.replication.test_copying import lying, unmount

Open = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture
def opened(environment: dict[str, str], database: str) -> Open:
    """Opens the services with variables beside the usual ones; None takes one away."""

    def opening(*, serves: bool = True, **variables: str | None) -> AbstractAsyncContextManager[Runtime]:
        told = {name: value for name, value in (environment | variables).items() if value is not None}
        return open_runtime(load_settings(environ=told).settings, database, serves=serves)

    return opening


async def test_with_the_primary_store_lost_the_service_starts_on_the_replica_and_nothing_copied_is_missing(
    opened: Open, database: str, second: Path, tmp_path: Path
) -> None:
    archives = (tmp_path / "archives").as_uri()
    async with opened(ARCHIVE_URL=archives) as runtime:
        store = storing(runtime)
        kept = [await store(b"kept"), await store(b"an archive", category=Category.ARCHIVES)]
        await settled(runtime, database)
        late = [await store(b"never copied"), await store(b"nor this", category=Category.ARCHIVES)]

    async with opened(STORAGE_URL=second.as_uri(), STORAGE_REPLICA_URL=None) as runtime:
        assert [await runtime.store.read(file.key, size_bytes=file.size_bytes or 0) for file in kept] == [
            b"kept",
            b"an archive",
        ]
        for file in late:
            with pytest.raises(ObjectMissing):
                await runtime.store.read(file.key, size_bytes=file.size_bytes or 0)
        report = await VerifyService(runtime.db, runtime.store).run(VerifyRequest(actor="test"))
        assert {finding.file_id for finding in report.findings} == {file.id for file in late}
        new = await storing(runtime)(b"since then")
    assert await fetch(database, "SELECT * FROM replica_places") == []

    back = (tmp_path / "var" / "store").as_uri()
    async with opened(STORAGE_URL=second.as_uri(), STORAGE_REPLICA_URL=back) as runtime:
        await settled(runtime, database, lost=1)
        assert lying(tmp_path / "var" / "store").keys() >= {file.key for file in (*kept, late[0], new)}
        assert await runtime.store.read(late[0].key, size_bytes=12) == b"never copied"


@pytest.mark.parametrize(
    ("replica", "reason"),
    [
        ("var/store", "the store itself: a replica needs a second place"),
        ("var/store/below", "inside the store"),
        ("var", "lies inside it"),
    ],
)
def test_a_replica_needs_a_second_place(environment: dict[str, str], tmp_path: Path, replica: str, reason: str) -> None:
    with pytest.raises(InvalidSettings, match=reason):
        load_settings(environ=environment | {"STORAGE_REPLICA_URL": (tmp_path / replica).as_uri()})


@contextmanager
def mounted_at(place: Path, root: Path) -> Iterator[None]:
    """Have a directory at another place as well."""
    place.mkdir()
    if subprocess.run(["mount", "--bind", root, place], check=False, capture_output=True).returncode:
        pytest.skip("nobody but root mounts")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


async def test_the_store_is_no_second_place_where_it_is_mounted_once_more(opened: Open, second: Path) -> None:
    async with opened(STORAGE_REPLICA_URL=None) as runtime:
        store = disk_of(runtime.store).root

    with mounted_at(second, store), pytest.raises(InvalidSettings, match="by another name the same place"):
        async with opened():
            pass

    async with opened(STORAGE_REPLICA_URL=None) as runtime:
        assert runtime.replication is None


async def test_what_is_another_database_s_or_holds_what_nobody_knows_is_refused(opened: Open, second: Path) -> None:
    (second.with_name("other")).mkdir()
    adopt_store(second.with_name("other"), uuid4(), fresh_database=True)
    fill(second)

    with pytest.raises(InvalidSettings, match="is not empty and carries no marker"):
        async with opened():
            pass
    with pytest.raises(InvalidSettings, match="names another database"):
        async with opened(STORAGE_REPLICA_URL=second.with_name("other").as_uri()):
            pass


def fill(root: Path) -> None:
    root.mkdir()
    (root / "a file").write_bytes(b"of somebody")


async def test_nobody_deletes_from_the_primaries_alone_by_leaving_out_where_the_replicas_are(
    opened: Open, second: Path
) -> None:
    async with opened():
        pass

    for serves, elsewhere in ((True, None), (False, None), (False, second.with_name("else").as_uri())):
        with pytest.raises(InvalidSettings, match=r"STORAGE_REPLICA_URL does not name it.*replica end"):
            async with opened(serves=serves, STORAGE_REPLICA_URL=elsewhere):
                pass
    async with opened() as runtime:
        await replication_of(runtime).places.end()
    async with opened(STORAGE_REPLICA_URL=None) as runtime:
        assert runtime.replication is None


async def test_a_place_that_lost_its_marker_is_away_and_not_new(opened: Open, second: Path, database: str) -> None:
    async with opened() as runtime:
        await storing(runtime)(b"copied")
        await settled(runtime, database)
    unmount(second)

    async with opened() as runtime:
        with pytest.raises(StoreUnavailable, match=r"is the volume mounted\? .*replica repair --new"):
            await replication_of(runtime).replicas.run(is_large=False)
        await storing(runtime)(b"comes in all the same")
        firing = await runtime.alerts.check()

    assert "alert:replica_away:replica" in firing
    assert lying(second) == {}
    assert [row[0] for row in await fetch(database, "SELECT count(*) FROM replicas WHERE copied_at IS NOT NULL")] == [1]


async def test_a_process_that_names_the_place_before_neither_copies_nor_deletes_once_another_is_in_force(
    opened: Open, database: str, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.storage.replicated.RECENT_SECONDS", 0.0)
    third = tmp_path / "third"
    async with opened() as before:
        file = await storing(before)(b"copied")
        await settled(before, database)
        async with opened(STORAGE_REPLICA_URL=third.as_uri()) as after:
            await settled(after, database)
            with pytest.raises(StoreUnavailable, match=r"lie at .*/third by now"):
                await work(replication_of(before))
            late = await storing(before)(b"late")
            await delete_file(before, file.id, owner="alice", actor="alice")
            (purge,) = await fetch(database, "SELECT last_error FROM purges WHERE due_at IS NOT NULL")
            await execute(database, "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
            await after.deletion.deleter.finish_entries()
            await settled(after, database)

    assert "/third by now" in purge["last_error"]
    assert late.key not in lying(second)
    assert lying(third).keys() == {late.key}


async def test_a_copy_that_was_made_at_the_place_before_does_not_count_at_the_one_in_force(
    opened: Open, database: str, tmp_path: Path
) -> None:
    async with opened() as before:
        await storing(before)(b"copied")
        services = replication_of(before)
        await services.noting.run()
        async with before.db.transaction() as session:
            duties = await claiming.claim(session, is_large=False, limit=1)
        async with opened(STORAGE_REPLICA_URL=(tmp_path / "third").as_uri()) as after:
            await replication_of(after).noting.run()
            async with after.db.transaction() as session:
                again = await claiming.claim(session, is_large=False, limit=1)
            async with before.db.transaction() as session:
                confirmed = await claiming.confirm(session, duties, address=services.store.replica.address)

    assert [duty.attempt for duty in duties] == [duty.attempt for duty in again] == [1]
    assert not confirmed
